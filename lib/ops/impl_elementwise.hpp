// The elementwise operations over a vector type V. Included by the kernels_*.cpp files only, inside an unnamed
// namespace: code compiled for one level must never be merged with another's by the linker. No standard headers with
// inline code for the same reason.
//
// V: kWidth lanes; load, load_part (missing lanes 0), store, store_part, all (broadcast), + - * /, fma(a, b, c) = a b +
// c, max_of and min_of (second operand if either is NaN), sum and max_lane in a fixed tree, square_root, round_to_int,
// scale_by_power_of_two(v, n), zero_where_less(v, x, bound).
#pragma once

// e^x to about 1 ulp after Cephes' expf: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial of degree 6 in r. Below -87.33
// the result is 0 (no denormals), above 88.37 it stays at the largest value; NaN stays NaN.
template <typename V>
V exp_of(V x) {
  const V low = V::all(-87.33654F);
  const V clamped = V::min_of(V::all(88.37626F), V::max_of(low, x));
  const V n = V::round_to_int(clamped * V::all(1.44269504F));
  V r = V::fma(n, V::all(-0.693359375F), clamped);
  r = V::fma(n, V::all(2.12194440e-4F), r);
  V p = V::all(1.9875691500e-4F);
  p = V::fma(p, r, V::all(1.3981999507e-3F));
  p = V::fma(p, r, V::all(8.3334519073e-3F));
  p = V::fma(p, r, V::all(4.1665795894e-2F));
  p = V::fma(p, r, V::all(1.6666665459e-1F));
  p = V::fma(p, r, V::all(5.0000001201e-1F));
  const V y = V::fma(p, r * r, r) + V::all(1.0F);
  return V::zero_where_less(V::scale_by_power_of_two(y, n), x, low);
}

template <typename V>
V sigmoid_of(V x) {
  return V::all(1.0F) / (V::all(1.0F) + exp_of(V::all(0.0F) - x));
}

// Calls body(vector index, lanes) over `count` floats; lanes < kWidth only in the last call.
template <typename V, typename F>
void for_vectors(std::size_t count, F body) {
  std::size_t i = 0;
  for (; i + V::kWidth <= count; i += V::kWidth) {
    body(i, V::kWidth);
  }
  if (i < count) {
    body(i, count - i);
  }
}

template <typename V>
V load_some(const float* p, std::size_t lanes) {
  return lanes == V::kWidth ? V::load(p) : V::load_part(p, lanes);
}

template <typename V>
void store_some(V v, float* p, std::size_t lanes) {
  if (lanes == V::kWidth) {
    v.store(p);
  } else {
    v.store_part(p, lanes);
  }
}

template <typename V>
void rms_norm_of(const float* x, const float* weight, float eps, float* y, std::size_t rows, std::size_t dim) {
  for (std::size_t row = 0; row < rows; ++row) {
    const float* in = x + row * dim;
    float* out = y + row * dim;
    V sum = V::all(0.0F);
    for_vectors<V>(dim, [&](std::size_t i, std::size_t lanes) {
      const V v = load_some<V>(in + i, lanes);
      sum = V::fma(v, v, sum);
    });
    const float mean = sum.sum() / static_cast<float>(dim);
    const V scale = V::all(1.0F / V::square_root(mean + eps));
    for_vectors<V>(dim, [&](std::size_t i, std::size_t lanes) {
      store_some(load_some<V>(in + i, lanes) * scale * load_some<V>(weight + i, lanes), out + i, lanes);
    });
  }
}

template <typename V>
void swiglu_of(const float* gate, const float* up, float* y, std::size_t count) {
  for_vectors<V>(count, [&](std::size_t i, std::size_t lanes) {
    const V g = load_some<V>(gate + i, lanes);
    store_some(g / (V::all(1.0F) + exp_of(V::all(0.0F) - g)) * load_some<V>(up + i, lanes), y + i, lanes);
  });
}

template <typename V>
void add_of(const float* x, float* y, std::size_t count) {
  for_vectors<V>(count, [&](std::size_t i, std::size_t lanes) {
    store_some(load_some<V>(y + i, lanes) + load_some<V>(x + i, lanes), y + i, lanes);
  });
}

template <typename V>
void add_scaled_of(const float* x, float weight, float* y, std::size_t count) {
  const V w = V::all(weight);
  for_vectors<V>(count, [&](std::size_t i, std::size_t lanes) {
    store_some(V::fma(w, load_some<V>(x + i, lanes), load_some<V>(y + i, lanes)), y + i, lanes);
  });
}

template <typename V>
void sigmoid_all_of(float* x, std::size_t count) {
  for_vectors<V>(count, [&](std::size_t i, std::size_t lanes) {
    store_some(sigmoid_of(load_some<V>(x + i, lanes)), x + i, lanes);
  });
}

template <typename V>
void softmax_of(float* x, std::size_t count) {
  if (count == 0) {
    return;
  }
  V largest = V::all(x[0]);
  std::size_t i = 0;
  for (; i + V::kWidth <= count; i += V::kWidth) {
    largest = V::max_of(largest, V::load(x + i));
  }
  float top = largest.max_lane();
  for (; i < count; ++i) {
    top = x[i] > top ? x[i] : top;
  }
  const V shift = V::all(top);
  V sum = V::all(0.0F);
  for_vectors<V>(count, [&](std::size_t j, std::size_t lanes) {
    const V e = exp_of(load_some<V>(x + j, lanes) - shift);
    store_some(e, x + j, lanes);
    sum = sum + load_some<V>(x + j, lanes);  // reloaded, so that lanes past the end count 0
  });
  const V total = V::all(sum.sum());
  for_vectors<V>(
      count, [&](std::size_t j, std::size_t lanes) { store_some(load_some<V>(x + j, lanes) / total, x + j, lanes); });
}

template <typename V>
void rope_half_of(float* x, std::size_t x_stride, std::size_t rows, std::size_t heads, std::size_t head_dim,
                  std::size_t dims, const std::int32_t* positions, const float* cos, const float* sin) {
  const std::size_t half = dims / 2;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t table = static_cast<std::size_t>(positions[row]) * half;
    for (std::size_t head = 0; head < heads; ++head) {
      float* first = x + row * x_stride + head * head_dim;
      float* second = first + half;
      for_vectors<V>(half, [&](std::size_t i, std::size_t lanes) {
        const V a = load_some<V>(first + i, lanes);
        const V b = load_some<V>(second + i, lanes);
        const V c = load_some<V>(cos + table + i, lanes);
        const V s = load_some<V>(sin + table + i, lanes);
        store_some(V::fma(a, c, V::all(0.0F) - b * s), first + i, lanes);
        store_some(V::fma(b, c, a * s), second + i, lanes);
      });
    }
  }
}
