// Small float32 operations over rows. Every result of a row depends on that row alone; reductions run in a fixed order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace moe::ops {

// y[r] = x[r] * rsqrt(mean(x[r]^2) + eps) * weight.  x, y [rows, dim]; may alias. (Zhang & Sennrich 2019)
void rms_norm(const float* x, const float* weight, float eps, float* y, std::size_t rows, std::size_t dim);
// y = silu(gate) * up, element by element. (Shazeer 2020, SwiGLU)
void swiglu(const float* gate, const float* up, float* y, std::size_t count);
// y += x
void add(const float* x, float* y, std::size_t count);
// y += weight * x
void add_scaled(const float* x, float weight, float* y, std::size_t count);
// In place, in float32, max subtracted first.
void softmax(float* x, std::size_t count);
// In place: 1 / (1 + e^-x).
void sigmoid(float* x, std::size_t count);
// Rotates pairs (j, j + dims/2) of the first `dims` channels of each head in place (HALF pairing).
//   x [rows, heads, head_dim] with row stride x_stride;  cos, sin [positions, dims/2];  positions [rows], each a row of
//   the tables
void rope_half(float* x, std::size_t x_stride, std::size_t rows, std::size_t heads, std::size_t head_dim,
               std::size_t dims, const std::int32_t* positions, const float* cos, const float* sin);

}  // namespace moe::ops
