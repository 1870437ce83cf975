#include "ops/elementwise.hpp"

#include "ops/kernels.hpp"

namespace moe::ops {

void rms_norm(const float* x, const float* weight, float eps, float* y, std::size_t rows, std::size_t dim) {
  current_kernels().rms_norm(x, weight, eps, y, rows, dim);
}

void swiglu(const float* gate, const float* up, float* y, std::size_t count) {
  current_kernels().swiglu(gate, up, y, count);
}

void add(const float* x, float* y, std::size_t count) { current_kernels().add(x, y, count); }

void add_scaled(const float* x, float weight, float* y, std::size_t count) {
  current_kernels().add_scaled(x, weight, y, count);
}

void softmax(float* x, std::size_t count) { current_kernels().softmax(x, count); }

void sigmoid(float* x, std::size_t count) { current_kernels().sigmoid(x, count); }

void rope_half(float* x, std::size_t x_stride, std::size_t rows, std::size_t heads, std::size_t head_dim,
               std::size_t dims, const std::int32_t* positions, const float* cos, const float* sin) {
  current_kernels().rope_half(x, x_stride, rows, heads, head_dim, dims, positions, cos, sin);
}

}  // namespace moe::ops
