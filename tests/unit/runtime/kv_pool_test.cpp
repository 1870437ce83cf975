#include "runtime/kv_pool.hpp"

#include <gtest/gtest.h>

namespace moe::runtime {
namespace {

KvPool make(std::size_t blocks) {
  auto pool = KvPool::create({2, 1, 4}, blocks);
  EXPECT_TRUE(pool.ok());
  return std::move(*pool);
}

TEST(KvPool, a_block_is_free_after_its_last_reference) {
  KvPool pool = make(4);
  std::vector<std::uint32_t> blocks;
  ASSERT_TRUE(pool.acquire(3, blocks));
  EXPECT_EQ(pool.used(), 3U);
  EXPECT_TRUE(pool.retain(blocks[0]).ok());
  EXPECT_TRUE(pool.release(blocks[0]).ok());
  EXPECT_EQ(pool.used(), 3U);
  EXPECT_TRUE(pool.release(blocks[0]).ok());
  EXPECT_EQ(pool.used(), 2U);
}

TEST(KvPool, acquire_gives_all_or_nothing) {
  KvPool pool = make(4);
  std::vector<std::uint32_t> blocks;
  EXPECT_FALSE(pool.acquire(5, blocks));
  EXPECT_TRUE(blocks.empty());
  EXPECT_EQ(pool.used(), 0U);
}

TEST(KvPool, a_second_release_is_refused_and_counted) {
  KvPool pool = make(4);
  std::vector<std::uint32_t> blocks;
  ASSERT_TRUE(pool.acquire(1, blocks));
  EXPECT_TRUE(pool.release(blocks[0]).ok());
  EXPECT_EQ(pool.misuses(), 0U);
  const Status second = pool.release(blocks[0]);
  EXPECT_EQ(second.code(), Code::internal);
  EXPECT_NE(second.message().find("KV block " + std::to_string(blocks[0])), std::string::npos);
  EXPECT_EQ(pool.misuses(), 1U);
  EXPECT_EQ(pool.available(), 4U);  // not twice in the free list
  EXPECT_EQ(pool.release(99).code(), Code::internal);
  EXPECT_EQ(pool.retain(blocks[0]).code(), Code::internal);
}

TEST(KvPool, copy_takes_the_whole_block) {
  KvPool pool = make(2);
  std::vector<std::uint32_t> blocks;
  ASSERT_TRUE(pool.acquire(2, blocks));
  const std::size_t floats = model::KvLayout{2, 1, 4}.floats_per_block();
  for (std::size_t i = 0; i < floats; ++i) {
    pool.data(blocks[0])[i] = static_cast<float>(i);
  }
  pool.copy(blocks[0], blocks[1]);
  EXPECT_EQ(pool.data(blocks[1])[floats - 1], static_cast<float>(floats - 1));
}

}  // namespace
}  // namespace moe::runtime
