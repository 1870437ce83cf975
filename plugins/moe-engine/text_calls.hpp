// tokenize and detokenize of moe.backend/1 as JSON. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "served_model.hpp"

namespace moegate::plugins {

// {"tokens":[..],"pieces":["text" | [bytes] ..]}
moe::Result<std::string> tokenize_json(const ServedModel& model, std::string_view request);
moe::Result<std::string> detokenize_json(const ServedModel& model, std::string_view request);
// A token's bytes as a JSON text, or as an array of numbers if they are not UTF-8 by themselves.
moe::json::Value piece_json(std::string_view bytes);

}  // namespace moegate::plugins
