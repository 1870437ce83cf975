// Which kernel runs which tensor class on which level of the machine. A table in the source, filled from measurements
// (see the .cpp), never from a timing at start-up and never depending on the number of rows.
#pragma once

#include <string>

#include "base/cpu_features.hpp"

namespace moe::ops {

enum class MatmulKernel : std::uint8_t { own, onednn };

// What the table says for float32 weights on this level, before anything is tried on this machine.
MatmulKernel table_f32(base::IsaLevel level);

}  // namespace moe::ops
