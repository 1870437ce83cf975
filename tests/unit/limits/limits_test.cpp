#include "limits/limits.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

namespace moegate::limits {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Limits : public ::testing::Test {
 protected:
  Limits() {
    limiter_ = Limiter::create([this] { return now_; });
  }
  static tenancy::Principal principal(tenancy::KeyLimits key, tenancy::KeyLimits project = {},
                                      tenancy::KeyLimits org = {}) {
    tenancy::Principal p;
    p.org = "acme";
    p.project = "web";
    p.key_id = "k1";
    p.key_limits = key;
    p.project_limits = project;
    p.org_limits = org;
    return p;
  }
  std::unique_ptr<Limiter::Slot> take(const tenancy::Principal& p) {
    return limiter_->acquire(p, &rejection_, &window_);
  }

  std::chrono::steady_clock::time_point now_{seconds(1'000'000)};
  std::unique_ptr<Limiter> limiter_;
  std::optional<Rejection> rejection_;
  std::optional<RequestWindow> window_;
};

TEST_F(Limits, without_limits_everything_passes_and_is_counted) {
  const auto p = principal({});
  std::vector<std::unique_ptr<Limiter::Slot>> slots;
  for (int i = 0; i < 100; ++i) slots.push_back(take(p));
  EXPECT_EQ(limiter_->in_flight("key", "k1"), 100u);
  EXPECT_EQ(limiter_->in_flight("project", "acme/web"), 100u);
  EXPECT_EQ(limiter_->in_flight("org", "acme"), 100u);
  EXPECT_FALSE(window_.has_value());
  slots.clear();
  EXPECT_EQ(limiter_->in_flight("key", "k1"), 0u);
  EXPECT_EQ(limiter_->in_flight("org", "nobody"), 0u);
}

TEST_F(Limits, F040_a_place_comes_back_exactly_once_whatever_became_of_it) {
  const auto p = principal({0, 2});
  for (int round = 0; round < 10; ++round) {
    auto first = take(p);
    auto second = take(p);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(take(p), nullptr);
    EXPECT_EQ(rejection_->kind, "concurrency");
    EXPECT_EQ(rejection_->limit, 2u);
    auto moved = std::move(first);
    EXPECT_EQ(limiter_->in_flight("key", "k1"), 2u);
    moved.reset();
    first.reset();
    EXPECT_EQ(limiter_->in_flight("key", "k1"), 1u);
  }
  EXPECT_EQ(limiter_->in_flight("key", "k1"), 0u);
}

TEST_F(Limits, a_refusal_of_one_level_leaves_no_trace_on_the_others) {
  const auto p = principal({10, 0}, {}, {0, 1});
  auto held = take(p);
  ASSERT_TRUE(held);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(take(p), nullptr);
  EXPECT_EQ(rejection_->scope, "org");
  EXPECT_EQ(limiter_->in_flight("key", "k1"), 1u);
  EXPECT_EQ(window_->remaining, 9u);
  held.reset();
  EXPECT_TRUE(take(p));
  EXPECT_EQ(window_->remaining, 8u);
}

TEST_F(Limits, F042_refused_requests_do_not_fill_the_window_and_retry_after_is_true) {
  const auto p = principal({5, 0});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(take(p));
  EXPECT_EQ(window_->remaining, 0u);
  const auto filled = now_;
  std::uint64_t previous = 62'000;
  while (!take(p)) {
    ASSERT_LE(now_ - filled, seconds(61));
    EXPECT_EQ(rejection_->kind, "rpm");
    EXPECT_LT(rejection_->retry_after_ms, previous);
    EXPECT_EQ(window_->remaining, 0u);
    EXPECT_EQ(window_->reset_ms, rejection_->retry_after_ms);
    previous = rejection_->retry_after_ms;
    now_ += seconds(1);
  }
  EXPECT_EQ(now_ - filled, seconds(61));
}

TEST_F(Limits, F042_a_client_that_obeys_retry_after_is_admitted) {
  const auto p = principal({3, 0});
  now_ += milliseconds(777);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(take(p));
    now_ += milliseconds(1900);
  }
  ASSERT_FALSE(take(p));
  now_ += milliseconds(rejection_->retry_after_ms - 1);
  EXPECT_FALSE(take(p));
  now_ += milliseconds(1);
  EXPECT_TRUE(take(p));
  EXPECT_FALSE(take(p));
}

TEST_F(Limits, no_sixty_seconds_ever_hold_more_than_the_limit) {
  const auto p = principal({7, 0});
  std::deque<std::chrono::steady_clock::time_point> admitted;
  std::uint32_t state = 12345;
  for (int i = 0; i < 20000; ++i) {
    state = state * 1664525u + 1013904223u;
    now_ += milliseconds((state >> 8) % 900);
    if (!take(p)) continue;
    admitted.push_back(now_);
    while (admitted.front() <= now_ - seconds(60)) admitted.pop_front();
    ASSERT_LE(admitted.size(), 7u) << "step " << i;
  }
}

TEST_F(Limits, F044_the_refusal_names_scope_kind_and_limit) {
  ASSERT_TRUE(take(principal({1, 0}, {1, 0}, {1, 0})));
  EXPECT_FALSE(take(principal({1, 0})));
  EXPECT_EQ(rejection_->scope + " " + rejection_->kind, "key rpm");
  EXPECT_FALSE(take(principal({}, {1, 0})));
  EXPECT_EQ(rejection_->scope + " " + rejection_->kind, "project rpm");
  EXPECT_FALSE(take(principal({}, {}, {1, 0})));
  EXPECT_EQ(rejection_->scope + " " + rejection_->kind, "org rpm");
  EXPECT_EQ(rejection_->limit, 1u);
}

TEST_F(Limits, D10_sixty_four_threads_get_no_place_too_many_and_return_every_one) {
  const auto p = principal({40, 3}, {0, 5}, {0, 4});
  std::atomic<int> inside{0}, most{0}, admitted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        auto slot = limiter_->acquire(p, nullptr, nullptr);
        if (!slot) continue;
        ++admitted;
        const int now = ++inside;
        for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        std::this_thread::yield();
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 3);
  EXPECT_EQ(admitted, 40);  // 12,800 tries within one second of the clock
  for (const auto& [scope, id] : {std::pair{"key", "k1"}, {"project", "acme/web"}, {"org", "acme"}}) {
    EXPECT_EQ(limiter_->in_flight(scope, id), 0u) << scope;
  }
}

TEST_F(Limits, a_restart_rebuilds_the_window_from_admissions_of_the_last_minute) {
  const auto p = principal({3, 0});
  limiter_->restore(p, 59'000'000);
  limiter_->restore(p, 10'000'000);
  limiter_->restore(p, 300'000'000);  // long ago: does not count
  EXPECT_TRUE(take(p));
  EXPECT_FALSE(take(p));
  EXPECT_EQ(rejection_->retry_after_ms, 2000u);
  now_ += seconds(2);
  EXPECT_TRUE(take(p));
  EXPECT_EQ(limiter_->in_flight("key", "k1"), 0u);
}

TEST_F(Limits, a_slot_may_outlive_the_limiter) {
  auto slot = take(principal({0, 1}));
  limiter_.reset();
  slot.reset();
}

}  // namespace
}  // namespace moegate::limits
