#include "reference/reference.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace reference {
namespace {

double silu(double x) { return x / (1 + std::exp(-x)); }

Values multiply(const Values& x, const std::vector<float>& w, std::size_t num_out) {
  Values y(num_out, 0.0);
  for (std::size_t o = 0; o < num_out; ++o) {
    for (std::size_t k = 0; k < x.size(); ++k) {
      y[o] += x[k] * w[o * x.size() + k];
    }
  }
  return y;
}

}  // namespace

Values rms_norm(const std::vector<float>& x, const std::vector<float>& weight, double eps, std::size_t rows,
                std::size_t dim) {
  Values y(rows * dim);
  for (std::size_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (std::size_t i = 0; i < dim; ++i) {
      sum += double{x[r * dim + i]} * x[r * dim + i];
    }
    const double scale = 1 / std::sqrt(sum / static_cast<double>(dim) + eps);
    for (std::size_t i = 0; i < dim; ++i) {
      y[r * dim + i] = x[r * dim + i] * scale * weight[i];
    }
  }
  return y;
}

Values swiglu(const std::vector<float>& gate, const std::vector<float>& up) {
  Values y(gate.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] = silu(gate[i]) * up[i];
  }
  return y;
}

Values softmax(const std::vector<float>& x) {
  const double top = *std::max_element(x.begin(), x.end());
  Values y(x.begin(), x.end());
  double sum = 0;
  for (double& v : y) {
    v = std::exp(v - top);
    sum += v;
  }
  for (double& v : y) {
    v /= sum;
  }
  return y;
}

Values sigmoid(const std::vector<float>& x) {
  Values y(x.begin(), x.end());
  for (double& v : y) {
    v = 1 / (1 + std::exp(-v));
  }
  return y;
}

Values rope_half(const std::vector<float>& x, std::size_t rows, std::size_t heads, std::size_t head_dim,
                 std::size_t dims, const std::vector<std::int32_t>& positions, double theta) {
  Values y(x.begin(), x.end());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t h = 0; h < heads; ++h) {
      double* head = y.data() + (r * heads + h) * head_dim;
      for (std::size_t j = 0; j < dims / 2; ++j) {
        const double angle = positions[r] * std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(dims));
        const double a = head[j];
        const double b = head[j + dims / 2];
        head[j] = a * std::cos(angle) - b * std::sin(angle);
        head[j + dims / 2] = b * std::cos(angle) + a * std::sin(angle);
      }
    }
  }
  return y;
}

Values matmul(const std::vector<float>& x, const std::vector<float>& w, std::size_t rows, std::size_t num_out,
              std::size_t num_in) {
  Values y;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto row = x.begin() + static_cast<std::ptrdiff_t>(r * num_in);
    const Values part = multiply(Values(row, row + static_cast<std::ptrdiff_t>(num_in)), w, num_out);
    y.insert(y.end(), part.begin(), part.end());
  }
  return y;
}

double matmul_magnitude(const std::vector<float>& x, const std::vector<float>& w, std::size_t rows, std::size_t num_out,
                        std::size_t num_in) {
  double largest = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < num_out; ++o) {
      double sum = 0;
      for (std::size_t k = 0; k < num_in; ++k) {
        sum += std::fabs(double{x[r * num_in + k]} * w[o * num_in + k]);
      }
      largest = std::max(largest, sum);
    }
  }
  return largest;
}

Values attention(const std::vector<float>& q, const std::vector<float>& keys, const std::vector<float>& values,
                 std::size_t num_heads, std::size_t num_kv_heads, std::size_t head_dim, std::size_t length,
                 double scale) {
  Values out(num_heads * head_dim, 0.0);
  for (std::size_t h = 0; h < num_heads; ++h) {
    const std::size_t kv = h / (num_heads / num_kv_heads);
    Values p(length);
    for (std::size_t t = 0; t < length; ++t) {
      double dot = 0;
      for (std::size_t d = 0; d < head_dim; ++d) {
        dot += double{q[h * head_dim + d]} * keys[(t * num_kv_heads + kv) * head_dim + d];
      }
      p[t] = dot * scale;
    }
    const double top = *std::max_element(p.begin(), p.end());
    double sum = 0;
    for (double& v : p) {
      v = std::exp(v - top);
      sum += v;
    }
    for (std::size_t t = 0; t < length; ++t) {
      for (std::size_t d = 0; d < head_dim; ++d) {
        out[h * head_dim + d] += p[t] / sum * values[(t * num_kv_heads + kv) * head_dim + d];
      }
    }
  }
  return out;
}

Choice route(const Router& router, const Values& logits, const std::vector<float>& bias) {
  Values scores(logits);
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (double& s : scores) {
    s = router.is_sigmoid ? 1 / (1 + std::exp(-s)) : std::exp(s - top);
    sum += s;
  }
  for (double& s : scores) {
    s = router.is_sigmoid ? s : s / sum;
  }
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto selection = [&](std::size_t e) { return scores[e] + (bias.empty() ? 0.0 : double{bias[e]}); };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return selection(a) > selection(b); });
  Choice choice;
  choice.experts.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(router.experts_per_token));
  double total = 0;
  for (const std::size_t e : choice.experts) {
    choice.weights.push_back(scores[e]);
    total += scores[e];
  }
  for (double& w : choice.weights) {
    w = (router.renormalises ? w / total : w) * router.scale;
  }
  return choice;
}

Values moe_token(const std::vector<float>& x, const std::vector<Expert>& experts, const Choice& choice,
                 std::size_t intermediate) {
  Values y(x.size(), 0.0);
  const Values in(x.begin(), x.end());
  for (std::size_t i = 0; i < choice.experts.size(); ++i) {
    const Expert& expert = experts[choice.experts[i]];
    Values activated = multiply(in, expert.gate, intermediate);
    const Values up = multiply(in, expert.up, intermediate);
    for (std::size_t j = 0; j < intermediate; ++j) {
      activated[j] = silu(activated[j]) * up[j];
    }
    const Values out = multiply(activated, expert.down, x.size());
    for (std::size_t d = 0; d < x.size(); ++d) {
      y[d] += choice.weights[i] * out[d];
    }
  }
  return y;
}

}  // namespace reference
