#include "base/cpu_features.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace moe::base {
namespace {

constexpr std::uint32_t bits(std::initializer_list<unsigned> indices) {
  std::uint32_t word = 0;
  for (const unsigned index : indices) {
    word |= 1U << index;
  }
  return word;
}

// Leaf 1 ecx: 12 FMA, 27 OSXSAVE, 28 AVX. Leaf 7 ebx: 5 AVX2, 16 F, 17 DQ, 28 CD, 30 BW, 31 VL; ecx: 11 VNNI;
// edx: 22 AMX bf16, 24 AMX tile, 25 AMX int8. Leaf 7.1 eax: 4 AVX-VNNI, 5 AVX-512 bf16.
constexpr std::uint32_t kAvxFma = bits({12, 27, 28});
constexpr std::uint32_t kAvx2 = bits({5});
constexpr std::uint32_t kAvx512 = bits({5, 16, 17, 28, 30, 31});
constexpr std::uint64_t kSse = 0x3;
constexpr std::uint64_t kYmm = 0x7;
constexpr std::uint64_t kZmm = 0xE7;
constexpr std::uint64_t kTiles = 0x600E7;

struct Machine {
  const char* name;
  CpuidData data;
  IsaLevel level;
  CpuFeatures features;
};

CpuidData machine(std::uint32_t leaf1_ecx, CpuidLeaf leaf_7, std::uint32_t leaf71_eax, std::uint64_t xcr0,
                  bool amx_permitted = false) {
  CpuidData data;
  data.leaf_1.ecx = leaf1_ecx;
  data.leaf_7 = leaf_7;
  data.leaf_7_1.eax = leaf71_eax;
  data.xcr0 = xcr0;
  data.amx_permitted = amx_permitted;
  return data;
}

// F-067: a CPUID bit counts only if the system saves the registers behind it.
std::vector<Machine> machines() {
  const CpuidLeaf avx2{0, kAvx2, 0, 0};
  const CpuidLeaf skylake{0, kAvx512, 0, 0};
  const CpuidLeaf cascade_lake{0, kAvx512, bits({11}), 0};
  const CpuidLeaf sapphire_rapids{1, kAvx512, bits({11}), bits({22, 24, 25})};
  const CpuidLeaf knights_landing{0, bits({5, 16, 26, 27, 28}), 0, 0};
  return {
      {"no AVX at all", machine(0, {}, 0, 0), IsaLevel::scalar, {}},
      {"AVX without AVX2 (Sandy Bridge)", machine(bits({27, 28}), {}, 0, kYmm), IsaLevel::scalar, {}},
      {"AVX2 (Haswell)", machine(kAvxFma, avx2, 0, kYmm), IsaLevel::avx2, {.avx2 = true}},
      {"AVX2 bit, OSXSAVE off", machine(bits({12, 28}), avx2, 0, kYmm), IsaLevel::scalar, {}},
      {"AVX2 bit, XCR0 without AVX", machine(kAvxFma, avx2, 0, kSse), IsaLevel::scalar, {}},
      {"AVX2 without FMA", machine(bits({27, 28}), avx2, 0, kYmm), IsaLevel::scalar, {}},
      {"AVX-512 bits, XCR0 lacks 5..7", machine(kAvxFma, cascade_lake, 0, kYmm), IsaLevel::avx2, {.avx2 = true}},
      {"AVX-512 bits, XCR0 lacks 7", machine(kAvxFma, cascade_lake, 0, 0x67), IsaLevel::avx2, {.avx2 = true}},
      {"AVX-512 without VNNI (Skylake-X)",
       machine(kAvxFma, skylake, 0, kZmm),
       IsaLevel::avx512,
       {.avx2 = true, .avx512 = true}},
      {"AVX-512 without BW, VL (Knights Landing)",
       machine(kAvxFma, knights_landing, 0, kZmm),
       IsaLevel::avx2,
       {.avx2 = true}},
      {"AMX without permission",
       machine(kAvxFma, sapphire_rapids, bits({4, 5}), kTiles, false),
       IsaLevel::avx512,
       {.avx2 = true, .avx512 = true, .avx512_vnni = true, .avx512_bf16 = true, .avx_vnni = true}},
      {"AMX (Sapphire Rapids)",
       machine(kAvxFma, sapphire_rapids, bits({4, 5}), kTiles, true),
       IsaLevel::avx512,
       {.avx2 = true,
        .avx512 = true,
        .avx512_vnni = true,
        .avx512_bf16 = true,
        .avx_vnni = true,
        .amx_int8 = true,
        .amx_bf16 = true}},
      {"AMX permitted, tiles not saved",
       machine(kAvxFma, sapphire_rapids, bits({5}), kZmm, true),
       IsaLevel::avx512,
       {.avx2 = true, .avx512 = true, .avx512_vnni = true, .avx512_bf16 = true}},
      {"hybrid (Alder Lake: AVX-VNNI, no AVX-512)",
       machine(kAvxFma, {1, kAvx2, 0, 0}, bits({4}), kYmm),
       IsaLevel::avx2,
       {.avx2 = true, .avx_vnni = true}},
  };
}

TEST(CpuFeatures, F067_registers_that_the_system_does_not_save_do_not_count) {
  for (const Machine& entry : machines()) {
    const CpuFeatures features = detect_features(entry.data);
    EXPECT_TRUE(features == entry.features) << entry.name;
    EXPECT_EQ(best_isa(features), entry.level) << entry.name;
  }
}

TEST(CpuFeatures, override_may_lower_but_not_raise) {
  const CpuFeatures haswell{.avx2 = true};
  EXPECT_EQ(choose_isa("", haswell).value(), IsaLevel::avx2);
  EXPECT_EQ(choose_isa("scalar", haswell).value(), IsaLevel::scalar);
  EXPECT_EQ(choose_isa("avx2", haswell).value(), IsaLevel::avx2);
  const auto raised = choose_isa("avx512", haswell);
  ASSERT_FALSE(raised.ok());
  EXPECT_NE(raised.status().message().find("at most avx2"), std::string::npos);
  const auto unknown = choose_isa("AVX2", haswell);
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.status().message().find("MOE_ISA=AVX2"), std::string::npos);
}

TEST(CpuFeatures, this_machine_is_described) {
  EXPECT_LE(current_isa(), best_isa(detect_features(read_cpuid())));
  EXPECT_TRUE(describe_isa().starts_with(isa_name(current_isa())));
}

}  // namespace
}  // namespace moe::base
