// The kernels of one level of the machine as a table of functions. Internal to the room and its tests: callers use
// elementwise.hpp, attention.hpp and matmul.hpp, which take the table of base::current_isa().
//
// Bits: a level always gives the same bits for a row, whatever stands beside it. Two levels differ (other reduction
// trees).
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu_features.hpp"
#include "ops/attention.hpp"

namespace moe::ops {

// Columns of a packed panel: [num_in][kPanelColumns], so that one step of k is one vector of outputs.
inline constexpr std::size_t kPanelColumns = 16;

struct Kernels {
  base::IsaLevel level;
  void (*rms_norm)(const float* x, const float* weight, float eps, float* y, std::size_t rows, std::size_t dim);
  void (*swiglu)(const float* gate, const float* up, float* y, std::size_t count);
  void (*add)(const float* x, float* y, std::size_t count);
  void (*add_scaled)(const float* x, float weight, float* y, std::size_t count);
  void (*softmax)(float* x, std::size_t count);
  void (*sigmoid)(float* x, std::size_t count);
  void (*rope_half)(float* x, std::size_t x_stride, std::size_t rows, std::size_t heads, std::size_t head_dim,
                    std::size_t dims, const std::int32_t* positions, const float* cos, const float* sin);
  void (*attend_kv_head)(const AttentionShape& shape, std::size_t kv_head, const float* q,
                         const float* const* key_blocks, const float* const* value_blocks, std::size_t length,
                         float* out, float* scores_scratch);
  // y[r, c] = sum over k, in ascending k, of x[r, k] * panel(c)[k], for `columns` columns from the start of `panels`.
  void (*multiply_panels)(const float* panels, std::size_t num_in, std::size_t columns, const float* x,
                          std::size_t x_stride, std::size_t rows, float* y, std::size_t y_stride);
};

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
#endif

// Precondition: the machine has `level`.
const Kernels& kernels_of(base::IsaLevel level);
const Kernels& current_kernels();

}  // namespace moe::ops
