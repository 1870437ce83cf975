#include "backend/step_receiver.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace moegate::backend {
namespace {

using Clock = std::chrono::steady_clock;

std::string_view view(moe_str text) {
  return text.data == nullptr ? std::string_view{} : std::string_view(text.data, text.size);
}

Finish finish_of(std::int32_t reason) {
  switch (reason) {
    case MOE_PLUGIN_FINISH_NONE:
      return Finish::none;
    case MOE_PLUGIN_FINISH_STOP:
      return Finish::stop;
    case MOE_PLUGIN_FINISH_LENGTH:
      return Finish::length;
    case MOE_PLUGIN_FINISH_TOOL_CALLS:
      return Finish::tool_calls;
    case MOE_PLUGIN_FINISH_CANCELLED:
      return Finish::cancelled;
    case MOE_PLUGIN_FINISH_DEADLINE:
      return Finish::deadline;
    default:
      return Finish::error;
  }
}

usage::SequenceEnd end_of(Finish finish, moe_status status) {
  switch (finish) {
    case Finish::stop:
      return usage::SequenceEnd::stop;
    case Finish::length:
      return usage::SequenceEnd::length;
    case Finish::tool_calls:
      return usage::SequenceEnd::tool_calls;
    case Finish::cancelled:
      return usage::SequenceEnd::cancelled;
    case Finish::deadline:
      return usage::SequenceEnd::deadline;
    case Finish::none:
    case Finish::error:
      break;
  }
  // A backend that is taken down ends what runs with UNAVAILABLE: that is shedding, not a fault of the sequence.
  if (status == MOE_E_CANCELLED || status == MOE_E_UNAVAILABLE) return usage::SequenceEnd::cancelled;
  return status == MOE_OK && finish == Finish::none ? usage::SequenceEnd::stop : usage::SequenceEnd::error;
}

// Tiers are disjoint: what was stored on request is no plain input.
ledger::Counts counts_of(const moe_plugin_event& event) {
  ledger::Counts counts;
  counts.cache_write = std::min(event.cache_written, event.prompt_computed);
  counts.input = event.prompt_computed - counts.cache_write;
  counts.cache_read = event.prompt_cached;
  counts.output = event.completion_tokens;
  counts.reasoning = std::min(event.reasoning_tokens, event.completion_tokens);
  return counts;
}

void copy_logprobs(const moe_plugin_event& from, Event& to) {
  if (from.logprobs == nullptr) return;
  for (std::uint32_t i = 0; i < from.num_tokens; ++i) {
    const auto bytes = from.token_bytes != nullptr ? view(from.token_bytes[i]) : std::string_view{};
    to.logprobs.push_back({from.tokens[i], from.logprobs[i], std::string(bytes)});
    auto& row = to.top.emplace_back();
    if (from.top_tokens == nullptr || from.top_logprobs == nullptr) continue;
    for (std::uint32_t k = 0; k < from.num_top; ++k) {
      const std::size_t at = std::size_t{i} * from.num_top + k;
      const auto top = from.top_bytes != nullptr ? view(from.top_bytes[at]) : std::string_view{};
      row.push_back({from.top_tokens[at], from.top_logprobs[at], std::string(top)});
    }
  }
}

Event copy_event(const moe_plugin_event& from, std::size_t sequence) {
  Event event;
  event.sequence = sequence;
  event.choice = from.choice_index;
  event.channel = from.channel == MOE_PLUGIN_CHANNEL_REASONING   ? Channel::reasoning
                  : from.channel == MOE_PLUGIN_CHANNEL_TOOL_CALL ? Channel::tool_call
                                                                 : Channel::content;
  event.finish = finish_of(from.finish_reason);
  event.is_prompt = from.kind == MOE_PLUGIN_EVENT_PROMPT_LOGPROBS;
  event.is_final = from.kind == MOE_PLUGIN_EVENT_FINAL;
  if (event.is_final && from.status != MOE_OK) {
    const bool is_known = from.status > MOE_OK && from.status <= MOE_E_FORKED;
    event.status = {is_known ? static_cast<moe::Code>(from.status) : moe::Code::internal,
                    std::string(view(from.message))};
  }
  event.text = view(from.text);
  event.tool_index = from.tool_index;
  event.tool_name = view(from.tool_name);
  if (from.tokens != nullptr) event.tokens.assign(from.tokens, from.tokens + from.num_tokens);
  copy_logprobs(from, event);
  return event;
}

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

struct StepReceiver::Part {
  std::shared_ptr<Running> running;
  Delivery delivery;
  ledger::Counts counts;
  std::size_t terminal = 0;  // index in the batch, valid if delivery.is_last
  bool has_tokens = false;
};

struct StepReceiver::Work {
  std::vector<Part> parts;
  ledger::Batch batch;

