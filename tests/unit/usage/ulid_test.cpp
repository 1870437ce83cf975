#include "usage/ulid.hpp"

#include <gtest/gtest.h>

#include <set>

namespace moegate::usage {
namespace {

TEST(Ulid, ids_rise_within_a_millisecond_and_when_the_clock_goes_back) {
  UlidSource source;
  std::string last;
  for (int i = 0; i < 5000; ++i) {
    const auto id = source.next(i < 2500 ? 1'780'000'000'000'000 : 1'700'000'000'000'000);
    EXPECT_EQ(id.size(), 26U);
    EXPECT_LT(last, id);
    last = id;
  }
}

TEST(Ulid, the_first_ten_characters_are_the_millisecond) {
  UlidSource source;
  EXPECT_EQ(source.next(1'469'918'176'385'000).substr(0, 10), "01ARYZ6S41");
  EXPECT_EQ(source.next(-5).substr(0, 10), "01ARYZ6S41") << "time never goes back";
}

TEST(Ulid, sources_do_not_repeat_each_other) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(UlidSource().next(1'780'000'000'000'000));
  EXPECT_EQ(seen.size(), 100U);
}

}  // namespace
}  // namespace moegate::usage
