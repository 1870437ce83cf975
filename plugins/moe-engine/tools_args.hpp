// The arguments of a command: positional texts, --name VALUE or --name=VALUE, and --flag. Value type.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"

namespace moegate::plugins {

struct Arguments {
  std::vector<std::string> positional;
  std::map<std::string, std::string, std::less<>> values;  // flags have "true"

  bool has(std::string_view name) const { return values.contains(name); }
  std::string text(std::string_view name, std::string_view otherwise) const;
};

// `names` are the known options, "json" a flag, "prompt=" one with a value. Errors name the option.
moe::Result<Arguments> read_arguments(std::int32_t argc, const char* const* argv,
                                      const std::vector<std::string_view>& names);
moe::Result<std::uint64_t> read_number(const Arguments& arguments, std::string_view name, std::uint64_t otherwise,
                                       std::uint64_t low, std::uint64_t high);
// "1,8,32"
moe::Result<std::vector<std::uint64_t>> read_numbers(const Arguments& arguments, std::string_view name,
                                                     std::string_view otherwise, std::uint64_t high);

}  // namespace moegate::plugins