  Part& part(const std::shared_ptr<Running>& running) {
    for (auto& part : parts) {
      if (part.running == running) return part;
    }
    parts.push_back({running, {}, {}, 0, false});
    return parts.back();
  }
};

StepReceiver::StepReceiver(ledger::Ledger& ledger, telemetry::Metrics& metrics, std::function<std::int64_t()> wall_us)
    : ledger_(&ledger), metrics_(&metrics), wall_us_(std::move(wall_us)) {}

void StepReceiver::add(const std::shared_ptr<Running>& running) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < running->tags.size(); ++i) targets_[running->tags[i]] = {running, i, {}, {}};
  ++active_;
}

void StepReceiver::forget(const std::shared_ptr<Running>& running, std::size_t sequence, bool others_run) {
  {
    const std::lock_guard lock(mutex_);
    targets_.erase(running->tags[sequence]);
  }
  if (!others_run) {
    if (sequence == 0) --active_;
    return;
  }
  running->admission->finish(sequence, usage::SequenceEnd::not_started, 0, {});
  // The others may have ended before: then this is what completes the request.
  const std::lock_guard lock(order_);
  auto work = std::make_shared<Work>();
  auto& part = work->part(running);
  part.counts = running->admission->counts();
  if (running->admission->emit(work->batch, wall_us_(), Clock::now())) part.delivery.is_last = true;
  submit(std::move(work));
}

void StepReceiver::take(const moe_plugin_event& event, Work& work, Clock::time_point now) {
  std::shared_ptr<Running> running;
  std::size_t sequence = 0;
  std::vector<std::array<std::uint8_t, 32>> digests;
  {
    const std::lock_guard lock(mutex_);
    const auto found = targets_.find(event.tag);
    if (found == targets_.end()) {
      metrics_->meter_unrecorded.add(static_cast<double>(event.num_tokens), "unknown_tag");
      return;
    }
    auto& target = found->second;
    running = target.running;
    sequence = target.sequence;
    if (event.route_digest != nullptr) {
      std::memcpy(target.digests.emplace_back().data(), event.route_digest, 32);
    }
    if (event.num_tokens > 0 && event.kind == MOE_PLUGIN_EVENT_TOKENS) {
      if (target.last_token != Clock::time_point{}) {
        metrics_->inter_token.observe(seconds(now - target.last_token), running->model);
      }
      target.last_token = now;
    }
    if (event.kind == MOE_PLUGIN_EVENT_FINAL) {
      digests = std::move(target.digests);
      targets_.erase(found);
    }
  }
  auto& admission = *running->admission;
  admission.count(sequence, counts_of(event), now);
  auto& part = work.part(running);
  part.delivery.events.push_back(copy_event(event, sequence));
  part.delivery.events.back().counts = admission.counts();
  if (event.kind != MOE_PLUGIN_EVENT_FINAL) return;
  const auto finish = finish_of(event.finish_reason);
  admission.finish(sequence, end_of(finish, event.status), event.queue_ns / 1000, std::move(digests));
  if (admission.wanted_end() != usage::EndReason::none) {
    metrics_->engine_abort_latency.observe(seconds(now - admission.wanted_at()), running->model);
  }
}

std::int32_t StepReceiver::on_step(const moe_plugin_step& step) {
  auto work = std::make_shared<Work>();
  const auto now = Clock::now();
  for (std::uint32_t i = 0; i < step.num_events; ++i) take(*step.events[i], *work, now);
  observe_step(step);
  const std::lock_guard lock(order_);
  for (auto& part : work->parts) {
    part.counts = part.running->admission->counts();
    if (part.running->admission->emit(work->batch, wall_us_(), now)) {
      part.delivery.is_last = true;
      part.terminal = work->batch.terminals.size() - 1;
    }
  }
  if (work->parts.empty()) return MOE_PLUGIN_STEP_CONTINUE;
  const auto answer = submit(std::move(work));
  if (answer == MOE_PLUGIN_STEP_HOLD) metrics_->engine_holds.add(1, view(step.model));
  return answer;
}

std::int32_t StepReceiver::submit(std::shared_ptr<Work> work) {
  work->batch.after_commit = [this, work](ledger::CommitResult result, const std::vector<std::int64_t>& records) {
    committed(work, result, records);
  };
  const auto epoch = room_epoch_.load();
  if (ledger_->submit(std::move(work->batch))) return MOE_PLUGIN_STEP_CONTINUE;
  is_held_ = true;
  // Room may have come between the two lines: then nobody would end this HOLD.
  if (room_epoch_.load() != epoch) return MOE_PLUGIN_STEP_CONTINUE;
  return MOE_PLUGIN_STEP_HOLD;
}

