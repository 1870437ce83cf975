#include "api/answer.hpp"

#include "core/json.hpp"

namespace moegate::api {
using moe::json::quote;

Answer::Answer(const Params& params, AnswerHead head)
    : params_(params), head_(std::move(head)), choices_(params.prompts.size() * params.n) {
  if (!params.echo) return;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    choices_[i].text = params.prompts[i / params.n].find("prompt")->as_string();
    choices_[i].legacy.offset = code_points(choices_[i].text);
  }
}

void Answer::on_event(const backend::Event& event) {
  const auto index = event.sequence * params_.n + event.choice;
  if (index >= choices_.size() || event.is_prompt || event.is_final) return;
  auto& choice = choices_[index];
  switch (event.channel) {
    case backend::Channel::content:
      choice.text += event.text;
      break;
    case backend::Channel::reasoning:
      choice.reasoning += event.text;
      break;
    case backend::Channel::tool_call:
      choice.tools[event.tool_index].name += event.tool_name;
      choice.tools[event.tool_index].arguments += event.text;
      break;
  }
  for (const auto id : event.tokens) append(choice.token_ids, std::to_string(id));
  if (params_.logprobs != 0 && head_.api == Api::chat) append(choice.logprobs, chat_logprobs(event));
  if (params_.logprobs != 0 && head_.api == Api::completions) choice.legacy.add(event);
  if (event.finish != backend::Finish::none) choice.finish = event.finish;
}

std::string Answer::message(const Choice& choice) const {
  const bool is_empty = choice.text.empty() && !choice.tools.empty();
  std::string text =
      "{\"role\":\"assistant\",\"content\":" + (is_empty ? "null" : quote(choice.text)) + ",\"refusal\":null";
  if (!choice.reasoning.empty()) text += ",\"reasoning_content\":" + quote(choice.reasoning);
  std::string calls;
  for (const auto& [number, call] : choice.tools) {
    const auto id = "call_" + head_.id.substr(head_.id.find('-') + 1) + "_" + std::to_string(number);
    append(calls, "{\"id\":" + quote(id) + ",\"type\":\"function\",\"function\":{\"name\":" + quote(call.name) +
                      ",\"arguments\":" + quote(call.arguments) + "}}");
  }
  if (!calls.empty()) text += ",\"tool_calls\":[" + calls + "]";
  return text + "}";
}

std::string Answer::choice_object(std::size_t index) const {
  const auto& choice = choices_[index];
  std::string text = "{\"index\":" + std::to_string(index);
  if (head_.api == Api::chat) {
    text += ",\"message\":" + message(choice) + ",\"logprobs\":";
    text += params_.logprobs == 0 ? "null" : "{\"content\":[" + choice.logprobs + "],\"refusal\":null}";
  } else {
    text += ",\"text\":" + quote(choice.text) + ",\"logprobs\":";
    text += params_.logprobs == 0 ? "null" : choice.legacy.object();
  }
  const auto finish = finish_name(choice.finish);
  text += ",\"finish_reason\":" + quote(finish.empty() ? "stop" : finish);
  if (params_.return_token_ids) text += ",\"token_ids\":[" + choice.token_ids + "]";
  return text + "}";
}

std::string Answer::body(const ledger::Counts& counts, const UsageExtra& extra) const {
  std::string list;
  for (std::size_t i = 0; i < choices_.size(); ++i) append(list, choice_object(i));
  return open_object(head_, false) + "[" + list +
         "],\"service_tier\":\"default\",\"usage\":" + usage_object(counts, params_.x_moegate ? &extra : nullptr) + "}";
}

}  // namespace moegate::api
