#include "quant/widen.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace moe::quant {
namespace {

// Value of a half by its definition (IEEE 754, binary16).
double half_value(unsigned code) {
  const double sign = (code & 0x8000U) != 0 ? -1 : 1;
  const int exponent = static_cast<int>((code >> 10) & 31U);
  const double mantissa = code & 0x3FFU;
  if (exponent == 31) {
    return mantissa == 0 ? sign * INFINITY : NAN;
  }
  return exponent == 0 ? sign * std::ldexp(mantissa, -24) : sign * std::ldexp(1024 + mantissa, exponent - 25);
}

TEST(Widen, every_half_is_exact) {
  std::vector<std::uint16_t> codes(65536);
  for (unsigned code = 0; code < 65536; ++code) {
    codes[code] = static_cast<std::uint16_t>(code);
  }
  std::vector<float> out(codes.size());
  widen_f16(codes.data(), out.data(), codes.size());
  for (unsigned code = 0; code < 65536; ++code) {
    const double want = half_value(code);
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(out[code])) << code;
    } else {
      ASSERT_EQ(out[code], want) << code;
      ASSERT_EQ(std::signbit(out[code]), (code & 0x8000U) != 0) << code;
    }
  }
}

TEST(Widen, every_bf16_keeps_its_bits_and_odd_addresses_work) {
  std::vector<unsigned char> bytes(1 + 2 * 65536);
  for (unsigned code = 0; code < 65536; ++code) {
    bytes[1 + 2 * code] = static_cast<unsigned char>(code & 0xFF);
    bytes[2 + 2 * code] = static_cast<unsigned char>(code >> 8);
  }
  std::vector<float> out(65536);
  widen_bf16(bytes.data() + 1, out.data(), out.size());
  for (unsigned code = 0; code < 65536; ++code) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &out[code], sizeof(bits));
    ASSERT_EQ(bits, code << 16);
  }
}

}  // namespace
}  // namespace moe::quant
