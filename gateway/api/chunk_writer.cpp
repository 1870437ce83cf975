#include "api/chunk_writer.hpp"

#include "core/json.hpp"
#include "http/sse.hpp"

namespace moegate::api {
using moe::json::quote;

ChunkWriter::ChunkWriter(const Params& params, AnswerHead head)
    : params_(params),
      head_(std::move(head)),
      open_(open_object(head_, true)),
      choices_(params.prompts.size() * params.n) {}

// "usage" exists on every chunk or on none.
std::string ChunkWriter::usage_tail(const ledger::Counts* counts) const {
  if (params_.continuous_usage && counts != nullptr) return ",\"usage\":" + usage_object(*counts, nullptr);
  return params_.include_usage || params_.continuous_usage ? ",\"usage\":null" : "";
}

std::string ChunkWriter::chunk(std::size_t index, Choice& choice, std::string_view delta, std::string_view finish,
                               const ledger::Counts* counts) {
  std::string text = open_ + "[{\"index\":" + std::to_string(index);
  text += head_.api == Api::chat ? ",\"delta\":{" : ",\"text\":";
  text += delta;
  if (head_.api == Api::chat) text += '}';
  text += ",\"logprobs\":";
  if (head_.api == Api::chat) {
    text += choice.logprobs.empty() ? "null" : "{\"content\":[" + choice.logprobs + "],\"refusal\":null}";
  } else {
    text += choice.legacy.tokens.empty() ? "null" : choice.legacy.object();
  }
  text += ",\"finish_reason\":" + (finish.empty() ? "null" : quote(finish));
  if (params_.return_token_ids) text += ",\"token_ids\":[" + choice.token_ids + "]";
  text += "}]" + usage_tail(counts) + "}";
  choice.logprobs.clear();
  choice.legacy.clear();
  choice.token_ids.clear();
  return http::sse_data(text);
}

std::string ChunkWriter::begin(std::size_t index, Choice& choice, const ledger::Counts& counts) {
  if (choice.has_begun) return {};
  choice.has_begun = true;
  if (head_.api == Api::chat) {
    return chunk(index, choice, "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null", "", &counts);
  }
  if (!params_.echo) return {};
  const auto& prompt = params_.prompts[index / params_.n].find("prompt")->as_string();
  choice.legacy.offset = code_points(prompt);
  return chunk(index, choice, quote(prompt), "", &counts);
}

std::string ChunkWriter::delta_of(const backend::Event& event) const {
  if (head_.api == Api::completions) return quote(event.text);
  if (event.channel == backend::Channel::reasoning) return "\"reasoning_content\":" + quote(event.text);
  if (event.channel == backend::Channel::content) return "\"content\":" + quote(event.text);
  const auto call = std::to_string(event.tool_index);
  if (!event.tool_name.empty()) {
    const auto id = "call_" + head_.id.substr(head_.id.find('-') + 1) + "_" + call;
    return "\"tool_calls\":[{\"index\":" + call + ",\"id\":" + quote(id) +
           ",\"type\":\"function\",\"function\":{\"name\":" + quote(event.tool_name) +
           ",\"arguments\":" + quote(event.text) + "}}]";
  }
  return "\"tool_calls\":[{\"index\":" + call + ",\"function\":{\"arguments\":" + quote(event.text) + "}}]";
}

std::string ChunkWriter::content_chunk(std::size_t index, Choice& choice, const backend::Event& event) {
  if (params_.return_token_ids) {
    for (const auto id : event.tokens) append(choice.token_ids, std::to_string(id));
  }
  if (params_.logprobs != 0) {
    if (head_.api == Api::chat) {
      append(choice.logprobs, chat_logprobs(event));
    } else {
      choice.legacy.add(event);
    }
  }
  // Text that is held back (a split code point, the beginning of a stop string) goes out with what follows.
  const bool shows = !event.text.empty() || !event.tool_name.empty();
  return shows ? chunk(index, choice, delta_of(event), "", &event.counts) : std::string{};
}

std::string ChunkWriter::on_event(const backend::Event& event) {
  const auto index = index_of(event);
  if (index >= choices_.size() || event.is_prompt || event.is_final) return {};
  auto& choice = choices_[index];
  if (choice.has_finished) return {};
  // Events without a token or an end only report the prompt's progress.
  if (event.tokens.empty() && event.text.empty() && event.finish == backend::Finish::none) return {};
  std::string out = begin(index, choice, event.counts);
  out += content_chunk(index, choice, event);
  if (event.finish != backend::Finish::none) {
    choice.has_finished = true;
    out += chunk(index, choice, head_.api == Api::chat ? "" : "\"\"", finish_name(event.finish), &event.counts);
  }
  return out;
}

std::string ChunkWriter::end(const ledger::Counts& counts, const UsageExtra& extra) {
  std::string out;
  for (std::size_t index = 0; index < choices_.size(); ++index) {
    auto& choice = choices_[index];
    if (choice.has_finished) continue;
    choice.has_finished = true;
    out += begin(index, choice, counts);
    out += chunk(index, choice, head_.api == Api::chat ? "" : "\"\"", "stop", &counts);
  }
  if (params_.include_usage || params_.continuous_usage) {
    out += http::sse_data(open_ + "[],\"usage\":" + usage_object(counts, params_.x_moegate ? &extra : nullptr) + "}");
  }
  return out += http::kSseDone;
}

std::string ChunkWriter::error(const std::string& error_body) { return http::sse_data(error_body); }

}  // namespace moegate::api
