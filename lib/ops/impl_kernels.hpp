// All operations over a vector type V, as one table. Included once by each kernels_*.cpp, inside an unnamed namespace.
#pragma once

// The later files use the earlier ones.
// clang-format off
#include "ops/impl_elementwise.hpp"
#include "ops/impl_attention.hpp"
#include "ops/impl_matmul.hpp"
// clang-format on

// The table of this level; used once at the end of each kernels_*.cpp.
template <typename V>
constexpr Kernels make_kernels(base::IsaLevel level) {
  return {level,
          &rms_norm_of<V>,
          &swiglu_of<V>,
          &add_of<V>,
          &add_scaled_of<V>,
          &softmax_of<V>,
          &sigmoid_all_of<V>,
          &rope_half_of<V>,
          &attend_kv_head_of<V>,
          &multiply_panels_of<V>};
}
