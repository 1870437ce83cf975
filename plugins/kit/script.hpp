// What a scripted model answers: entries chosen by the prompt, each a row of pieces with tokens, delays and an ending.
// Read once, then immutable and shared by all threads. The format is described in plugins/playback/README.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "kit/boundary.hpp"

namespace moegate::plugins {

struct ScriptPiece {
  std::int32_t channel = MOE_PLUGIN_CHANNEL_CONTENT;
  std::string text;  // content, reasoning, or a piece of a tool call's arguments
  std::uint32_t tool_index = 0;
  std::string tool_name;
  std::vector<std::int32_t> tokens;
  std::vector<std::string> token_bytes;  // one a token
  std::vector<float> logprobs;           // one a token
  std::int64_t delay_ms = 0;             // after the piece before
};

enum class ScriptEnd { stop, length, tool_calls, error, hang };

struct ScriptFault {
  moe::Status status;  // its param is the field to blame
  std::string code;
};

struct ScriptEntry {
  std::optional<std::string> match;               // substring of the last user message or the prompt; none = always
  std::optional<std::string> equals;              // the whole of it
  std::vector<std::vector<ScriptPiece>> choices;  // at least one; choice i plays choices[i % size]
  ScriptEnd end = ScriptEnd::stop;
  bool is_endless = false;  // pieces repeat until max_tokens
  std::optional<std::uint64_t> prompt_tokens;
  std::uint64_t cached_tokens = 0;
  std::uint64_t cache_write_tokens = 0;
  std::int64_t prepare_delay_ms = 0;
  std::int64_t first_token_delay_ms = 0;
  std::int64_t end_delay_ms = 0;
  std::uint64_t fail_after_tokens = 0;  // 0 = never
  ScriptFault fault;                    // of end = error and fail_after_tokens
  std::optional<ScriptFault> prepare_fault, start_fault;
};

struct Script {
  std::uint64_t max_context_tokens = 32768;
  std::int64_t step_ms = 0;
  std::uint64_t prefill_chunk = 0;  // prompt tokens a step, 0 = all
  std::uint32_t max_running = 0;    // 0 = no bound
  std::uint32_t max_queue = 0;      // waiting requests, 0 = no bound
  std::uint64_t kv_blocks_total = 4096;
  std::uint32_t layers = 2, experts = 8, experts_per_token = 2;  // experts 0 = expert_counts is UNSUPPORTED
  std::string counts = "exact";
  moe::json::Value facts = moe::json::Value::object();
  std::vector<ScriptEntry> entries;

  // First entry that fits, nullptr if none.
  const ScriptEntry* find(std::string_view user_text) const;
};

moe::Result<Script> read_script(const moe::json::Value& value);
moe::Result<Script> read_script_file(const std::string& path);

// Cuts `text` into `count` parts of nearly equal size, byte by byte: a part may end inside a code point.
std::vector<std::string> cut_bytes(std::string_view text, std::size_t count);
// Size of the longest prefix that does not end inside a code point.
std::size_t complete_utf8(std::string_view text);

}  // namespace moegate::plugins
