// Request ids: ULIDs, which sort by time. Two ids of one process never compare equal or against their order, also
// within a millisecond or when the wall clock goes back. Thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>

namespace moegate::usage {

class UlidSource {
 public:
  // 26 characters of Crockford's base 32.
  std::string next(std::int64_t now_us);

 private:
  std::mutex mutex_;  // guards the two below
  std::uint64_t last_ms_ = 0;
  std::array<std::uint8_t, 10> random_{};
};

}  // namespace moegate::usage
