#include "ops/matmul.hpp"

#include <limits>

#include "ops/own_matrix.hpp"

namespace moe::ops {

Result<std::unique_ptr<const PackedMatrix>> pack_f32(const float* weight, std::size_t num_out, std::size_t num_in) {
  constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();
  if (weight == nullptr || num_out == 0 || num_in == 0 || num_out > kMost || num_in > kMost) {
    return invalid("matrix [" + std::to_string(num_out) + ", " + std::to_string(num_in) + "]: no such shape");
  }
  return pack_own_f32(current_kernels(), weight, num_out, num_in);
}

std::string matmul_kernel_name() { return "own " + std::string(base::isa_name(current_kernels().level)) + " f32"; }

}  // namespace moe::ops
