// The one place that talks to oneDNN (2.6.3 and 3.x): y = x W^T in float32 for one tile of output columns, row-stable
// or not at all. oneDNN runs on the calling thread only, its exceptions end here, and the number of primitives is
// bounded: rows are padded up to one of a few bucket sizes, all made when the first weight of a shape is packed. Built
// without oneDNN, available() says so and create() refuses. Thread-safe; run() uses scratch of its thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/status.hpp"

namespace moe::ops {

class OneDnnGemm {
 public:
  // Shared between all weights of one shape [columns, num_in]. UNSUPPORTED with oneDNN's name of its implementation if
  // that is not known to be row-stable ("brg:*" is; "gemm:*" and "ref:*" are not).
  static Result<std::shared_ptr<const OneDnnGemm>> create(std::size_t num_in, std::size_t columns);
  static std::size_t live_primitives();
  virtual ~OneDnnGemm() = default;

  virtual std::size_t packed_bytes() const = 0;
  // weight [columns, num_in] row-major into packed_bytes() at `packed` (64-byte aligned).
  virtual Status pack(const float* weight, void* packed) const = 0;
  // y[r, 0..columns) for r in [0, rows). If oneDNN fails (no memory), y is filled with NaN: the sequence fails, not the
  // process.
  virtual void run(const void* packed, const float* x, std::size_t x_stride, std::size_t rows, float* y,
                   std::size_t y_stride) const noexcept = 0;
  // oneDNN's name of the implementation, "brg:avx512_core".
  virtual const std::string& implementation() const = 0;
};

// Why oneDNN cannot be used by this process at all: not built in, another threading runtime, no executable memory.
// OK if it can. Also caps oneDNN to base::current_isa(), before its first use.
Status onednn_available();
// "2.6.3", empty if not built in.
std::string onednn_version();

}  // namespace moe::ops
