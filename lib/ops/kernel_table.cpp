#include "ops/kernel_table.hpp"

namespace moe::ops {
namespace {

// Narrower weights (routers, low ranks) run own: oneDNN pads to 64 columns and its call costs more than they do.
//
// Row stability: oneDNN 2.6.3 on AVX-512 offers "brg:avx512_core" for every shape tried (K 33..11008, N 8..256) and
// gave the same bits for a row at M = 1..69 and on to 600, at any position. With AVX-512 switched off it offers
// "gemm:jit", which does not: three rows of four differed. So AVX2 and scalar run own kernels.
//
// Speed: 2 virtual cores of a Sapphire Rapids Xeon, one thread, `ops_bench`, cold weights, square [size, size],
// release.
//   GB/s (rows 1) or GFLOP/s (rows 64, 256)   size 128            size 512            size 2048
//                                             own      oneDNN     own      oneDNN     own      oneDNN
//   rows 1                                    28.8     16.2       16.3     11.9       17.1     14.9
//   rows 64                                   172      150        105      127        136      141
//   rows 256                                  186      177        178      172        177      178
// The two meet in prefill; the own kernel is ahead for single rows, which float32 (tiny and reference models) can bear.
constexpr std::size_t kOneDnnFromOutputs = 256;

}  // namespace

MatmulKernel table_f32(base::IsaLevel level, std::size_t num_out) {
  switch (level) {
    case base::IsaLevel::avx512:
      return num_out >= kOneDnnFromOutputs ? MatmulKernel::onednn : MatmulKernel::own;
    case base::IsaLevel::avx2:
    case base::IsaLevel::scalar:
      break;
  }
  return MatmulKernel::own;
}

}  // namespace moe::ops
