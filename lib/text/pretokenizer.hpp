// Pre-tokenisers of tokenizer.json: how a text is cut before the merges. Immutable after load, safe from many threads.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "core/status.hpp"

namespace moe::text {

// Pieces are views into the text, or into `storage` where a step had to write new text.
struct Pieces {
  std::vector<std::string_view> views;
  std::deque<std::string> storage;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual Status apply(Pieces& pieces) const = 0;
};

// Reads the value of "pre_tokenizer". `*byte_level` is set if a ByteLevel step is among them.
// Errors: INVALID_ARGUMENT, UNSUPPORTED, naming the key below `key`.
Result<std::unique_ptr<PreTokenizer>> load_pretokenizer(const json::Value& value, const std::string& key,
                                                        bool* byte_level);

}  // namespace moe::text
