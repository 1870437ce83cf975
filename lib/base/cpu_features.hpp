// What the processor and the system together allow. Detection takes CPUID leaves and XCR0 as data, because the CPUID
// bit alone is not enough: the system must also save the wide registers. Pure functions; current_isa() is decided once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/status.hpp"

namespace moe::base {

struct CpuidLeaf {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// The raw facts of a machine.
struct CpuidData {
  CpuidLeaf leaf_1;            // features
  CpuidLeaf leaf_7;            // sub-leaf 0
  CpuidLeaf leaf_7_1;          // sub-leaf 1
  std::uint64_t xcr0 = 0;      // 0 if OSXSAVE is off
  bool amx_permitted = false;  // arch_prctl(ARCH_REQ_XCOMP_PERM) was granted
};
CpuidData read_cpuid();

struct CpuFeatures {
  bool avx2 = false;    // AVX2 + FMA, registers saved
  bool avx512 = false;  // F, BW, DQ, VL, CD, registers saved (what "avx512_core" means)
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool avx_vnni = false;
  bool amx_int8 = false;
  bool amx_bf16 = false;
  friend bool operator==(const CpuFeatures&, const CpuFeatures&) = default;
};
CpuFeatures detect_features(const CpuidData& data);

// The levels that own kernels are written for, worst first.
enum class IsaLevel : std::uint8_t { scalar, avx2, avx512 };
std::string_view isa_name(IsaLevel level);
IsaLevel best_isa(const CpuFeatures& features);
// `wanted` is the text of MOE_ISA (scalar, avx2, avx512; empty = best). A level that the machine lacks, or another
// word, is INVALID_ARGUMENT naming both.
Result<IsaLevel> choose_isa(std::string_view wanted, const CpuFeatures& features);

// Level of this process: choose_isa() of the environment and this machine. A wrong MOE_ISA is logged once and ignored.
IsaLevel current_isa();
// Features of this machine without those above current_isa().
const CpuFeatures& current_features();
// "avx512 vnni bf16 (MOE_ISA=avx512)", for the start-up line and build_id.
std::string describe_isa();

}  // namespace moe::base
