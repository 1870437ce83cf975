// y = x W^T with a weight that was packed once. Row-stable: the bits of a row of y depend on that row of x and on W
// alone, never on how many rows there are, where the row stands, or which worker computes it (K is never split).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/aligned.hpp"
#include "core/status.hpp"

namespace moe::ops {

// A weight [num_out, num_in] in its execution format, cut into tiles of output rows (the unit of parallel work).
// Immutable, safe to use from many threads.
class PackedMatrix {
 public:
  virtual ~PackedMatrix() = default;
  virtual std::size_t num_out() const = 0;
  virtual std::size_t num_in() const = 0;
  virtual std::size_t num_tiles() const = 0;
  // Output columns of a tile: [first, first + count).
  virtual std::size_t tile_first(std::size_t tile) const = 0;
  virtual std::size_t tile_count(std::size_t tile) const = 0;
  // y[r, tile columns] for r in [0, rows): x [rows, x_stride], y [rows, y_stride] (strides in floats, y points at
  // column 0 of the whole output).
  virtual void multiply_tile(std::size_t tile, const float* x, std::size_t x_stride, std::size_t rows, float* y,
                             std::size_t y_stride) const = 0;
  virtual std::size_t bytes() const = 0;
};

// Packs a row-major float32 [num_out, num_in]. The kernel comes from the table in ops/kernel_table.hpp.
Result<std::unique_ptr<const PackedMatrix>> pack_f32(const float* weight, std::size_t num_out, std::size_t num_in);

// Names of the kernels that pack_f32 chooses here ("onednn 2.6.3 brg:avx512_core f32, narrow weights own avx512 f32",
// "own avx2 f32"), for facts and build_id. The same through the life of the process.
const std::string& matmul_kernel_name();
// oneDNN primitives alive now: at most 16 a distinct [tile, num_in], however many row counts were run.
std::size_t matmul_primitives();

}  // namespace moe::ops
