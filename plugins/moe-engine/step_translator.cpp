#include "step_translator.hpp"

namespace moegate::plugins {
namespace {

std::int32_t kind_of(std::int32_t kind) {
  if (kind == MOE_EVENT_FINAL) return MOE_PLUGIN_EVENT_FINAL;
  return kind == MOE_EVENT_PROMPT_LOGPROBS ? MOE_PLUGIN_EVENT_PROMPT_LOGPROBS : MOE_PLUGIN_EVENT_TOKENS;
}

std::int32_t finish_of(std::int32_t finish) {
  switch (finish) {
    case MOE_FINISH_NONE:
      return MOE_PLUGIN_FINISH_NONE;
    case MOE_FINISH_STOP:
      return MOE_PLUGIN_FINISH_STOP;
    case MOE_FINISH_LENGTH:
      return MOE_PLUGIN_FINISH_LENGTH;
    case MOE_FINISH_CANCELLED:
      return MOE_PLUGIN_FINISH_CANCELLED;
    case MOE_FINISH_DEADLINE:
      return MOE_PLUGIN_FINISH_DEADLINE;
    default:
      return MOE_PLUGIN_FINISH_ERROR;
  }
}

std::size_t views_needed(const moe_event& event) {
  return event.logprobs == nullptr ? 0 : std::size_t{event.num_tokens} * (1 + event.num_top);
}

}  // namespace

const moe_plugin_step& StepTranslator::translate(const moe_step& step) {
  std::size_t views = 0;
  for (std::uint32_t i = 0; i < step.num_events; ++i) views += views_needed(*step.events[i]);
  views_.clear();
  views_.reserve(views);  // so that pointers into it stay
  events_.assign(step.num_events, {});
  pointers_.clear();
  for (std::uint32_t i = 0; i < step.num_events; ++i) {
    translate_event(*step.events[i], events_[i]);
    pointers_.push_back(&events_[i]);
  }
  step_.struct_size = sizeof(step_);
  step_.num_events = step.num_events;
  step_.events = pointers_.data();
  step_.model = str(model_->id);
  step_.step_ns = step.step_ns;
  step_.prefill_tokens = step.prefill_tokens;
  step_.decode_tokens = step.decode_tokens;
  return step_;
}

void StepTranslator::translate_event(const moe_event& from, moe_plugin_event& to) {
  to.struct_size = sizeof(to);
  to.kind = kind_of(from.kind);
  to.tag = from.tag;
  to.choice_index = from.choice_index;
  to.channel = MOE_PLUGIN_CHANNEL_CONTENT;
  to.finish_reason = finish_of(from.finish_reason);
  to.status = from.status;
  to.text = from.text;
  to.num_tokens = from.num_tokens;
  to.tokens = from.tokens;
  to.prompt_computed = from.prompt_tokens;
  to.prompt_cached = from.cached_tokens;
  to.completion_tokens = from.completion_tokens;
  to.route_digest = from.route_digest;
  to.queue_ns = from.queue_ns;
  to.prefill_ns = from.prefill_ns;
  to.decode_ns = from.decode_ns;
  if (from.kind == MOE_EVENT_FINAL && from.finish_reason == MOE_FINISH_ERROR) to.message = str("the engine ended it");
  if (from.logprobs == nullptr) return;
  to.logprobs = from.logprobs;
  to.num_top = from.num_top;
  to.top_tokens = from.top_tokens;
  to.top_logprobs = from.top_logprobs;
  to.token_bytes = views_of(from.tokens, from.num_tokens);
  if (from.num_top > 0) to.top_bytes = views_of(from.top_tokens, std::size_t{from.num_tokens} * from.num_top);
}

const moe_str* StepTranslator::views_of(const std::int32_t* tokens, std::size_t count) {
  const std::size_t first = views_.size();
  for (std::size_t i = 0; i < count; ++i) views_.push_back(str(bytes_of(tokens[i])));
  return views_.data() + first;
}

const std::string& StepTranslator::bytes_of(std::int32_t token) {
  const auto [place, is_new] = bytes_.try_emplace(token);
  if (is_new) {
    auto bytes = token_bytes(model_->model.get(), token);
    if (bytes.ok()) place->second = std::move(bytes).value();
  }
  return place->second;
}

}  // namespace moegate::plugins
