#include "api/wire.hpp"

#include <cmath>

#include "core/json.hpp"
#include "http/path.hpp"

namespace moegate::api {
namespace {

using moe::json::quote;

// What clients expect in place of minus infinity, which JSON does not have.
std::string number(float logprob) {
  return moe::json::format_double(std::isfinite(logprob) ? static_cast<double>(logprob) : -9999.0);
}

std::string byte_list(std::string_view bytes) {
  std::string list;
  for (const unsigned char byte : bytes) append(list, std::to_string(byte));
  return "[" + list + "]";
}

std::string entry(const backend::TokenLogprob& token) {
  return "\"token\":" + quote(printable(token.bytes)) + ",\"logprob\":" + number(token.logprob) +
         ",\"bytes\":" + byte_list(token.bytes);
}

}  // namespace

std::string printable(std::string_view bytes) {
  if (http::is_valid_utf8(bytes)) return std::string(bytes);
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t size = 0;
    for (std::size_t length = 1; length <= 4 && at + length <= bytes.size(); ++length) {
      if (http::is_valid_utf8(bytes.substr(at, length))) {
        size = length;
        break;
      }
    }
    if (size == 0) {
      text += "\xEF\xBF\xBD";
      ++at;
    } else {
      text += bytes.substr(at, size);
      at += size;
    }
  }
  return text;
}

std::uint64_t code_points(std::string_view text) {
  std::uint64_t count = 0;
  for (const unsigned char c : text) count += (c & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

void append(std::string& list, std::string_view item) {
  if (item.empty()) return;
  if (!list.empty()) list += ',';
  list += item;
}

std::string open_object(const AnswerHead& head, bool is_chunk) {
  const std::string_view object = head.api == Api::completions ? "text_completion"
                                  : is_chunk                   ? "chat.completion.chunk"
                                                               : "chat.completion";
  return "{\"id\":" + quote(head.id) + ",\"object\":\"" + std::string(object) +
         "\",\"created\":" + std::to_string(head.created) + ",\"model\":" + quote(head.model) +
         ",\"system_fingerprint\":" + quote(head.fingerprint) + ",\"choices\":";
}

std::string usage_object(const ledger::Counts& counts, const UsageExtra* extra) {
  const auto prompt = counts.input + counts.cache_read + counts.cache_write;
  std::string text = "{\"prompt_tokens\":" + std::to_string(prompt) +
                     ",\"completion_tokens\":" + std::to_string(counts.output) +
                     ",\"total_tokens\":" + std::to_string(prompt + counts.output) +
                     ",\"prompt_tokens_details\":{\"cached_tokens\":" + std::to_string(counts.cache_read) +
                     ",\"audio_tokens\":0,\"cache_write_tokens\":" + std::to_string(counts.cache_write) +
                     "},\"completion_tokens_details\":{\"reasoning_tokens\":" + std::to_string(counts.reasoning) +
                     ",\"audio_tokens\":0,\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}";
  if (extra != nullptr) {
    text += ",\"x_moegate\":{\"record\":" + std::to_string(extra->record) +
            ",\"queue_ms\":" + moe::json::format_double(static_cast<double>(extra->queue_us) / 1000) +
            ",\"ttft_ms\":" + moe::json::format_double(static_cast<double>(extra->ttft_us) / 1000) + "}";
  }
  return text + "}";
}

std::string_view finish_name(backend::Finish finish) {
  switch (finish) {
    case backend::Finish::none:
      return "";
    case backend::Finish::length:
      return "length";
    case backend::Finish::tool_calls:
      return "tool_calls";
    case backend::Finish::stop:
    case backend::Finish::cancelled:
    case backend::Finish::deadline:
    case backend::Finish::error:
      break;
  }
  return "stop";
}

std::string chat_logprobs(const backend::Event& event) {
  std::string list;
  for (std::size_t i = 0; i < event.logprobs.size(); ++i) {
    std::string top;
    for (const auto& alternative : event.top[i]) append(top, "{" + entry(alternative) + "}");
    append(list, "{" + entry(event.logprobs[i]) + ",\"top_logprobs\":[" + top + "]}");
  }
  return list;
}

void LegacyLogprobs::add(const backend::Event& event) {
  for (std::size_t i = 0; i < event.logprobs.size(); ++i) {
    const auto text = printable(event.logprobs[i].bytes);
    append(tokens, quote(text));
    append(values, number(event.logprobs[i].logprob));
    append(offsets, std::to_string(offset));
    offset += code_points(text);
    moe::json::Value row = moe::json::Value::object();  // two tokens may print alike: the likelier one stays
    for (const auto& alternative : event.top[i]) {
      const auto name = printable(alternative.bytes);
      if (row.find(name) == nullptr)
        row.set(name, moe::json::Value::number(
                          std::isfinite(alternative.logprob) ? static_cast<double>(alternative.logprob) : -9999.0));
    }
    append(top, event.top[i].empty() ? "null" : moe::json::write(row));
  }
}

std::string LegacyLogprobs::object() const {
  return "{\"tokens\":[" + tokens + "],\"token_logprobs\":[" + values + "],\"top_logprobs\":[" + top +
         "],\"text_offset\":[" + offsets + "]}";
}

void LegacyLogprobs::clear() {
  tokens.clear();
  values.clear();
  top.clear();
  offsets.clear();
}

}  // namespace moegate::api
