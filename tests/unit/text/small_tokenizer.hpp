// A byte-level tokenizer.json of every byte and a few merges, to be broken by tests.
#pragma once

#include <string>

#include "core/json.hpp"
#include "text/byte_alphabet.hpp"
#include "text/tokenizer.hpp"

namespace moe::text {

inline json::Value small_file() {
  json::Value file = *json::parse(R"({
    "added_tokens": [{"id": 260, "content": "<s>", "special": true}, {"id": 261, "content": "<|end|>", "special": true},
                     {"id": 262, "content": "<think>", "special": false}],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "\\p{N}| ?\\p{L}+|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [260], "tokens": ["<s>"]}}},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {}, "merges": ["t h", ["th", "e"], "a a", "aa aa"]}})");
  json::Value& vocab = *file.find("model")->find("vocab");
  for (int byte = 0; byte < 256; ++byte) {
    vocab.members().emplace_back(std::string(byte_symbol(static_cast<unsigned char>(byte))),
                                 json::Value::integer(byte));
  }
  int id = 256;
  for (const char* token : {"th", "the", "aa", "aaaa"}) vocab.set(token, json::Value::integer(id++));
  return file;
}

inline std::shared_ptr<const Tokenizer> small_tokenizer() {
  return *parse_tokenizer(json::write(small_file()), R"({"bos_token": "<s>", "eos_token": {"content": "<|end|>"}})");
}

}  // namespace moe::text
