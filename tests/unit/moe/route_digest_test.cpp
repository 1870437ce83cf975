#include "moe/route_digest.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

namespace moe {
namespace {

// Experts of a position and layer, different for each.
std::array<std::int32_t, 2> experts_at(std::uint64_t position, std::size_t layer) {
  const auto first = static_cast<std::int32_t>((position * 7 + layer * 3) % 250);
  return {first + 300, first};  // not ascending, some above 255
}

void add_positions(RouteDigest& digest, std::uint64_t begin, std::uint64_t end) {
  for (std::uint64_t position = begin; position < end; ++position) {
    for (std::size_t layer = 0; layer < 3; ++layer) {
      digest.add(position, experts_at(position, layer));
    }
  }
}

// The format of the header, written out.
Digest by_hand(std::uint64_t positions) {
  std::string digests;
  for (std::uint64_t block = 0; block < positions; block += 16) {
    std::string bytes;
    for (std::uint64_t position = block; position < std::min(positions, block + 16); ++position) {
      for (std::size_t layer = 0; layer < 3; ++layer) {
        auto ids = experts_at(position, layer);
        for (const std::int32_t id : {ids[1], ids[0]}) {
          bytes.push_back(static_cast<char>(id & 255));
          bytes.push_back(static_cast<char>(id >> 8));
        }
      }
    }
    const Digest digest = sha256(bytes);
    digests.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  return hmac_sha256(std::array<std::uint8_t, 32>{}, digests);
}

TEST(RouteDigest, bytes_are_as_the_header_says) {
  for (const std::uint64_t positions : {0UL, 1UL, 15UL, 16UL, 17UL, 32UL, 50UL}) {
    RouteDigest digest;
    add_positions(digest, 0, positions);
    EXPECT_EQ(digest.finish(), by_hand(positions)) << positions;
  }
}

// From an independent program (Python hashlib, hmac, struct).
TEST(RouteDigest, a_known_value_stays) {
  RouteDigest digest;
  add_positions(digest, 0, 20);
  EXPECT_EQ(to_hex(digest.finish()), "399f669699e96f6d1a38890b1a11c61682eb50cdb283d0ac60a7a161bf04ed2f");
}

TEST(RouteDigest, forks_share_the_prompt_and_part_afterwards) {
  RouteDigest prompt;
  add_positions(prompt, 0, 21);
  RouteDigest a = prompt;
  RouteDigest b = prompt;
  EXPECT_EQ(a.finish(), b.finish());
  a.add(21, std::array<std::int32_t, 1>{1});
  b.add(21, std::array<std::int32_t, 1>{2});
  EXPECT_NE(a.finish(), b.finish());
}

TEST(RouteDigest, blocks_restored_from_a_prefix_give_the_digest_of_a_cold_run) {
  RouteDigest cold;
  add_positions(cold, 0, 40);
  ASSERT_EQ(cold.blocks().size(), 2U);
  RouteDigest warm;
  for (const Digest& block : cold.blocks()) {
    warm.restore_block(block);
  }
  add_positions(warm, 32, 40);
  EXPECT_EQ(warm.finish(), cold.finish());
}

TEST(RouteDigest, order_of_the_choice_does_not_count_but_experts_layers_and_key_do) {
  const auto digest_of = [](std::int32_t a, std::int32_t b, const std::array<std::uint8_t, 32>& key) {
    RouteDigest digest;
    digest.add(0, std::array<std::int32_t, 2>{a, b});
    return digest.finish(key);
  };
  const std::array<std::uint8_t, 32> zero{};
  std::array<std::uint8_t, 32> other{};
  other[31] = 1;
  EXPECT_EQ(digest_of(3, 5, zero), digest_of(5, 3, zero));
  EXPECT_NE(digest_of(3, 5, zero), digest_of(3, 6, zero));
  EXPECT_NE(digest_of(3, 5, zero), digest_of(3, 5, other));
}

}  // namespace
}  // namespace moe
