#include "runtime/admission.hpp"

#include <gtest/gtest.h>

namespace moe::runtime {
namespace {

std::shared_ptr<Sequence> waiting(std::uint64_t group, std::uint64_t tokens, std::uint32_t weight = 1,
                                  std::uint32_t priority = 0) {
  auto sequence = std::make_shared<Sequence>();
  sequence->request.prompt = {1};
  sequence->request.max_tokens = tokens - 1;
  sequence->request.fair_group = group;
  sequence->request.fair_weight = weight;
  sequence->request.priority = priority;
  return sequence;
}

const auto kAlways = [](const Sequence&) { return true; };

TEST(Admission, groups_take_turns_by_weight) {
  AdmissionQueue queue;
  for (int i = 0; i < 40; ++i) {
    queue.push(waiting(1, 100));
  }
  for (int i = 0; i < 40; ++i) {
    queue.push(waiting(2, 100, 3));
  }
  int second = 0;
  for (int i = 0; i < 20; ++i) {
    second += queue.next(kAlways)->request.fair_group == 2 ? 1 : 0;
  }
  EXPECT_EQ(second, 15);
}

TEST(Admission, a_group_that_comes_late_gets_no_credit_for_the_past) {
  AdmissionQueue queue;
  for (int i = 0; i < 20; ++i) {
    queue.push(waiting(1, 100));
  }
  for (int i = 0; i < 10; ++i) {
    queue.next(kAlways);
  }
  for (int i = 0; i < 20; ++i) {
    queue.push(waiting(2, 100));
  }
  int second = 0;
  for (int i = 0; i < 10; ++i) {
    second += queue.next(kAlways)->request.fair_group == 2 ? 1 : 0;
  }
  EXPECT_NEAR(second, 5, 1);
}

TEST(Admission, higher_priority_comes_first) {
  AdmissionQueue queue;
  queue.push(waiting(1, 10));
  queue.push(waiting(1, 10, 1, 5));
  EXPECT_EQ(queue.next(kAlways)->request.priority, 5U);
}

TEST(Admission, f060_a_long_one_is_passed_a_bounded_number_of_times_only) {
  AdmissionQueue queue;
  queue.push(waiting(1, 10000));
  const auto small_fits = [](const Sequence& sequence) { return sequence.request.max_tokens < 1000; };
  std::uint64_t passed = 0;
  for (int i = 0; i < 100; ++i) {
    queue.push(waiting(2, 10));
    passed += queue.next(small_fits) != nullptr ? 1 : 0;
  }
  EXPECT_EQ(passed, AdmissionQueue::kMaxBypass);
  EXPECT_EQ(queue.next(kAlways)->request.max_tokens, 9999U);
}

TEST(Admission, a_paused_one_is_not_admitted_and_holds_nobody_up) {
  AdmissionQueue queue;
  auto paused = waiting(1, 10);
  paused->is_paused = true;
  queue.push(paused);
  queue.push(waiting(1, 20));
  EXPECT_EQ(queue.next(kAlways)->request.max_tokens, 19U);
  EXPECT_EQ(queue.next(kAlways), nullptr);
  paused->is_paused = false;
  EXPECT_EQ(queue.next(kAlways), paused);
}

TEST(Admission, removed_ones_are_gone) {
  AdmissionQueue queue;
  auto one = waiting(1, 10);
  queue.push(one);
  EXPECT_TRUE(queue.remove(one.get()));
  EXPECT_FALSE(queue.remove(one.get()));
  EXPECT_EQ(queue.next(kAlways), nullptr);
}

}  // namespace
}  // namespace moe::runtime
