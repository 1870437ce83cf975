#include "limits/limits.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

namespace moegate::limits {
namespace {

// A window of 61 whole-second slots, the running one included, covers any 60 seconds that end now.
constexpr std::int64_t kSlots = 61;
constexpr std::int64_t kMillisecondsPerSecond = 1000;
// When a place will be given back nobody knows.
constexpr std::uint64_t kConcurrencyRetryMs = 1000;

class Window {
 public:
  std::uint64_t used(std::int64_t second) const {
    std::uint64_t sum = 0;
    for (const Slot& slot : slots_) {
      if (slot.second > second - kSlots && slot.second <= second) sum += slot.count;
    }
    return sum;
  }
  void add(std::int64_t second) {
    Slot& slot = slots_[index(second)];
    if (slot.second != second) slot = {second, 0};
    ++slot.count;
  }
  // The first second at which at most `allowed` of the requests counted now still count.
  std::int64_t first_second_with(std::uint64_t allowed, std::int64_t second) const {
    std::uint64_t sum = used(second);
    for (std::int64_t leaving = second - kSlots + 1; leaving <= second && sum > allowed; ++leaving) {
      const Slot& slot = slots_[index(leaving)];
      if (slot.second != leaving || slot.count == 0) continue;
      sum -= slot.count;
      if (sum <= allowed) return leaving + kSlots;
    }
    return second;
  }

 private:
  struct Slot {
    std::int64_t second = INT64_MIN;
    std::uint64_t count = 0;
  };
  static std::size_t index(std::int64_t second) {
    return static_cast<std::size_t>(((second % kSlots) + kSlots) % kSlots);
  }
  std::array<Slot, kSlots> slots_;
};

struct Account {
  Window window;
  std::uint64_t in_flight = 0;
};

struct Level {
  const char* scope;
  std::string id;
  const tenancy::KeyLimits* limits;
};

std::array<Level, 3> levels_of(const tenancy::Principal& principal) {
  return {{{"key", principal.key_id, &principal.key_limits},
           {"project", principal.org + "/" + principal.project, &principal.project_limits},
           {"org", principal.org, &principal.org_limits}}};
}

using Ids = std::array<std::string, 3>;
constexpr const char* kScopes[3] = {"key", "project", "org"};

// Shared by the limiter and every slot, so that a slot may outlive it.
struct Book {
  std::mutex mutex;                                                 // guards accounts
  std::map<std::pair<std::string, std::string>, Account> accounts;  // (scope, id)

  void release(const Ids& ids) {
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < ids.size(); ++i) --accounts[{kScopes[i], ids[i]}].in_flight;
  }
};

class TakenSlot final : public Limiter::Slot {
 public:
  TakenSlot(std::shared_ptr<Book> book, Ids ids) : book_(std::move(book)), ids_(std::move(ids)) {}
  ~TakenSlot() override {
    if (is_taken_) book_->release(ids_);
  }
  TakenSlot(const TakenSlot&) = delete;
  TakenSlot& operator=(const TakenSlot&) = delete;
  void take() { is_taken_ = true; }

 private:
  std::shared_ptr<Book> book_;
  const Ids ids_;
  bool is_taken_ = false;
};

class SlidingLimiter final : public Limiter {
 public:
  explicit SlidingLimiter(std::function<std::chrono::steady_clock::time_point()> clock) : clock_(std::move(clock)) {}

  std::unique_ptr<Slot> acquire(const tenancy::Principal& principal, std::optional<Rejection>* rejection,
                                std::optional<RequestWindow>* window) override;
  std::uint64_t in_flight(std::string_view scope, std::string_view id) const override;
  void restore(const tenancy::Principal& principal, std::int64_t age_us) override;

 private:
  std::int64_t now_ms() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock_().time_since_epoch()).count();
  }
  static std::int64_t second_of(std::int64_t ms) {
    return ms >= 0 ? ms / kMillisecondsPerSecond : -((-ms + kMillisecondsPerSecond - 1) / kMillisecondsPerSecond);
  }
  static std::uint64_t until(std::int64_t second, std::int64_t now_ms) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(1, second * kMillisecondsPerSecond - now_ms));
  }
  static std::optional<Rejection> rejection_of(const Level& level, const Account& account, std::int64_t now_ms);
  static std::optional<RequestWindow> tightest(const std::array<Level, 3>& levels,
                                               const std::array<Account*, 3>& accounts, std::int64_t now_ms);

  std::function<std::chrono::steady_clock::time_point()> clock_;
  std::shared_ptr<Book> book_ = std::make_shared<Book>();
};

