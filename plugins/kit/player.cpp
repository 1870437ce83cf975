#include "kit/player.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>

namespace moegate::plugins {

struct Player::Served {
  std::string id;
  std::shared_ptr<const Script> script;
  std::vector<std::unique_ptr<ScriptRun>> runs;  // in order of start
  std::uint64_t steps = 0, step_ns = 0;
  std::uint64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  std::vector<std::uint64_t> expert_counts;  // [2, layers, experts]
  std::uint64_t routed_tokens[2] = {0, 0};

  // Token t of a phase goes to the experts t, t + 1, .. of layer 0, one further in each layer: even load, exact counts.
  void route(int phase, std::uint64_t tokens) {
    if (script->experts == 0) return;
    for (std::uint64_t t = 0; t < tokens; ++t) {
      const std::uint64_t first = routed_tokens[phase]++;
      for (std::uint32_t layer = 0; layer < script->layers; ++layer) {
        for (std::uint32_t k = 0; k < script->experts_per_token; ++k) {
          const std::uint64_t expert = (first + layer + k) % script->experts;
          ++expert_counts[(static_cast<std::uint64_t>(phase) * script->layers + layer) * script->experts + expert];
        }
      }
    }
  }
};

struct Player::Batch {
  std::uint64_t prefill_tokens = 0, decode_tokens = 0;
  std::uint64_t step_ns = 0;
};

Player::Player(const moe_host& host, std::vector<ScriptedModel> models, std::int64_t step_ms)
    : host_(host), served_(std::move(models)), pace_(step_ms) {
  for (const ScriptedModel& model : served_) {
    auto served = std::make_unique<Served>();
    served->id = model.id;
    served->script = model.script;
    served->expert_counts.assign(std::size_t{2} * model.script->layers * model.script->experts, 0);
    pace_ = std::max(pace_, std::chrono::milliseconds(model.script->step_ms));
    models_.push_back(std::move(served));
  }
  sigset_t all, before;  // the step thread takes no signals of the process
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { loop(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Player::~Player() { stop(); }

void Player::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

const Player::Served* Player::served(std::string_view model) const {
  for (const auto& served : models_) {
    if (served->id == model) return served.get();
  }
  return nullptr;
}

const Script* Player::find(std::string_view model) const {
  for (const ScriptedModel& served : served_) {
    if (served.id == model) return served.script.get();
  }
  return nullptr;
}

moe::Status Player::start(std::unique_ptr<PreparedScript> prepared, const moe_plugin_start_options& options) {
  const std::lock_guard lock(mutex_);
  if (is_stopping_) return {moe::Code::unavailable, "the plugin is stopping"};
  if (by_tag_.contains(options.tag)) return moe::invalid("tag is in use").with_param("tag");
  auto* model = const_cast<Served*>(served(prepared->model));
  if (model == nullptr) return {moe::Code::not_found, "model is not served"};
  const Script& script = *model->script;
  if (script.max_running > 0 && script.max_queue > 0 && model->runs.size() >= script.max_running + script.max_queue) {
    return {moe::Code::resource_exhausted, "the queue is full"};
  }
  auto run = std::make_unique<ScriptRun>(std::move(prepared), options, Clock::now());
  by_tag_.emplace(options.tag, run.get());
  model->runs.push_back(std::move(run));
  admit(*model);
  changed_.notify_all();
  return {};
}

void Player::admit(Served& model) {
  const std::size_t bound = model.script->max_running == 0 ? model.runs.size() : model.script->max_running;
  for (std::size_t i = 0; i < model.runs.size() && i < bound; ++i) model.runs[i]->is_admitted = true;
}

void Player::cancel(std::uint64_t tag) {
  const std::lock_guard lock(mutex_);
  const auto run = by_tag_.find(tag);
  if (run == by_tag_.end()) return;
  run->second->is_cancelled = true;
  changed_.notify_all();
}

void Player::set_paused(std::uint64_t tag, bool is_paused) {
  const std::lock_guard lock(mutex_);
  const auto run = by_tag_.find(tag);
  if (run == by_tag_.end()) return;
  run->second->is_paused = is_paused;
  changed_.notify_all();
}

void Player::release() {
  const std::lock_guard lock(mutex_);
  ++releases_;
  is_held_ = false;
  changed_.notify_all();
}

void Player::loop() {
  std::unique_lock lock(mutex_);
  while (Served* model = wait_for_work(lock)) step(*model, lock);
  end_all(lock);
}

// The next model, in turn, that has something due; nullptr when stopping.
Player::Served* Player::wait_for_work(std::unique_lock<std::mutex>& lock) {
  while (!is_stopping_) {
    const auto now = Clock::now();
    auto earliest = Clock::time_point::max();
    for (std::size_t i = 0; i < models_.size() && !is_held_; ++i) {
      Served& model = *models_[(next_model_ + i) % models_.size()];
      auto due = Clock::time_point::max();
      for (const auto& run : model.runs) due = std::min(due, run->due());
      if (due != Clock::time_point::max()) earliest = std::min(earliest, std::max(due, next_step_));
      if (due > now || next_step_ > now) continue;
      next_model_ = (next_model_ + i + 1) % models_.size();
      return &model;
    }
    if (earliest == Clock::time_point::max()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, earliest);
    }
  }
  return nullptr;
}

void Player::step(Served& model, std::unique_lock<std::mutex>& lock) {
  const auto now = Clock::now();
  EventList events;
  Batch batch;
  std::vector<std::uint64_t> finished;
  for (const auto& run : model.runs) {
    if (run->due() > now) continue;
    const std::uint64_t prompt = run->prompt_computed(), cached = run->prompt_cached(), done = run->completion_tokens();
    if (run->step(now, events)) finished.push_back(run->tag());
    batch.prefill_tokens += run->prompt_computed() - prompt;
    batch.decode_tokens += run->completion_tokens() - done;
    model.cached_tokens += run->prompt_cached() - cached;
  }
  remove_finished(model, finished);
  deliver(model, events, batch, lock);
  next_step_ = Clock::now() + pace_;
}

void Player::remove_finished(Served& model, const std::vector<std::uint64_t>& tags) {
  if (tags.empty()) return;
  for (const std::uint64_t tag : tags) by_tag_.erase(tag);
  std::erase_if(model.runs, [&](const auto& run) { return !by_tag_.contains(run->tag()); });
  admit(model);
}

// Calls the host without the lock; a release that came during the call ends its HOLD.
void Player::deliver(Served& model, EventList& events, Batch& batch, std::unique_lock<std::mutex>& lock) {
  model.prompt_tokens += batch.prefill_tokens;
  model.completion_tokens += batch.decode_tokens;
  model.route(MOE_PHASE_PREFILL, batch.prefill_tokens);
  model.route(MOE_PHASE_DECODE, batch.decode_tokens);
  ++model.steps;
  batch.step_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(pace_).count());
  model.step_ns += batch.step_ns;
  const std::uint64_t releases_before = releases_;
  lock.unlock();
  const std::int32_t answer = call_host(model, events, batch);
  lock.lock();
  if (answer == MOE_PLUGIN_STEP_HOLD && releases_ == releases_before) is_held_ = true;
}

std::int32_t Player::call_host(const Served& model, EventList& events, const Batch& batch) {
  std::vector<const moe_plugin_event*> pointers;
  pointers.reserve(events.size());
  for (OwnedEvent& event : events) pointers.push_back(&event.seal());
  moe_plugin_step step{};
  step.struct_size = sizeof(step);
  step.num_events = static_cast<std::uint32_t>(pointers.size());
  step.events = pointers.data();
  step.model = str(model.id);
  step.step_ns = batch.step_ns;
  step.prefill_tokens = static_cast<std::uint32_t>(batch.prefill_tokens);
  step.decode_tokens = static_cast<std::uint32_t>(batch.decode_tokens);
  return host_.on_step(host_.context, &step);
}

void Player::end_all(std::unique_lock<std::mutex>& lock) {
  by_tag_.clear();
  for (const auto& model : models_) {
    if (model->runs.empty()) continue;
    EventList events;
    Batch batch;
    for (const auto& run : model->runs) {
      run->end(Clock::now(), MOE_PLUGIN_FINISH_ERROR, {moe::Code::unavailable, "the plugin stops"}, events);
    }
    model->runs.clear();
    deliver(*model, events, batch, lock);
  }
}

moe::Status Player::counters(std::string_view model, moe_plugin_counters& out) const {
  const std::lock_guard lock(mutex_);
  const Served* found = served(model);
  if (found == nullptr) return {moe::Code::not_found, "model is not served"};
  for (const auto& run : found->runs) {
    ++(run->is_admitted ? out.running : out.waiting);
    if (run->is_admitted) out.kv_blocks_used += run->kv_blocks();
  }
  out.num_threads = 1;
  out.kv_blocks_total = found->script->kv_blocks_total;
  out.steps = found->steps;
  out.step_ns = found->step_ns;
  out.prompt_tokens = found->prompt_tokens;
  out.cached_tokens = found->cached_tokens;
  out.completion_tokens = found->completion_tokens;
  return {};
}

moe::Status Player::expert_counts(std::string_view model, std::vector<std::uint64_t>& out, std::uint64_t& epoch) const {
  const std::lock_guard lock(mutex_);
  const Served* found = served(model);
  if (found == nullptr) return {moe::Code::not_found, "model is not served"};
  out = found->expert_counts;
  epoch = found->steps;
  return {};
}

}  // namespace moegate::plugins
