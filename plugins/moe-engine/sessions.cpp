#include "sessions.hpp"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace moegate::plugins {
namespace {

// A field of moe_request by the client's name for it, from a text that begins with the field.
std::string client_field(const std::string& message) {
  const std::string field = message.substr(0, message.find_first_of(":[ "));
  if (field == "num_choices") return "n";
  if (field == "sampling_top_k") return "top_k";
  if (field == "logprobs") return "top_logprobs";
  for (const char* same : {"temperature", "top_p", "min_p", "frequency_penalty", "presence_penalty",
                           "repetition_penalty", "max_tokens", "stop", "logit_bias", "min_tokens", "prompt"}) {
    if (field == same) return field;
  }
  return {};
}

void copy_options(const moe_plugin_start_options& from, moe_request& to) {
  to.num_choices = from.num_choices;
  to.tag = from.tag;
  to.seed = from.seed;
  to.temperature = from.temperature;
  to.top_p = from.top_p;
  to.min_p = from.min_p;
  to.frequency_penalty = from.frequency_penalty;
  to.presence_penalty = from.presence_penalty;
  to.repetition_penalty = from.repetition_penalty;
  to.sampling_top_k = from.sampling_top_k;
  to.logprobs = from.logprobs;
  to.ignore_eos = from.ignore_eos;
  to.min_tokens = from.min_tokens;
  to.prompt_logprobs = from.prompt_logprobs;
  to.priority = from.priority;
  to.fair_weight = from.fair_weight;
  to.fair_group = from.fair_group;
  to.deadline_ms = from.deadline_ms;
  std::memcpy(to.isolation_key, from.isolation_key, sizeof(to.isolation_key));
}

}  // namespace

Sessions::Sessions(const moe_host& host) : host_(host) {
  sigset_t all, before;  // the thread takes no signals of the process
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  reaper_ = std::thread([this] { reap(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Sessions::~Sessions() {
  stop();
  {
    const std::lock_guard lock(mutex_);
    is_reaping_done_ = true;
  }
  changed_.notify_all();
  reaper_.join();
}

Sessions::Port* Sessions::make_port() {
  const std::lock_guard lock(mutex_);
  ports_.push_back(std::make_unique<Port>());
  ports_.back()->sessions = this;
  return ports_.back().get();
}

void Sessions::attach(Port& port, ServedModel& model) {
  const std::lock_guard lock(mutex_);
  port.model = &model;
  port.translator = std::make_unique<StepTranslator>(model);
  engines_.push_back(model.engine.get());
}

std::int32_t Sessions::on_step(void* port, const moe_step* step) {
  auto& self = *static_cast<Port*>(port);
  return self.sessions->deliver(self, *step);
}

// A step that was under way when another engine's was answered HOLD is still delivered; then its engine holds too.
std::int32_t Sessions::deliver(Port& port, const moe_step& step) {
  if (port.translator == nullptr) return MOE_STEP_CONTINUE;
  const std::lock_guard host_lock(host_mutex_);
  const moe_plugin_step& translated = port.translator->translate(step);
  std::uint64_t releases_before = 0;
  {
    const std::lock_guard lock(mutex_);
    releases_before = releases_;
  }
  const std::int32_t answer = host_.on_step(host_.context, &translated);
  const std::lock_guard lock(mutex_);
  bool has_ended = false;
  for (std::uint32_t i = 0; i < step.num_events; ++i) {
    if (step.events[i]->kind != MOE_EVENT_FINAL) continue;
    const auto place = running_.find(step.events[i]->tag);
    if (place == running_.end()) continue;
    ended_.push_back(std::move(place->second));
    running_.erase(place);
    has_ended = true;
  }
  if (has_ended) changed_.notify_all();
  if (answer == MOE_PLUGIN_STEP_HOLD && releases_ == releases_before) is_held_ = true;  // nobody would end it otherwise
  return is_held_ && !is_stopping_ ? MOE_STEP_HOLD : MOE_STEP_CONTINUE;
}

moe::Status Sessions::start(const PreparedPrompt& prepared, const moe_plugin_start_options& options) {
  moe_request request = MOE_REQUEST_INIT;
  copy_options(options, request);
  request.prompt = prepared.prompt.data();
  request.num_prompt = prepared.prompt.size();
  request.max_tokens = options.max_tokens == 0 ? prepared.max_tokens : options.max_tokens;
  std::vector<moe_str> stops;
  for (const std::string& stop : prepared.stop) stops.push_back(str(stop));
  request.stop = stops.data();
  request.num_stop = static_cast<std::uint32_t>(stops.size());
  request.stop_tokens = prepared.stop_tokens.data();
  request.num_stop_tokens = static_cast<std::uint32_t>(prepared.stop_tokens.size());
  request.logit_bias = prepared.logit_bias.data();
  request.num_logit_bias = static_cast<std::uint32_t>(prepared.logit_bias.size());

  // Under the lock from creation to entry in the map: the first events may come before start returns.
  const std::lock_guard lock(mutex_);
  if (is_stopping_) return {moe::Code::unavailable, "the engine is stopping"};
  if (running_.contains(options.tag)) return moe::invalid("tag is in use").with_param("tag");
  moe_sequence* raw = nullptr;
  if (const moe_status status = moe_sequence_create(prepared.model->engine.get(), &raw); status != MOE_OK) {
    return library_error(status);
  }
  Sequence sequence(raw);
  if (const moe_status status = moe_sequence_start(raw, &request); status != MOE_OK) {
    moe::Status error = library_error(status);
    const std::string field = client_field(error.message());
    return std::move(error).with_param(field);
  }
  running_.emplace(options.tag, std::move(sequence));
  return {};
}

void Sessions::control(std::uint64_t tag, Control what) {
  const std::lock_guard lock(mutex_);
  const auto place = running_.find(tag);
  if (place == running_.end()) return;
  switch (what) {
    case Control::cancel:
      moe_sequence_cancel(place->second.get());
      break;
    case Control::pause:
      moe_sequence_pause(place->second.get());
      break;
    case Control::resume:
      moe_sequence_resume(place->second.get());
      break;
  }
}

void Sessions::release() {
  const std::lock_guard lock(mutex_);
  is_held_ = false;
  ++releases_;
  for (moe_engine* engine : engines_) moe_engine_release(engine);
}

void Sessions::stop() {
  std::unique_lock lock(mutex_);
  is_stopping_ = true;  // from here on HOLD is not obeyed: every request must get its FINAL
  is_held_ = false;
  for (moe_engine* engine : engines_) moe_engine_release(engine);
  for (const auto& [tag, sequence] : running_) moe_sequence_cancel(sequence.get());
  changed_.wait(lock, [&] { return running_.empty() && ended_.empty() && !is_reaping_; });
  engines_.clear();
}

void Sessions::reap() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return is_reaping_done_ || !ended_.empty(); });
    if (ended_.empty()) return;
    std::vector<Sequence> ended = std::exchange(ended_, {});
    is_reaping_ = true;
    lock.unlock();
    ended.clear();  // waits for the step that told the end
    lock.lock();
    is_reaping_ = false;
    changed_.notify_all();
  }
}

}  // namespace moegate::plugins
