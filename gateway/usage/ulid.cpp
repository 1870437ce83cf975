#include "usage/ulid.hpp"

#include <algorithm>
#include <string_view>

#include "core/digest.hpp"

namespace moegate::usage {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

// 16 bytes, big-endian, as 26 digits of 5 bits (the first digit has 3).
std::string encode(const std::array<std::uint8_t, 16>& bytes) {
  std::string text(26, '0');
  for (int digit = 25, bit = 0; digit >= 0; --digit, bit += 5) {
    unsigned value = 0;
    for (int i = 0; i < 5 && bit + i < 128; ++i) {
      const int at = bit + i;
      value |= ((bytes[static_cast<std::size_t>(15 - at / 8)] >> (at % 8)) & 1U) << i;
    }
    text[static_cast<std::size_t>(digit)] = kAlphabet[value];
  }
  return text;
}

}  // namespace

std::string UlidSource::next(std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  const auto now_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(now_us, 0) / 1000);
  if (now_ms > last_ms_) {
    last_ms_ = now_ms;
    moe::random_bytes(random_);
    random_[0] &= 0x7f;  // room to count up
  } else {
    for (auto byte = random_.rbegin(); byte != random_.rend(); ++byte) {
      if (++*byte != 0) break;
    }
  }
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < 6; ++i) bytes[i] = static_cast<std::uint8_t>(last_ms_ >> (8 * (5 - i)));
  std::copy(random_.begin(), random_.end(), bytes.begin() + 6);
  return encode(bytes);
}

}  // namespace moegate::usage
