#include "text_files.hpp"

#include <fstream>
#include <iterator>

namespace moe::conformance {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<json::Value> read_lines(const std::filesystem::path& path, std::string& problem) {
  std::vector<json::Value> values;
  std::ifstream file(path, std::ios::binary);
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (line.empty()) continue;
    auto value = json::parse(line);
    if (value.ok()) {
      values.push_back(std::move(*value));
    } else if (problem.empty()) {
      problem = path.filename().string() + " line " + std::to_string(number) + ": " + value.status().message();
    }
  }
  return values;
}

std::string text_of(const json::Value& value, std::string_view name) {
  const json::Value* found = value.find(name);
  return found != nullptr && found->is_string() ? found->as_string() : std::string();
}

bool flag_of(const json::Value& value, std::string_view name, bool standard) {
  const json::Value* found = value.find(name);
  return found != nullptr && found->is_bool() ? found->as_bool() : standard;
}

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 240;
  json::WriteOptions ascii;
  ascii.ascii_only = true;
  std::string out = json::write(json::Value::string(std::string(text)), ascii);
  if (out.size() > kMost) out = out.substr(0, kMost) + "...";
  return out;
}

}  // namespace moe::conformance
