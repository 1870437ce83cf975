#include <cstdio>

#include "conformance.hpp"

namespace moe::conformance {
namespace {

std::string join(std::string_view where, std::string_view what) {
  return std::string(where) + ": " + std::string(what);
}

}  // namespace

void Report::begin(const std::filesystem::path& item) {
  end();
  item_ = item.string();
}

void Report::pass(std::string_view group) {
  ++groups_[std::string(group)].passed;
  ++total_passed_;
}

void Report::fail(std::string_view group, std::string_view where, std::string_view what) {
  Group& entry = groups_[std::string(group)];
  if (entry.failed++ == 0) entry.first = join(where, what);
  if (first_group_.empty()) first_group_ = group;
  ++total_failed_;
  if (verbose_) std::printf("  %s: %s\n", first_group_.c_str(), join(where, what).c_str());
}

void Report::warn(std::string_view group, std::string_view where, std::string_view what) {
  Group& entry = groups_[std::string(group)];
  if (entry.warned++ == 0 && entry.failed == 0) entry.first = join(where, what);
}

void Report::end() {
  if (item_.empty()) return;
  std::size_t passed = 0, failed = 0;
  for (const auto& [name, group] : groups_) {
    passed += group.passed;
    failed += group.failed;
  }
  std::printf("%s: %zu passed, %zu failed\n", item_.c_str(), passed, failed);
  if (!first_group_.empty()) {
    const Group& group = groups_[first_group_];
    std::printf("  first failing group: %s (%zu of %zu)\n    %s\n", first_group_.c_str(), group.failed,
                group.passed + group.failed, group.first.c_str());
  }
  for (const auto& [name, group] : groups_) {
    if (group.warned > 0) {
      std::printf("  warning: %s, %zu differ, first %s\n", name.c_str(), group.warned, group.first.c_str());
    }
  }
  std::fflush(stdout);
  item_.clear();
  groups_.clear();
  first_group_.clear();
}

}  // namespace moe::conformance