std::optional<Rejection> SlidingLimiter::rejection_of(const Level& level, const Account& account, std::int64_t now_ms) {
  const std::uint64_t per_minute = level.limits->requests_per_minute;
  const std::int64_t second = second_of(now_ms);
  if (per_minute > 0 && account.window.used(second) >= per_minute) {
    const std::int64_t free_at = account.window.first_second_with(per_minute - 1, second);
    return Rejection{level.scope, "rpm", per_minute, until(free_at, now_ms)};
  }
  const std::uint64_t concurrent = level.limits->concurrent_requests;
  if (concurrent > 0 && account.in_flight >= concurrent) {
    return Rejection{level.scope, "concurrency", concurrent, kConcurrencyRetryMs};
  }
  return std::nullopt;
}

std::optional<RequestWindow> SlidingLimiter::tightest(const std::array<Level, 3>& levels,
                                                      const std::array<Account*, 3>& accounts, std::int64_t now_ms) {
  std::optional<RequestWindow> tightest;
  const std::int64_t second = second_of(now_ms);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const std::uint64_t limit = levels[i].limits->requests_per_minute;
    if (limit == 0) continue;
    const Window& counted = accounts[i]->window;
    const std::uint64_t used = counted.used(second);
    const std::uint64_t remaining = limit - std::min(limit, used);
    if (tightest && tightest->remaining <= remaining) continue;
    // When the next request stops to count: with nothing remaining, the moment at which one is admitted again.
    const std::uint64_t allowed = std::min(used == 0 ? 0 : used - 1, limit - 1);
    tightest =
        RequestWindow{limit, remaining, used == 0 ? 0 : until(counted.first_second_with(allowed, second), now_ms)};
  }
  return tightest;
}

std::unique_ptr<Limiter::Slot> SlidingLimiter::acquire(const tenancy::Principal& principal,
                                                       std::optional<Rejection>* rejection,
                                                       std::optional<RequestWindow>* window) {
  const std::array<Level, 3> levels = levels_of(principal);
  // Allocated before anything is counted: a failure here leaves no trace.
  auto slot = std::make_unique<TakenSlot>(book_, Ids{levels[0].id, levels[1].id, levels[2].id});
  std::optional<Rejection> refused;
  std::optional<RequestWindow> seen;
  {
    const std::lock_guard lock(book_->mutex);
    const std::int64_t now = now_ms();
    std::array<Account*, 3> accounts{};
    for (std::size_t i = 0; i < levels.size(); ++i) accounts[i] = &book_->accounts[{levels[i].scope, levels[i].id}];
    for (std::size_t i = 0; i < levels.size(); ++i) {
      const auto found = rejection_of(levels[i], *accounts[i], now);
      // The one that lasts longest tells the truth about when to come back.
      if (found && (!refused || found->retry_after_ms > refused->retry_after_ms)) refused = found;
    }
    if (!refused) {
      for (Account* account : accounts) {
        ++account->in_flight;
        account->window.add(second_of(now));
      }
      slot->take();
    }
    seen = tightest(levels, accounts, now);
  }
  if (window != nullptr) *window = seen;
  if (rejection != nullptr) *rejection = refused;
  if (refused) return nullptr;
  return slot;
}

std::uint64_t SlidingLimiter::in_flight(std::string_view scope, std::string_view id) const {
  const std::lock_guard lock(book_->mutex);
  const auto place = book_->accounts.find({std::string(scope), std::string(id)});
  return place == book_->accounts.end() ? 0 : place->second.in_flight;
}

void SlidingLimiter::restore(const tenancy::Principal& principal, std::int64_t age_us) {
  const std::lock_guard lock(book_->mutex);
  const std::int64_t second = second_of(now_ms() - std::max<std::int64_t>(0, age_us) / 1000);
  if (second <= second_of(now_ms()) - kSlots) return;
  for (const Level& level : levels_of(principal)) book_->accounts[{level.scope, level.id}].window.add(second);
}

}  // namespace

std::unique_ptr<Limiter> Limiter::create(std::function<std::chrono::steady_clock::time_point()> clock) {
  return std::make_unique<SlidingLimiter>(std::move(clock));
}

}  // namespace moegate::limits
