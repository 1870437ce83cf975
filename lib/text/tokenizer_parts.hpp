// Small readers for the files beside a model, shared by the tokenizer and the chat template.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/json.hpp"
#include "core/status.hpp"

namespace moe::text {

// Whole file, refused beyond `max_bytes` or if it is not a regular file. NOT_FOUND if it is absent.
Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_bytes);
// A JSON object; errors carry the file's name.
Result<json::Value> parse_json_file(std::string_view text, const std::string& name, std::size_t max_bytes);
// Both at once.
Result<json::Value> read_json_file(const std::filesystem::path& path, std::size_t max_bytes);
// Spelling of a token in tokenizer_config.json: a string or an object with "content"; "" for null or anything else.
std::string token_spelling(const json::Value* value);

}  // namespace moe::text
