#include "base/log.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace moe::base {
namespace {

using Lines = std::vector<std::string>;

void keep(void* user, LogLevel level, std::string_view text) {
  static_cast<Lines*>(user)->push_back(std::to_string(static_cast<int>(level)) + " " + std::string(text));
}

TEST(Log, only_levels_up_to_the_limit_reach_the_sink) {
  Lines lines;
  set_log_sink(&keep, &lines, LogLevel::warning);
  log(LogLevel::error, "a");
  log(LogLevel::warning, "b");
  log(LogLevel::info, "c");
  EXPECT_TRUE(log_enabled(LogLevel::warning));
  EXPECT_FALSE(log_enabled(LogLevel::info));
  set_log_sink(nullptr, nullptr, LogLevel::debug);
  EXPECT_FALSE(log_enabled(LogLevel::error));
  log(LogLevel::error, "d");
  EXPECT_EQ(lines, (Lines{"1 a", "2 b"}));
}

}  // namespace
}  // namespace moe::base
