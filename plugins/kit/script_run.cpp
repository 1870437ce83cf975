#include "kit/script_run.hpp"

#include <algorithm>
#include <utility>

#include "core/digest.hpp"

namespace moegate::plugins {
namespace {

constexpr auto kNever = Clock::time_point::max();

std::uint64_t nanoseconds(Clock::time_point from, Clock::time_point to) {
  return from == Clock::time_point{} || to < from ? 0 : static_cast<std::uint64_t>((to - from).count());
}

std::int32_t finish_of(ScriptEnd end) {
  switch (end) {
    case ScriptEnd::stop:
      return MOE_PLUGIN_FINISH_STOP;
    case ScriptEnd::length:
      return MOE_PLUGIN_FINISH_LENGTH;
    case ScriptEnd::tool_calls:
      return MOE_PLUGIN_FINISH_TOOL_CALLS;
    case ScriptEnd::error:
    case ScriptEnd::hang:
      break;
  }
  return MOE_PLUGIN_FINISH_NONE;
}

// Size of the longest end of `text` that a stop string may begin with.
std::size_t held_size(const std::string& text, const std::vector<std::string>& stops) {
  std::size_t longest = 0;
  for (const std::string& stop : stops) {
    for (std::size_t size = std::min(stop.size() - 1, text.size()); size > longest; --size) {
      if (text.compare(text.size() - size, size, stop, 0, size) == 0) longest = size;
    }
  }
  return longest;
}

}  // namespace

const moe_plugin_event& OwnedEvent::seal() {
  event.text = str(text);
  event.tool_name = str(tool_name);
  event.message = str(message);
  event.num_tokens = static_cast<std::uint32_t>(tokens.size());
  event.tokens = tokens.empty() ? nullptr : tokens.data();
  event.route_digest = has_digest ? digest.data() : nullptr;
  if (logprobs.empty()) return event;
  event.logprobs = logprobs.data();
  for (const std::string& bytes : token_bytes) token_views.push_back(str(bytes));
  for (const std::string& bytes : top_bytes) top_views.push_back(str(bytes));
  event.token_bytes = token_views.data();
  event.top_tokens = top_tokens.empty() ? nullptr : top_tokens.data();
  event.top_logprobs = top_logprobs.empty() ? nullptr : top_logprobs.data();
  event.top_bytes = top_views.empty() ? nullptr : top_views.data();
  return event;
}

ScriptRun::ScriptRun(std::unique_ptr<PreparedScript> prepared, const moe_plugin_start_options& options,
                     Clock::time_point now)
    : prepared_(std::move(prepared)), entry_(prepared_->entry), options_(options), started_at_(now) {
  max_tokens_ = options.max_tokens == 0 ? prepared_->max_tokens : std::min(options.max_tokens, prepared_->max_tokens);
  choices_.resize(std::max(options.num_choices, 1U));
  for (std::size_t i = 0; i < choices_.size(); ++i) choices_[i].pieces = &entry_->choices[i % entry_->choices.size()];
  deadline_ = options.deadline_ms == 0 ? kNever : now + std::chrono::milliseconds(options.deadline_ms);
}

Clock::time_point ScriptRun::due() const {
  if (is_cancelled) return Clock::time_point::min();
  auto at = deadline_;
  if (is_paused || !is_admitted) return at;
  if (!prompt_done()) return Clock::time_point::min();
  for (const Choice& choice : choices_) {
    if (!choice.is_done) at = std::min(at, choice.due);
  }
  return at;
}

bool ScriptRun::step(Clock::time_point now, EventList& out) {
  if (is_cancelled) {
    end(now, MOE_PLUGIN_FINISH_CANCELLED, {moe::Code::cancelled, "cancelled by the host"}, out);
    return true;
  }
  if (now >= deadline_) {
    end(now, MOE_PLUGIN_FINISH_DEADLINE, {moe::Code::deadline_exceeded, "the deadline passed"}, out);
    return true;
  }
  if (is_paused || !is_admitted) return false;
  if (!prompt_done()) compute_prompt(now, out);
  if (!prompt_done()) return false;
  bool all_done = true;
  std::int32_t finish = MOE_PLUGIN_FINISH_STOP;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    if (!choice.is_done && choice.due <= now) {
      if (choice.next >= choice.pieces->size() && entry_->end == ScriptEnd::error) {
        end(now, MOE_PLUGIN_FINISH_ERROR, entry_->fault.status, out);
        return true;
      }
      play(now, choice, static_cast<std::uint32_t>(i), out);
      if (fail_if_due(now, out)) return true;
    }
    all_done = all_done && choice.is_done;
    if (choice.finish > finish) finish = choice.finish;
  }
  if (all_done) end(now, finish, {}, out);
  return all_done;
}

