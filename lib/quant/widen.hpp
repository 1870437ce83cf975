// bfloat16 and IEEE half precision to float32, exact for every bit pattern (NaN payloads included). Pure functions over
// little-endian 16-bit codes; the input needs no alignment. Thread-safe.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace moe::quant {

constexpr float bf16_to_f32(std::uint16_t code) { return std::bit_cast<float>(std::uint32_t{code} << 16); }

constexpr float f16_to_f32(std::uint16_t code) {
  const std::uint32_t sign = std::uint32_t{code & 0x8000U} << 16;
  const std::uint32_t exponent = (code >> 10) & 0x1FU;
  const std::uint32_t mantissa = code & 0x3FFU;
  if (exponent == 0x1F) {  // infinity, NaN
    return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  }
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  if (mantissa == 0) {
    return std::bit_cast<float>(sign);
  }
  // Subnormal: value = mantissa * 2^-24; the leading one becomes the implicit bit.
  const auto shift = static_cast<std::uint32_t>(std::countl_zero(mantissa)) - 21;
  return std::bit_cast<float>(sign | ((113 - shift) << 23) | ((mantissa << (13 + shift)) & 0x7FFFFFU));
}

// out[i] = value of the code at in + 2 i, for i in [0, count).
void widen_bf16(const void* in, float* out, std::size_t count);
void widen_f16(const void* in, float* out, std::size_t count);

}  // namespace moe::quant
