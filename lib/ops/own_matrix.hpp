// The own float32 format: panels of 16 output columns interleaved over k, and the kernels of one level over them.
#pragma once

#include <memory>

#include "ops/kernels.hpp"
#include "ops/matmul.hpp"

namespace moe::ops {

Result<std::unique_ptr<const PackedMatrix>> pack_own_f32(const Kernels& kernels, const float* weight,
                                                         std::size_t num_out, std::size_t num_in);

}  // namespace moe::ops
