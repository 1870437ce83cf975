#include "kit/script.hpp"

#include <fstream>
#include <sstream>

#include "kit/field_reader.hpp"

namespace moegate::plugins {
namespace {

using moe::Code;
using moe::Result;
using moe::Status;
using moe::json::Value;

constexpr std::int64_t kMaxDelayMs = 24LL * 3600 * 1000;
constexpr std::int64_t kMaxCount = std::int64_t{1} << 32;
constexpr std::size_t kMaxPieces = std::size_t{1} << 21;
constexpr std::int32_t kFirstToken = 100;  // ids of pieces that name none
constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{64} << 20;

std::string item(std::string_view name, std::size_t index) {
  return std::string(name) + "[" + std::to_string(index) + "]";
}

std::optional<Code> code_by_name(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, Code>, 10> kNames{{{"INVALID_ARGUMENT", Code::invalid_argument},
                                                                      {"NOT_FOUND", Code::not_found},
                                                                      {"OUT_OF_RANGE", Code::out_of_range},
                                                                      {"RESOURCE_EXHAUSTED", Code::resource_exhausted},
                                                                      {"CANCELLED", Code::cancelled},
                                                                      {"DEADLINE_EXCEEDED", Code::deadline_exceeded},
                                                                      {"UNAVAILABLE", Code::unavailable},
                                                                      {"UNSUPPORTED", Code::unsupported},
                                                                      {"ABI_MISMATCH", Code::abi_mismatch},
                                                                      {"INTERNAL", Code::internal}}};
  for (const auto& [text, code] : kNames) {
    if (text == name) return code;
  }
  return std::nullopt;
}

Result<ScriptFault> read_fault(const Value& value, const std::string& path) {
  FieldReader fields(value, path);
  const auto code = code_by_name(fields.text("status", "INTERNAL"));
  if (!code) fields.fail("status", "must be the name of a status, as INTERNAL");
  ScriptFault fault;
  fault.code = fields.text("code");
  fault.status =
      Status(code.value_or(Code::internal), fields.text("message", "planned fault")).with_param(fields.text("param"));
  if (Status status = fields.finish(true); !status.ok()) return status;
  return fault;
}

Status read_token_bytes(FieldReader& fields, ScriptPiece& piece) {
  const Value* list = fields.array("token_bytes");
  if (list == nullptr) {
    piece.token_bytes = cut_bytes(piece.text, piece.tokens.size());
    return {};
  }
  for (const Value& value : list->items()) {
    std::string bytes;
    if (value.is_string()) bytes = value.as_string();
    for (const Value& byte : value.items())
      bytes += static_cast<char>(byte.is_integer() ? byte.as_int64().value_or(0) : 0);
    piece.token_bytes.push_back(std::move(bytes));
  }
  if (piece.token_bytes.size() != piece.tokens.size()) fields.fail("token_bytes", "must have one entry for each token");
  return {};
}

void read_tokens(FieldReader& fields, std::int32_t next_token, ScriptPiece& piece) {
  if (const Value* tokens = fields.array("tokens")) {
    for (const Value& value : tokens->items()) {
      const auto id = value.is_integer() ? value.as_int64() : std::nullopt;
      if (!id || *id < 0 || *id > INT32_MAX) return fields.fail("tokens", "must hold token ids");
      piece.tokens.push_back(static_cast<std::int32_t>(*id));
    }
  } else {
    piece.tokens.push_back(next_token);
  }
}

void read_logprobs(FieldReader& fields, ScriptPiece& piece) {
  piece.logprobs.assign(piece.tokens.size(), -0.125F);
  const Value* list = fields.array("logprobs");
  if (list == nullptr) return;
  if (list->items().size() != piece.tokens.size())
    return fields.fail("logprobs", "must have one number for each token");
  for (std::size_t i = 0; i < piece.tokens.size(); ++i) {
    const Value& value = list->items()[i];
    if (!value.is_number()) return fields.fail(item("logprobs", i), "must be a number");
    piece.logprobs[i] = static_cast<float>(value.as_double());
  }
}

void read_channel(FieldReader& fields, ScriptPiece& piece) {
  const Value* reasoning = fields.get("reasoning");
  const Value* arguments = fields.get("arguments");
  const Value* text = fields.get("text");
  if ((reasoning != nullptr) + (arguments != nullptr) + (text != nullptr) != 1) {
    return fields.fail("text", "or reasoning or arguments must be given, one of them");
  }
  piece.text = fields.text("text") + fields.text("reasoning") + fields.text("arguments");
  piece.tool_index = static_cast<std::uint32_t>(fields.integer("tool", 0, 0, 1023));
  piece.tool_name = fields.text("name");
  if (reasoning != nullptr) piece.channel = MOE_PLUGIN_CHANNEL_REASONING;
  if (arguments != nullptr) piece.channel = MOE_PLUGIN_CHANNEL_TOOL_CALL;
}

// One JSON piece: cut into tokens of `cut` code points if asked, repeated if asked.
Status read_piece(const Value& value, const std::string& path, std::vector<ScriptPiece>& out) {
  FieldReader fields(value, path);
  ScriptPiece piece;
  read_channel(fields, piece);
  const auto next_token = static_cast<std::int32_t>(kFirstToken + out.size());
  piece.delay_ms = fields.integer("delay_ms", 0, 0, kMaxDelayMs);
  const auto repeat = static_cast<std::size_t>(fields.integer("repeat", 1, 1, kMaxPieces));
  const auto cut = static_cast<std::size_t>(fields.integer("cut", 0, 0, kMaxPieces));
  std::vector<ScriptPiece> cuts;
  if (cut > 0) {
    for (std::size_t begin = 0; begin < piece.text.size();) {
      std::size_t end = begin;
      for (std::size_t points = 0; points < cut && end < piece.text.size(); ++points) {
        ++end;
        while (end < piece.text.size() && (static_cast<unsigned char>(piece.text[end]) & 0xC0U) == 0x80U) ++end;
      }
      ScriptPiece part = piece;
      part.text = piece.text.substr(begin, end - begin);
      part.tokens = {static_cast<std::int32_t>(next_token + cuts.size())};
      part.token_bytes = {part.text};
      part.logprobs = {-0.125F};
      cuts.push_back(std::move(part));
      begin = end;
    }
  } else {
    read_tokens(fields, next_token, piece);
    if (Status status = read_token_bytes(fields, piece); !status.ok()) return status;
    read_logprobs(fields, piece);
    cuts.push_back(std::move(piece));
  }
  if (out.size() + repeat * cuts.size() > kMaxPieces) fields.fail("repeat", "makes too many pieces");
  if (Status status = fields.finish(true); !status.ok()) return status;
  for (std::size_t i = 0; i < repeat; ++i) out.insert(out.end(), cuts.begin(), cuts.end());
  return {};
}

Status read_pieces(const Value& list, const std::string& path, ScriptEntry& entry) {
  if (!list.is_array()) return moe::invalid(path + " must be an array of pieces").with_param(path);
  std::vector<ScriptPiece> pieces;
  for (std::size_t i = 0; i < list.items().size(); ++i) {
    if (Status status = read_piece(list.items()[i], item(path, i), pieces); !status.ok()) return status;
  }
  entry.choices.push_back(std::move(pieces));
  return {};
}

Status read_faults(FieldReader& fields, ScriptEntry& entry) {
  entry.fault.status = Status(Code::internal, "planned fault");
  for (const char* name : {"error", "prepare_error", "start_error"}) {
    const Value* value = fields.object(name);
    if (value == nullptr) continue;
    auto fault = read_fault(*value, fields.path_of(name));
    if (!fault.ok()) return fault.status();
    if (std::string_view(name) == "error") entry.fault = std::move(fault).value();
    if (std::string_view(name) == "prepare_error") entry.prepare_fault = std::move(fault).value();
    if (std::string_view(name) == "start_error") entry.start_fault = std::move(fault).value();
  }
  return {};
}

bool has_tool_call(const ScriptEntry& entry) {
  for (const auto& pieces : entry.choices) {
    for (const ScriptPiece& piece : pieces) {
      if (piece.channel == MOE_PLUGIN_CHANNEL_TOOL_CALL) return true;
    }
  }
  return false;
}

void read_end(FieldReader& fields, ScriptEntry& entry) {
  const std::string end = fields.text("finish", has_tool_call(entry) ? "tool_calls" : "stop");
  if (end == "stop") {
    entry.end = ScriptEnd::stop;
  } else if (end == "length") {
    entry.end = ScriptEnd::length;
  } else if (end == "tool_calls") {
    entry.end = ScriptEnd::tool_calls;
  } else if (end == "error") {
    entry.end = ScriptEnd::error;
  } else if (end == "hang") {
    entry.end = ScriptEnd::hang;
  } else {
    fields.fail("finish", "must be stop, length, tool_calls, error or hang");
  }
}

void read_counts(FieldReader& fields, ScriptEntry& entry) {
  if (fields.get("prompt_tokens") != nullptr) {
    entry.prompt_tokens = static_cast<std::uint64_t>(fields.integer("prompt_tokens", 1, 1, kMaxPieces));
  }
  entry.cached_tokens = static_cast<std::uint64_t>(fields.integer("cached_tokens", 0, 0, kMaxCount));
  entry.cache_write_tokens = static_cast<std::uint64_t>(fields.integer("cache_write_tokens", 0, 0, kMaxCount));
  entry.fail_after_tokens = static_cast<std::uint64_t>(fields.integer("fail_after_tokens", 0, 0, kMaxCount));
  entry.prepare_delay_ms = fields.integer("prepare_delay_ms", 0, 0, kMaxDelayMs);
  entry.first_token_delay_ms = fields.integer("first_token_delay_ms", 0, 0, kMaxDelayMs);
  entry.end_delay_ms = fields.integer("end_delay_ms", 0, 0, kMaxDelayMs);
}

Result<ScriptEntry> read_entry(const Value& value, const std::string& path) {
  FieldReader fields(value, path);
  ScriptEntry entry;
  if (fields.get("match") != nullptr) entry.match = fields.text("match");
  if (fields.get("equals") != nullptr) entry.equals = fields.text("equals");
  const Value* choices = fields.array("choices");
  const Value* pieces = fields.array("pieces");
  if (choices != nullptr && pieces != nullptr) fields.fail("choices", "and pieces cannot both be given");
  if (pieces != nullptr) {
    if (Status status = read_pieces(*pieces, fields.path_of("pieces"), entry); !status.ok()) return status;
  }
  for (std::size_t i = 0; choices != nullptr && i < choices->items().size(); ++i) {
    if (Status status = read_pieces(choices->items()[i], item(fields.path_of("choices"), i), entry); !status.ok())
      return status;
  }
  if (entry.choices.empty()) entry.choices.emplace_back();
  entry.is_endless = fields.boolean("endless", false);
  for (const auto& row : entry.choices) {
    if (entry.is_endless && row.empty()) fields.fail("endless", "needs pieces");
  }
  read_end(fields, entry);
  read_counts(fields, entry);
  if (Status status = read_faults(fields, entry); !status.ok()) return status;
  if (Status status = fields.finish(true); !status.ok()) return status;
  return entry;
}

Status read_experts(FieldReader& fields, Script& script) {
  const Value* value = fields.object("experts");
  if (value == nullptr) return {};
  FieldReader experts(*value, fields.path_of("experts"));
  script.layers = static_cast<std::uint32_t>(experts.integer("layers", 2, 1, 256));
  script.experts = static_cast<std::uint32_t>(experts.integer("experts", 8, 0, 4096));
  script.experts_per_token = static_cast<std::uint32_t>(experts.integer("experts_per_token", 2, 1, 64));
  if (script.experts > 0 && script.experts_per_token > script.experts) {
    experts.fail("experts_per_token", "is larger than experts");
  }
  return experts.finish(true);
}

}  // namespace

Result<Script> read_script(const Value& value) {
  FieldReader fields(value, "");
  Script script;
  fields.text("about");
  script.max_context_tokens = static_cast<std::uint64_t>(fields.integer("max_context_tokens", 32768, 2, kMaxCount));
  script.step_ms = fields.integer("step_ms", 0, 0, kMaxDelayMs);
  script.prefill_chunk = static_cast<std::uint64_t>(fields.integer("prefill_chunk", 0, 0, kMaxCount));
  script.max_running = static_cast<std::uint32_t>(fields.integer("max_running", 0, 0, 1 << 20));
  script.max_queue = static_cast<std::uint32_t>(fields.integer("max_queue", 0, 0, 1 << 20));
  script.kv_blocks_total = static_cast<std::uint64_t>(fields.integer("kv_blocks_total", 4096, 0, kMaxCount));
  script.counts = fields.text("counts", "exact");
  if (const Value* facts = fields.object("facts")) script.facts = *facts;
  if (Status status = read_experts(fields, script); !status.ok()) return status;
  const Value* entries = fields.array("entries");
  if (entries == nullptr) fields.fail("entries", "must be given");
  for (std::size_t i = 0; entries != nullptr && i < entries->items().size(); ++i) {
    auto entry = read_entry(entries->items()[i], item("entries", i));
    if (!entry.ok()) return entry.status();
    script.entries.push_back(std::move(entry).value());
  }
  if (Status status = fields.finish(true); !status.ok()) return status;
  return script;
}

Result<Script> read_script_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Status(Code::not_found, "cannot open script " + path);
  std::string text;
  char buffer[65536];
  while (file.read(buffer, sizeof(buffer)) || file.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMaxFileBytes) return Status(Code::out_of_range, "script " + path + " is larger than 64 MiB");
  }
  auto value = moe::json::parse(text);
  if (!value.ok()) return value.status().with_context(path);
  auto script = read_script(*value);
  if (!script.ok()) return script.status().with_context(path);
  return script;
}

const ScriptEntry* Script::find(std::string_view user_text) const {
  for (const ScriptEntry& entry : entries) {
    if (entry.equals && *entry.equals != user_text) continue;
    if (entry.match && user_text.find(*entry.match) == std::string_view::npos) continue;
    return &entry;
  }
  return nullptr;
}

std::vector<std::string> cut_bytes(std::string_view text, std::size_t count) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = text.size() * i / count;
    parts.emplace_back(text.substr(begin, text.size() * (i + 1) / count - begin));
  }
  return parts;
}

std::size_t complete_utf8(std::string_view text) {
  std::size_t lead = text.size();
  while (lead > 0 && text.size() - lead < 4) {
    --lead;
    const auto byte = static_cast<unsigned char>(text[lead]);
    if ((byte & 0xC0U) == 0x80U) continue;
    const std::size_t need = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
    return text.size() - lead >= need ? text.size() : lead;
  }
  return text.size();
}

}  // namespace moegate::plugins
