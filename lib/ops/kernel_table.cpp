#include "ops/kernel_table.hpp"

namespace moe::ops {

MatmulKernel table_f32(base::IsaLevel level) {
  static_cast<void>(level);
  return MatmulKernel::own;
}

}  // namespace moe::ops
