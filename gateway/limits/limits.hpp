// Requests a minute and concurrent requests, at each level of the tenancy tree, all or nothing. Sliding minute of 61
// one-second slots on the monotonic clock: no 60 s ever hold more than the limit; a refused request leaves no trace.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tenancy/tenancy.hpp"

namespace moegate::limits {

struct Rejection {
  std::string scope;  // key | project | org
  std::string kind;   // rpm | concurrency
  std::uint64_t limit = 0;
  std::uint64_t retry_after_ms = 0;  // the first moment at which it would be admitted, >= 1
};

// The tightest request window over all levels, for x-ratelimit-*; absent if no level has one.
struct RequestWindow {
  std::uint64_t limit = 0, remaining = 0, reset_ms = 0;
};

class Limiter {
 public:
  static std::unique_ptr<Limiter> create(std::function<std::chrono::steady_clock::time_point()> clock);
  virtual ~Limiter() = default;

  // A taken place: gives its concurrency back exactly once, when destroyed. Movable, owned by the one admission object.
  class Slot {
   public:
    virtual ~Slot() = default;
  };
  // Takes one request and one concurrency place on key, project and org, or nothing.
  virtual std::unique_ptr<Slot> acquire(const tenancy::Principal& principal, std::optional<Rejection>* rejection,
                                        std::optional<RequestWindow>* window) = 0;
  virtual std::uint64_t in_flight(std::string_view scope, std::string_view id) const = 0;
  // Rebuilds request windows after a restart from admission wall times of the last minute.
  virtual void restore(const tenancy::Principal& principal, std::int64_t age_us) = 0;
};

}  // namespace moegate::limits
