// The oracle: every operation as plainly as it can be written, in double precision, one loop after another. Shares no
// code with the library. Inputs are the float values that the library sees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

using Values = std::vector<double>;

Values rms_norm(const std::vector<float>& x, const std::vector<float>& weight, double eps, std::size_t rows,
                std::size_t dim);
Values swiglu(const std::vector<float>& gate, const std::vector<float>& up);
Values softmax(const std::vector<float>& x);
Values sigmoid(const std::vector<float>& x);
// x [rows, heads, head_dim] densely packed; angles by position and pair index as theta^(-2 j / dims).
Values rope_half(const std::vector<float>& x, std::size_t rows, std::size_t heads, std::size_t head_dim,
                 std::size_t dims, const std::vector<std::int32_t>& positions, double theta);
// y[r, o] = sum over k of x[r, k] w[o, k].
Values matmul(const std::vector<float>& x, const std::vector<float>& w, std::size_t rows, std::size_t num_out,
              std::size_t num_in);
// Largest sum over k of |x[r, k] w[o, k]|, what rounding errors of a product scale with.
double matmul_magnitude(const std::vector<float>& x, const std::vector<float>& w, std::size_t rows, std::size_t num_out,
                        std::size_t num_in);
// q [num_heads, head_dim]; keys, values [length, num_kv_heads, head_dim]; result [num_heads, head_dim].
Values attention(const std::vector<float>& q, const std::vector<float>& keys, const std::vector<float>& values,
                 std::size_t num_heads, std::size_t num_kv_heads, std::size_t head_dim, std::size_t length,
                 double scale);

struct Router {
  std::size_t num_experts = 0;
  std::size_t experts_per_token = 0;
  bool is_sigmoid = false;
  bool renormalises = false;
  double scale = 1;
};
struct Choice {
  std::vector<std::size_t> experts;
  Values weights;
};
// Stable sort by descending selection score, so that ties stay in index order.
Choice route(const Router& router, const Values& logits, const std::vector<float>& bias);

struct Expert {
  std::vector<float> gate, up;  // [intermediate, hidden]
  std::vector<float> down;      // [hidden, intermediate]
};
// One token through the chosen experts.
Values moe_token(const std::vector<float>& x, const std::vector<Expert>& experts, const Choice& choice,
                 std::size_t intermediate);

}  // namespace reference
