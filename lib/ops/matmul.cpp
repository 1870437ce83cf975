#include "ops/matmul.hpp"

#include <cstdint>
#include <limits>

#include "base/log.hpp"
#include "ops/kernel_table.hpp"
#include "ops/onednn_gemm.hpp"
#include "ops/onednn_matrix.hpp"
#include "ops/own_matrix.hpp"

namespace moe::ops {
namespace {

// A shape that the table gives to oneDNN wherever it uses oneDNN at all.
constexpr std::size_t kProbeIn = 64;
constexpr std::size_t kProbeOut = 1024;

std::string own_name() { return "own " + std::string(base::isa_name(current_kernels().level)) + " f32"; }

std::string decide_name() {
  if (table_f32(current_kernels().level, kProbeOut) == MatmulKernel::own) {
    return own_name();
  }
  const auto gemm = OneDnnGemm::create(kProbeIn, kProbeOut);
  if (!gemm.ok()) {
    base::log(base::LogLevel::info, "matmul: " + own_name() + " for all weights: " + gemm.status().message());
    return own_name();
  }
  return "onednn " + onednn_version() + " " + (*gemm)->implementation() + " f32, narrow weights " + own_name();
}

}  // namespace

Result<std::unique_ptr<const PackedMatrix>> pack_f32(const float* weight, std::size_t num_out, std::size_t num_in) {
  constexpr std::size_t kMost = std::numeric_limits<std::int32_t>::max();
  if (weight == nullptr || num_out == 0 || num_in == 0 || num_out > kMost || num_in > kMost) {
    return invalid("matrix [" + std::to_string(num_out) + ", " + std::to_string(num_in) + "]: no such shape");
  }
  if (table_f32(current_kernels().level, num_out) == MatmulKernel::onednn) {
    auto packed = pack_onednn_f32(weight, num_out, num_in);
    if (packed.ok() || packed.status().code() == Code::resource_exhausted) {
      return packed;
    }
    base::log(base::LogLevel::debug, "matrix [" + std::to_string(num_out) + ", " + std::to_string(num_in) +
                                         "]: own kernel: " + packed.status().message());
  }
  return pack_own_f32(current_kernels(), weight, num_out, num_in);
}

const std::string& matmul_kernel_name() {
  static const std::string name = decide_name();
  return name;
}

std::size_t matmul_primitives() { return OneDnnGemm::live_primitives(); }

}  // namespace moe::ops
