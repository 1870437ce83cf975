#include "base/cpu_features.hpp"

#include <cstdlib>

#include "base/log.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace moe::base {
namespace {

constexpr bool bit(std::uint32_t word, unsigned index) { return ((word >> index) & 1U) != 0; }

// XCR0 (Intel SDM volume 1, 13.3): 1 SSE, 2 AVX, 5 opmask, 6 upper halves of ZMM0-15, 7 ZMM16-31, 17 and 18 AMX tiles.
constexpr std::uint64_t kXcr0Avx = 0x6;
constexpr std::uint64_t kXcr0Avx512 = 0xE6;
constexpr std::uint64_t kXcr0Amx = 0x60000;

constexpr bool all_of(std::uint64_t word, std::uint64_t mask) { return (word & mask) == mask; }

#if defined(__x86_64__)
CpuidLeaf leaf(std::uint32_t number, std::uint32_t sub) {
  CpuidLeaf out;
  if (__get_cpuid_count(number, sub, &out.eax, &out.ebx, &out.ecx, &out.edx) == 0) {
    return {};
  }
  return out;
}

std::uint64_t read_xcr0() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

// The permission only asks; it changes nothing but the size of later signal frames, so it is read, not requested.
bool amx_permission() {
  constexpr long kArchGetXcompPerm = 0x1022;
  std::uint64_t mask = 0;
  return syscall(SYS_arch_prctl, kArchGetXcompPerm, &mask) == 0 && all_of(mask, kXcr0Amx);
}
#endif

struct Current {
  CpuFeatures features;
  IsaLevel level = IsaLevel::scalar;
  std::string wanted;
};

// What lies above the level is not there: an override must hold for every later choice too.
CpuFeatures capped(CpuFeatures features, IsaLevel level) {
  if (level < IsaLevel::avx512) {
    features.avx512 = features.avx512_vnni = features.avx512_bf16 = features.amx_int8 = features.amx_bf16 = false;
  }
  if (level < IsaLevel::avx2) {
    features.avx2 = features.avx_vnni = false;
  }
  return features;
}

Current decide() {
  Current current;
  current.features = detect_features(read_cpuid());
  const char* wanted = std::getenv("MOE_ISA");
  current.wanted = wanted == nullptr ? "" : wanted;
  auto level = choose_isa(current.wanted, current.features);
  if (level.ok()) {
    current.level = *level;
  } else {
    log(LogLevel::warning, level.status().message());
    current.wanted.clear();
    current.level = best_isa(current.features);
  }
  current.features = capped(current.features, current.level);
  return current;
}

const Current& current() {
  static const Current instance = decide();
  return instance;
}

}  // namespace

CpuidData read_cpuid() {
  CpuidData data;
#if defined(__x86_64__)
  data.leaf_1 = leaf(1, 0);
  data.leaf_7 = leaf(7, 0);
  if (data.leaf_7.eax >= 1) {
    data.leaf_7_1 = leaf(7, 1);
  }
  if (bit(data.leaf_1.ecx, 27)) {
    data.xcr0 = read_xcr0();
  }
  data.amx_permitted = amx_permission();
#endif
  return data;
}

CpuFeatures detect_features(const CpuidData& data) {
  CpuFeatures out;
  const bool osxsave = bit(data.leaf_1.ecx, 27);
  const std::uint64_t xcr0 = osxsave ? data.xcr0 : 0;
  const bool avx_and_fma = bit(data.leaf_1.ecx, 28) && bit(data.leaf_1.ecx, 12);
  const CpuidLeaf& seven = data.leaf_7;
  out.avx2 = all_of(xcr0, kXcr0Avx) && avx_and_fma && bit(seven.ebx, 5);
  const bool avx512_core =
      bit(seven.ebx, 16) && bit(seven.ebx, 17) && bit(seven.ebx, 28) && bit(seven.ebx, 30) && bit(seven.ebx, 31);
  out.avx512 = out.avx2 && avx512_core && all_of(xcr0, kXcr0Avx512);
  out.avx512_vnni = out.avx512 && bit(seven.ecx, 11);
  out.avx512_bf16 = out.avx512 && bit(data.leaf_7_1.eax, 5);
  out.avx_vnni = out.avx2 && bit(data.leaf_7_1.eax, 4);
  const bool amx = out.avx512 && bit(seven.edx, 24) && all_of(xcr0, kXcr0Amx) && data.amx_permitted;
  out.amx_bf16 = amx && bit(seven.edx, 22);
  out.amx_int8 = amx && bit(seven.edx, 25);
  return out;
}

std::string_view isa_name(IsaLevel level) {
  switch (level) {
    case IsaLevel::scalar:
      return "scalar";
    case IsaLevel::avx2:
      return "avx2";
    case IsaLevel::avx512:
      return "avx512";
  }
  return "unknown";
}

IsaLevel best_isa(const CpuFeatures& features) {
  if (features.avx512) {
    return IsaLevel::avx512;
  }
  return features.avx2 ? IsaLevel::avx2 : IsaLevel::scalar;
}

Result<IsaLevel> choose_isa(std::string_view wanted, const CpuFeatures& features) {
  const IsaLevel best = best_isa(features);
  if (wanted.empty()) {
    return best;
  }
  for (const IsaLevel level : {IsaLevel::scalar, IsaLevel::avx2, IsaLevel::avx512}) {
    if (wanted != isa_name(level)) {
      continue;
    }
    if (level > best) {
      return invalid("MOE_ISA=" + std::string(wanted) + ": this machine allows at most " + std::string(isa_name(best)));
    }
    return level;
  }
  return invalid("MOE_ISA=" + std::string(wanted) + ": use scalar, avx2 or avx512");
}

IsaLevel current_isa() { return current().level; }

const CpuFeatures& current_features() { return current().features; }

std::string describe_isa() {
  const CpuFeatures& features = current_features();
  std::string text(isa_name(current_isa()));
  if (current_isa() == IsaLevel::avx512) {
    text += features.avx512_vnni ? " vnni" : "";
    text += features.avx512_bf16 ? " bf16" : "";
  }
  if (!current().wanted.empty()) {
    text += " (MOE_ISA=" + current().wanted + ")";
  }
  return text;
}

}  // namespace moe::base