bool ScriptRun::fail_if_due(Clock::time_point now, EventList& out) {
  if (entry_->fail_after_tokens == 0 || completion_tokens_ < entry_->fail_after_tokens) return false;
  end(now, MOE_PLUGIN_FINISH_ERROR, entry_->fault.status, out);
  return true;
}

void ScriptRun::compute_prompt(Clock::time_point now, EventList& out) {
  const std::uint64_t total = prepared_->prompt.size();
  if (!has_begun_) {
    has_begun_ = true;
    prefill_at_ = now;
    prompt_cached_ = std::min(entry_->cached_tokens, total - 1);  // the last prompt token is always computed
  }
  const std::uint64_t left = total - prompt_cached_ - prompt_computed_;
  const std::uint64_t chunk = prepared_->script->prefill_chunk;
  prompt_computed_ += chunk == 0 ? left : std::min(left, chunk);
  if (!prompt_done()) return;
  start_choices(now);
  if (options_.prompt_logprobs == 0 || total < 2) return;
  OwnedEvent& event = new_event(out, MOE_PLUGIN_EVENT_PROMPT_LOGPROBS);
  event.tokens.assign(prepared_->prompt.begin() + 1, prepared_->prompt.end());
  event.logprobs.assign(event.tokens.size(), -1.0F);
  for (const std::int32_t token : event.tokens) {
    event.token_bytes.emplace_back(token < 256 ? 1 : 0, static_cast<char>(token));
  }
}

void ScriptRun::start_choices(Clock::time_point now) {
  for (Choice& choice : choices_) {
    choice.due = now + std::chrono::milliseconds(entry_->first_token_delay_ms);
    if (!choice.pieces->empty()) choice.due += std::chrono::milliseconds(choice.pieces->front().delay_ms);
    if (choice.pieces->empty() && entry_->end == ScriptEnd::hang) choice.due = kNever;
  }
}

void ScriptRun::play(Clock::time_point now, Choice& choice, std::uint32_t index, EventList& out) {
  const bool has_piece = choice.next < choice.pieces->size();
  if (has_piece && !choice.held.empty() && (*choice.pieces)[choice.next].channel != MOE_PLUGIN_CHANNEL_CONTENT) {
    OwnedEvent& rest = new_event(out, MOE_PLUGIN_EVENT_TOKENS);  // content ends here, no stop string can follow
    rest.event.choice_index = index;
    rest.text = std::exchange(choice.held, {});
  }
  OwnedEvent& event = new_event(out, MOE_PLUGIN_EVENT_TOKENS);
  event.event.choice_index = index;
  std::int32_t finish = MOE_PLUGIN_FINISH_NONE;
  if (has_piece) {
    const ScriptPiece& piece = (*choice.pieces)[choice.next++];
    if (choice.next == choice.pieces->size() && entry_->is_endless) choice.next = 0;
    std::size_t count =
        static_cast<std::size_t>(std::min<std::uint64_t>(piece.tokens.size(), max_tokens_ - choice.tokens));
    std::size_t with_text = count;
    for (std::size_t i = 0; i < count; ++i) {
      if (std::ranges::find(prepared_->stop_tokens, piece.tokens[i]) == prepared_->stop_tokens.end()) continue;
      finish = MOE_PLUGIN_FINISH_STOP;
      count = i + 1;
      with_text = i;
    }
    add_tokens(piece, count, choice, event);
    if (with_text < piece.tokens.size()) {
      event.text.clear();
      for (std::size_t i = 0; i < with_text; ++i) event.text += piece.token_bytes[i];
      event.text.resize(complete_utf8(event.text));
    }
    completion_tokens_ += count;
    if (piece.channel == MOE_PLUGIN_CHANNEL_REASONING) reasoning_tokens_ += count;
    if (first_token_at_ == Clock::time_point{}) first_token_at_ = now;
    last_token_at_ = now;
  }
  const bool at_end = choice.next >= choice.pieces->size();
  if (finish == MOE_PLUGIN_FINISH_NONE && at_end && !(has_piece && entry_->end_delay_ms > 0))
    finish = finish_of(entry_->end);
  choice.finish = finish;
  if (event.event.channel == MOE_PLUGIN_CHANNEL_CONTENT) filter_stops(choice, event);
  if (choice.finish == MOE_PLUGIN_FINISH_NONE && choice.tokens >= max_tokens_) choice.finish = MOE_PLUGIN_FINISH_LENGTH;
  if (choice.finish != MOE_PLUGIN_FINISH_NONE) finish_choice(choice, event);
  schedule_next(now, choice);
  fill_counts(event.event);
}

