#include "text/tokenizer_parts.hpp"

#include <fstream>
#include <system_error>

namespace moe::text {

Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const std::string name = path.filename().string();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) return Status(Code::not_found, path.string() + ": no such file");
  if (!std::filesystem::is_regular_file(status)) return invalid(name + ": not a regular file");
  const auto size = std::filesystem::file_size(path, error);
  if (error) return invalid(name + ": " + error.message());
  if (size > max_bytes) return invalid(name + ": larger than " + std::to_string(max_bytes) + " bytes");
  std::ifstream file(path, std::ios::binary);
  std::string text(static_cast<std::size_t>(size), '\0');
  if (!file || !file.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    return invalid(name + ": cannot be read");
  }
  return text;
}

Result<json::Value> parse_json_file(std::string_view text, const std::string& name, std::size_t max_bytes) {
  json::Limits limits;
  limits.max_bytes = max_bytes;
  auto value = json::parse(text, limits);
  if (!value.ok()) return value.status().with_context(name);
  if (!value->is_object()) return invalid(name + ": must hold an object");
  return value;
}

Result<json::Value> read_json_file(const std::filesystem::path& path, std::size_t max_bytes) {
  auto text = read_text_file(path, max_bytes);
  if (!text.ok()) return text.status();
  return parse_json_file(*text, path.filename().string(), max_bytes);
}

std::string token_spelling(const json::Value* value) {
  if (value == nullptr) return {};
  if (value->is_string()) return value->as_string();
  const json::Value* content = value->find("content");
  return content != nullptr && content->is_string() ? content->as_string() : std::string();
}

}  // namespace moe::text
