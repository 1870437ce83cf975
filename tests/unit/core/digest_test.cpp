#include "core/digest.hpp"

#include <gtest/gtest.h>

namespace moe {
namespace {

TEST(Digest, sha256_gives_the_standard_values) {
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, a_running_digest_can_be_forked_and_continued) {
  Sha256 first;
  first.update("a");
  Sha256 second = first;
  EXPECT_EQ(first.finish(), sha256("a"));
  first.update("bc");
  second.update("x");
  EXPECT_EQ(first.finish(), sha256("abc"));
  EXPECT_EQ(second.finish(), sha256("ax"));
}

TEST(Digest, hmac_gives_the_values_of_rfc_4231) {
  const std::string key = "Jefe";
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
  EXPECT_EQ(to_hex(hmac_sha256(bytes, "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256({}, "")), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Digest, hex_reads_exactly_what_it_writes) {
  std::array<std::uint8_t, 3> bytes{};
  EXPECT_TRUE(from_hex("00fFa5", bytes));
  EXPECT_EQ(to_hex(bytes), "00ffa5");
  EXPECT_FALSE(from_hex("00ffa", bytes));
  EXPECT_FALSE(from_hex("00ffa5a5", bytes));
  EXPECT_FALSE(from_hex("00ffg5", bytes));
}

TEST(Digest, constant_time_compare_needs_equal_size_and_bytes) {
  const std::array<std::uint8_t, 2> a{1, 2}, b{1, 2}, c{1, 3};
  EXPECT_TRUE(equal_constant_time(a, b));
  EXPECT_FALSE(equal_constant_time(a, c));
  EXPECT_FALSE(equal_constant_time(a, std::span(a).first(1)));
  EXPECT_TRUE(equal_constant_time({}, {}));
}

TEST(Digest, random_bytes_fill_the_whole_span) {
  std::array<std::uint8_t, 5000> first{}, second{};
  random_bytes(first);
  random_bytes(second);
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace moe