bool StepReceiver::end_hold() {
  ++room_epoch_;
  return is_held_.exchange(false);
}

void StepReceiver::committed(const std::shared_ptr<Work>& work, ledger::CommitResult result,
                             const std::vector<std::int64_t>& records) {
  const bool is_durable = result == ledger::CommitResult::durable;
  for (auto& part : work->parts) {
    auto& delivery = part.delivery;
    delivery.is_durable = is_durable;
    if (is_durable) {
      confirm(part);
    } else {
      metrics_->meter_unrecorded.add(static_cast<double>(part.counts.output), "failed_commit");
    }
    const auto running = part.running;
    if (delivery.is_last) {
      if (is_durable && part.terminal < records.size()) delivery.record = records[part.terminal];
      if (running->admission->settle()) {
        --active_;
      } else {
        metrics_->meter_unrecorded.add(1, "second_settle");
      }
      if (is_durable) observe_end(*running, part.counts);
    }
    const bool is_last = delivery.is_last;
    if (running->deliver) running->deliver(std::move(delivery));
    if (is_last) running->deliver = nullptr;  // breaks the circle request -> exchange -> request
  }
  work->parts.clear();
}

void StepReceiver::confirm(Part& part) {
  const auto news = part.running->admission->confirm(part.counts);
  const auto& model = part.running->model;
  metrics_->prompt_tokens.add(static_cast<double>(news.input + news.cache_write), model, "computed");
  metrics_->prompt_tokens.add(static_cast<double>(news.cache_read), model, "cached");
  metrics_->generation_tokens.add(static_cast<double>(news.output - std::min(news.reasoning, news.output)), model,
                                  "text");
  metrics_->generation_tokens.add(static_cast<double>(news.reasoning), model, "reasoning");
}

void StepReceiver::observe_step(const moe_plugin_step& step) {
  const auto model = view(step.model);
  const bool has_prefill = step.prefill_tokens > 0;
  const bool has_decode = step.decode_tokens > 0;
  if (!has_prefill && !has_decode) return;
  const std::string_view phase = has_prefill && has_decode ? "mixed" : has_prefill ? "prefill" : "decode";
  metrics_->engine_step_seconds.observe(static_cast<double>(step.step_ns) * 1e-9, model, phase);
  metrics_->engine_step_tokens.observe(static_cast<double>(step.prefill_tokens) + step.decode_tokens, model);
  metrics_->engine_batch_size.set(step.decode_tokens, model);
}

void StepReceiver::observe_end(const Running& running, const ledger::Counts& counts) {
  const auto& admission = *running.admission;
  const auto& model = running.model;
  const auto outcome = ledger::outcome_name(admission.outcome());
  ++ended_.at(static_cast<std::size_t>(admission.outcome()));
  const std::string_view mode = running.is_stream ? "stream" : "oneshot";
  const double duration = static_cast<double>(admission.duration_us()) * 1e-6;
  const double ttft = static_cast<double>(admission.ttft_us()) * 1e-6;
  metrics_->requests.add(1, model, admission.row().api, mode, outcome);
  metrics_->meter_records.add(1, "usage");
  metrics_->request_duration.observe(duration, model, mode, telemetry::outcome_class(outcome));
  if (counts.output > 0) metrics_->ttft.observe(ttft, model);
  if (counts.output > 1) {
    metrics_->per_output_token.observe((duration - ttft) / static_cast<double>(counts.output - 1), model);
  }
  metrics_->queue_seconds.observe(static_cast<double>(admission.queue_us()) * 1e-6, model);
  metrics_->request_prompt_tokens.observe(static_cast<double>(counts.input + counts.cache_read + counts.cache_write),
                                          model);
  metrics_->request_generation_tokens.observe(static_cast<double>(counts.output), model);
  if (telemetry::outcome_class(outcome) != "completed") {
    metrics_->cancelled_tokens.add(static_cast<double>(counts.output), model, outcome);
  }
  if (outcome == "engine_error") metrics_->engine_faults.add(1, model, "sequence");
}

std::array<std::uint64_t, 8> StepReceiver::ended() const {
  std::array<std::uint64_t, 8> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = ended_[i];
  return counts;
}

std::vector<std::shared_ptr<Running>> StepReceiver::all() const {
  std::vector<std::shared_ptr<Running>> found;
  const std::lock_guard lock(mutex_);
  for (const auto& [tag, target] : targets_) {
    if (target.sequence == 0 || std::find(found.begin(), found.end(), target.running) == found.end()) {
      found.push_back(target.running);
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::shared_ptr<Running> StepReceiver::find(std::string_view request_id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [tag, target] : targets_) {
    if (target.running->admission->row().request_id == request_id) return target.running;
  }
  return nullptr;
}

}  // namespace moegate::backend
