// The words of an admin command, read against what the command knows. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"

namespace moegate::cli {

struct AdminWords {
  std::string noun, verb;
  std::vector<std::string> positional;
  std::map<std::string, std::string> options;  // "org" -> "acme"; flags are "true"

  bool has(const std::string& name) const { return options.contains(name); }
  std::string get(const std::string& name) const {
    const auto place = options.find(name);
    return place == options.end() ? std::string() : place->second;
  }
};

struct AdminVerb {
  std::string_view noun, verb;
  std::string_view arguments;  // names of positional arguments, separated by blanks
  std::string_view options;    // names with a value, separated by blanks
  std::string_view flags;
  std::string_view about;
};

const std::vector<AdminVerb>& admin_verbs();
// Errors name the wrong word. Every verb takes --config/-c, --data and --json.
moe::Result<AdminWords> parse_admin_words(const std::vector<std::string>& words);
// The help of one noun, or of one verb.
std::string admin_help(std::string_view noun);

}  // namespace moegate::cli
