// Reading of reference files for the text runners.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace moe::conformance {

// Contents of a file, "" if it cannot be read.
std::string read_file(const std::filesystem::path& path);
// One JSON value a line. `problem` is set to the first line that is none.
std::vector<json::Value> read_lines(const std::filesystem::path& path, std::string& problem);
// A member's string, "" if absent.
std::string text_of(const json::Value& value, std::string_view name);
bool flag_of(const json::Value& value, std::string_view name, bool standard);
// Printable, cut form of a text for messages.
std::string shown(std::string_view text);

}  // namespace moe::conformance
