#include <sys/stat.h>

#include <fstream>

#include "fixture.hpp"

namespace moegate::ledger {
namespace {

TEST(DataDir, is_made_private_with_a_pepper_that_stays) {
  TemporaryFolder folder;
  const auto path = folder.path() / "a" / "data";
  std::vector<std::uint8_t> pepper;
  {
    auto dir = DataDir::open(path);
    ASSERT_TRUE(dir.ok()) << dir.status().message();
    pepper = dir->pepper();
    EXPECT_EQ(pepper.size(), 32u);
    EXPECT_EQ(dir->derive("a"), dir->derive("a"));
    EXPECT_NE(dir->derive("a"), dir->derive("b"));
  }
  struct stat facts {};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat((path / "pepper").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  auto again = DataDir::open(path);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->pepper(), pepper);
}

TEST(DataDir, a_second_process_is_refused_in_a_sentence) {
  TemporaryFolder folder;
  EXPECT_FALSE(DataDir::is_held(folder.path()));
  {
    auto first = DataDir::open(folder.path());
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(DataDir::is_held(folder.path()));
    auto second = DataDir::open(folder.path());
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.status().code(), moe::Code::unavailable);
    EXPECT_NE(second.status().message().find("in use by another moegate process"), std::string::npos);
  }
  EXPECT_FALSE(DataDir::is_held(folder.path()));
}

TEST(DataDir, C5_a_pepper_that_others_can_read_is_refused_by_name) {
  TemporaryFolder folder;
  { ASSERT_TRUE(DataDir::open(folder.path()).ok()); }
  for (const mode_t mode : {0604, 0640, 0620, 0602, 0666}) {
    ASSERT_EQ(::chmod((folder.path() / "pepper").c_str(), mode), 0);
    auto dir = DataDir::open(folder.path());
    ASSERT_FALSE(dir.ok()) << mode;
    EXPECT_NE(dir.status().message().find((folder.path() / "pepper").string()), std::string::npos);
  }
}

TEST(DataDir, a_short_long_or_lost_pepper_is_refused_by_name) {
  TemporaryFolder folder;
  { ASSERT_TRUE(DataDir::open(folder.path()).ok()); }
  for (const std::size_t size : {0u, 31u, 33u}) {
    std::ofstream(folder.path() / "pepper", std::ios::trunc) << std::string(size, 'x');
    auto dir = DataDir::open(folder.path());
    ASSERT_FALSE(dir.ok()) << size;
    EXPECT_NE(dir.status().message().find("exactly 32 bytes"), std::string::npos);
  }
  std::filesystem::remove(folder.path() / "pepper");
  std::ofstream(folder.path() / "ledger.db") << "x";
  auto dir = DataDir::open(folder.path());
  ASSERT_FALSE(dir.ok());
  EXPECT_NE(dir.status().message().find("is missing beside ledger.db"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "pepper"));
}

}  // namespace
}  // namespace moegate::ledger
