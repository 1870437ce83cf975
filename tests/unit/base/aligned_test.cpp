#include "base/aligned.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace moe::base {
namespace {

TEST(AlignedMemory, every_size_is_aligned_and_zeroed) {
  for (const std::size_t bytes : {1UL, 63UL, 64UL, 65UL, 4096UL, (2UL << 20) - 1, 2UL << 20, (5UL << 20) + 3}) {
    auto memory = AlignedMemory::allocate(bytes);
    ASSERT_TRUE(memory.ok()) << bytes;
    EXPECT_EQ(memory->size(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % kCacheLine, 0U) << bytes;
    const auto view = memory->as<unsigned char>();
    EXPECT_TRUE(std::all_of(view.begin(), view.end(), [](unsigned char c) { return c == 0; })) << bytes;
    view.back() = 1;
  }
}

TEST(AlignedMemory, large_memory_starts_on_a_huge_page_boundary) {
  auto memory = AlignedMemory::allocate(8UL << 20);
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->data()) % (2UL << 20), 0U);
  EXPECT_NE(page_kind_name(memory->pages()), "unknown");
}

TEST(AlignedMemory, moving_hands_over_and_nothing_is_valid) {
  auto a = AlignedMemory::allocate(100).value();
  void* data = a.data();
  AlignedMemory b = std::move(a);
  EXPECT_EQ(b.data(), data);
  AlignedMemory none = AlignedMemory::allocate(0).value();
  EXPECT_EQ(none.size(), 0U);
  b = std::move(none);
  EXPECT_EQ(b.size(), 0U);
}

TEST(AlignedMemory, impossible_sizes_are_refused_with_the_size) {
  for (const std::size_t bytes : {std::numeric_limits<std::size_t>::max(), std::size_t{1} << 62}) {
    const auto memory = AlignedMemory::allocate(bytes);
    ASSERT_FALSE(memory.ok());
    EXPECT_EQ(memory.status().code(), Code::resource_exhausted);
    EXPECT_NE(memory.status().message().find(std::to_string(bytes)), std::string::npos);
  }
}

}  // namespace
}  // namespace moe::base
