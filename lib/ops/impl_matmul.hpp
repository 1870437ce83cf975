// y = x W^T over packed panels and a vector type V; rules of impl_elementwise.hpp. Every output is one chain of
// multiply-adds in ascending k, in one accumulator, whatever block it is computed in: that is what makes rows stable.
// Blocks only decide how many chains run beside each other: V::kAccumulators of them, to hide the latency of a
// multiply-add (4 cycles x 2 units) and to use each loaded weight for several rows.
#pragma once

// kRows rows by kPanels panels. Columns past `columns` in the last panel are computed (packed as zero) and not stored.
template <typename V, std::size_t kRows, std::size_t kPanels>
void multiply_block(const float* panels, std::size_t num_in, std::size_t columns, const float* x, std::size_t x_stride,
                    float* y, std::size_t y_stride) {
  constexpr std::size_t kParts = kPanelColumns / V::kWidth;
  V acc[kRows][kPanels * kParts];
#pragma GCC unroll 64
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 64
    for (std::size_t c = 0; c < kPanels * kParts; ++c) {
      acc[r][c] = V::all(0.0F);
    }
  }
  const std::size_t panel_floats = num_in * kPanelColumns;
  for (std::size_t k = 0; k < num_in; ++k) {
    V w[kPanels * kParts];
#pragma GCC unroll 64
    for (std::size_t c = 0; c < kPanels * kParts; ++c) {
      w[c] = V::load(panels + (c / kParts) * panel_floats + k * kPanelColumns + (c % kParts) * V::kWidth);
    }
#pragma GCC unroll 64
    for (std::size_t r = 0; r < kRows; ++r) {
      const V value = V::all(x[r * x_stride + k]);
#pragma GCC unroll 64
      for (std::size_t c = 0; c < kPanels * kParts; ++c) {
        acc[r][c] = V::fma(value, w[c], acc[r][c]);
      }
    }
  }
#pragma GCC unroll 64
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 64
    for (std::size_t c = 0; c < kPanels * kParts; ++c) {
      const std::size_t first = c * V::kWidth;
      if (first + V::kWidth <= columns) {
        acc[r][c].store(y + r * y_stride + first);
      } else if (first < columns) {
        acc[r][c].store_part(y + r * y_stride + first, columns - first);
      }
    }
  }
}

// All panels for exactly kRows rows.
template <typename V, std::size_t kRows>
void multiply_rows(const float* panels, std::size_t num_in, std::size_t columns, const float* x, std::size_t x_stride,
                   float* y, std::size_t y_stride) {
  constexpr std::size_t kWide = V::kAccumulators / (kRows * (kPanelColumns / V::kWidth));
  constexpr std::size_t kPanels = kWide >= 4 ? 4 : (kWide >= 2 ? 2 : 1);
  const std::size_t panel_floats = num_in * kPanelColumns;
  std::size_t c = 0;
  for (; c + (kPanels - 1) * kPanelColumns < columns; c += kPanels * kPanelColumns) {
    multiply_block<V, kRows, kPanels>(panels + c / kPanelColumns * panel_floats, num_in, columns - c, x, x_stride,
                                      y + c, y_stride);
  }
  for (; c < columns; c += kPanelColumns) {
    multiply_block<V, kRows, 1>(panels + c / kPanelColumns * panel_floats, num_in, columns - c, x, x_stride, y + c,
                                y_stride);
  }
}

template <typename V>
void multiply_panels_of(const float* panels, std::size_t num_in, std::size_t columns, const float* x,
                        std::size_t x_stride, std::size_t rows, float* y, std::size_t y_stride) {
  std::size_t row = 0;
  for (; row + 6 <= rows; row += 6) {
    multiply_rows<V, 6>(panels, num_in, columns, x + row * x_stride, x_stride, y + row * y_stride, y_stride);
  }
  const float* rest_x = x + row * x_stride;
  float* rest_y = y + row * y_stride;
  switch (rows - row) {
    case 1:
      multiply_rows<V, 1>(panels, num_in, columns, rest_x, x_stride, rest_y, y_stride);
      break;
    case 2:
      multiply_rows<V, 2>(panels, num_in, columns, rest_x, x_stride, rest_y, y_stride);
      break;
    case 3:
      multiply_rows<V, 3>(panels, num_in, columns, rest_x, x_stride, rest_y, y_stride);
      break;
    case 4:
      multiply_rows<V, 4>(panels, num_in, columns, rest_x, x_stride, rest_y, y_stride);
      break;
    case 5:
      multiply_rows<V, 5>(panels, num_in, columns, rest_x, x_stride, rest_y, y_stride);
      break;
    default:
      break;
  }
}
