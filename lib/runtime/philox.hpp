// Philox4x32-10 (Salmon et al. 2011): random numbers as a pure function of key and counter, so that a draw depends on
// (seed, choice, position) and on nothing that happened before.
#pragma once

#include <array>
#include <cstdint>

namespace moe::runtime {

constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key) {
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(a)};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return counter;
}

// In [0, 1), 53 random bits.
constexpr double uniform(std::uint64_t seed, std::uint32_t choice, std::uint64_t position) {
  const auto words =
      philox({static_cast<std::uint32_t>(position), static_cast<std::uint32_t>(position >> 32), choice, 0}, seed);
  const std::uint64_t bits = (std::uint64_t{words[0]} << 21) ^ (words[1] >> 11);
  return static_cast<double>(bits & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
}

}  // namespace moe::runtime
