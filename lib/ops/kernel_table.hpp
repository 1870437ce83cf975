// Which kernel runs which tensor class on which level of the machine: a table in the source, filled from recorded
// measurements (see the .cpp), never from a timing at start-up and never depending on the number of rows. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/cpu_features.hpp"

namespace moe::ops {

enum class MatmulKernel : std::uint8_t { own, onednn };

// Kernel for a float32 weight with num_out outputs. A oneDNN entry still falls back to the own kernel, per weight,
// where oneDNN is not there or offers an implementation that is not row-stable.
MatmulKernel table_f32(base::IsaLevel level, std::size_t num_out);

}  // namespace moe::ops
