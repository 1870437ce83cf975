#include "quant/widen.hpp"

namespace moe::quant {
namespace {

std::uint16_t code_at(const void* in, std::size_t index) {
  const auto* bytes = static_cast<const unsigned char*>(in) + 2 * index;
  return static_cast<std::uint16_t>(bytes[0] | (bytes[1] << 8));
}

}  // namespace

void widen_bf16(const void* in, float* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = bf16_to_f32(code_at(in, i));
  }
}

void widen_f16(const void* in, float* out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = f16_to_f32(code_at(in, i));
  }
}

}  // namespace moe::quant
