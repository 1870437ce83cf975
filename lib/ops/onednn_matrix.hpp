// A float32 weight in oneDNN's prepacked format: fixed tiles of 256 output columns, each a memory of its own, so that
// the layout of a tile never depends on the rest of the matrix.
#pragma once

#include <memory>

#include "ops/matmul.hpp"

namespace moe::ops {

// UNSUPPORTED with the reason if oneDNN has no row-stable way for this shape here.
Result<std::unique_ptr<const PackedMatrix>> pack_onednn_f32(const float* weight, std::size_t num_out,
                                                            std::size_t num_in);

}  // namespace moe::ops
