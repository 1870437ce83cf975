#include "ops/kernels.hpp"

namespace moe::ops {

const Kernels& kernels_of(base::IsaLevel level) {
#if defined(__x86_64__)
  switch (level) {
    case base::IsaLevel::avx512:
      return kAvx512Kernels;
    case base::IsaLevel::avx2:
      return kAvx2Kernels;
    case base::IsaLevel::scalar:
      break;
  }
#else
  static_cast<void>(level);
#endif
  return kScalarKernels;
}

const Kernels& current_kernels() {
  static const Kernels& kernels = kernels_of(base::current_isa());
  return kernels;
}

}  // namespace moe::ops