void ScriptRun::schedule_next(Clock::time_point now, Choice& choice) {
  if (choice.is_done) return;
  if (choice.next < choice.pieces->size()) {
    choice.due = now + std::chrono::milliseconds((*choice.pieces)[choice.next].delay_ms);
  } else {
    choice.due = entry_->end == ScriptEnd::hang ? kNever : now + std::chrono::milliseconds(entry_->end_delay_ms);
  }
}

void ScriptRun::add_tokens(const ScriptPiece& piece, std::size_t count, Choice& choice, OwnedEvent& out) const {
  out.event.channel = piece.channel;
  out.text = piece.text;
  out.tokens.assign(piece.tokens.begin(), piece.tokens.begin() + static_cast<std::ptrdiff_t>(count));
  choice.tokens += count;
  choice.all_tokens.insert(choice.all_tokens.end(), out.tokens.begin(), out.tokens.end());
  if (piece.channel == MOE_PLUGIN_CHANNEL_TOOL_CALL) {
    out.event.tool_index = piece.tool_index;
    if (std::ranges::find(choice.named_tools, piece.tool_index) == choice.named_tools.end()) {
      choice.named_tools.push_back(piece.tool_index);
      out.tool_name = piece.tool_name;
    }
  }
  if (options_.logprobs == 0) return;
  const std::uint32_t num_top = options_.logprobs - 1;
  out.event.num_top = num_top;
  for (std::size_t i = 0; i < count; ++i) {
    out.logprobs.push_back(piece.logprobs[i]);
    out.token_bytes.push_back(piece.token_bytes[i]);
    for (std::uint32_t top = 0; top < num_top; ++top) {  // the token itself, then made-up ones
      out.top_tokens.push_back(piece.tokens[i] + static_cast<std::int32_t>(top));
      out.top_logprobs.push_back(piece.logprobs[i] - static_cast<float>(top));
      out.top_bytes.push_back(top == 0 ? piece.token_bytes[i] : "~" + std::to_string(top));
    }
  }
}

// Content as a client may see it: without a stop string, and without what may still become one.
void ScriptRun::filter_stops(Choice& choice, OwnedEvent& out) const {
  if (prepared_->stop.empty()) return;
  std::string text = choice.held + out.text;
  std::size_t first = std::string::npos;
  for (const std::string& stop : prepared_->stop) first = std::min(first, text.find(stop));
  choice.held.clear();
  if (first != std::string::npos) {
    text.resize(first);
    choice.finish = MOE_PLUGIN_FINISH_STOP;
  } else {
    const std::size_t held = held_size(text, prepared_->stop);
    choice.held = text.substr(text.size() - held);
    text.resize(text.size() - held);
  }
  out.text = std::move(text);
}

void ScriptRun::finish_choice(Choice& choice, OwnedEvent& out) const {
  if (out.event.channel == MOE_PLUGIN_CHANNEL_CONTENT) out.text += choice.held;
  choice.is_done = true;
  out.event.finish_reason = choice.finish;
  const auto* bytes = reinterpret_cast<const char*>(choice.all_tokens.data());
  out.digest = moe::sha256({bytes, choice.all_tokens.size() * sizeof(std::int32_t)});
  out.has_digest = true;
}

void ScriptRun::end(Clock::time_point now, std::int32_t finish, const moe::Status& status, EventList& out) {
  OwnedEvent& event = new_event(out, MOE_PLUGIN_EVENT_FINAL);
  event.event.finish_reason = finish;
  event.event.status = static_cast<moe_status>(status.code());
  event.message = status.message();
  event.event.queue_ns = nanoseconds(started_at_, has_begun_ ? prefill_at_ : now);
  event.event.prefill_ns = nanoseconds(prefill_at_, first_token_at_);
  event.event.decode_ns = nanoseconds(first_token_at_, last_token_at_);
}

OwnedEvent& ScriptRun::new_event(EventList& out, std::int32_t kind) const {
  OwnedEvent& event = out.emplace_back();
  event.event.struct_size = sizeof(moe_plugin_event);
  event.event.kind = kind;
  event.event.tag = options_.tag;
  fill_counts(event.event);
  return event;
}

void ScriptRun::fill_counts(moe_plugin_event& event) const {
  event.prompt_computed = prompt_computed_;
  event.prompt_cached = prompt_cached_;
  event.cache_written = prompt_done() ? entry_->cache_write_tokens : 0;
  event.completion_tokens = completion_tokens_;
  event.reasoning_tokens = reasoning_tokens_;
}

}  // namespace moegate::plugins
