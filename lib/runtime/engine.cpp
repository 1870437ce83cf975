#include "runtime/engine.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "base/log.hpp"

namespace moe::runtime {

namespace {

constexpr std::uint64_t kMaxWaiting = 4096;  // sequences in the queue
constexpr std::uint64_t kContextsByDefault = 8;
constexpr std::uint64_t kMaxDeadlineMs = std::uint64_t{1} << 40;  // 35 years; keeps nanoseconds within 64 bits

std::uint64_t ceil_blocks(std::uint64_t tokens) { return (tokens + model::kBlockTokens - 1) / model::kBlockTokens; }

Result<std::uint64_t> num_blocks(const model::Model& model, const EngineOptions& options) {
  const std::uint64_t block_bytes = model.decoder().kv_layout().floats_per_block() * sizeof(float);
  const std::uint64_t memory =
      static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  if (options.kv_cache_bytes == 0) {
    const std::uint64_t wanted = kContextsByDefault * ceil_blocks(model.spec().context);
    return std::max<std::uint64_t>(1, std::min(wanted, memory / 4 / block_bytes));
  }
  if (options.kv_cache_bytes < block_bytes) {
    return invalid("kv_cache_bytes: " + std::to_string(options.kv_cache_bytes) + " is below one block of " +
                   std::to_string(block_bytes) + " bytes");
  }
  const std::uint64_t blocks = options.kv_cache_bytes / block_bytes;
  if (options.kv_cache_bytes > memory || blocks > UINT32_MAX) {
    return Status(Code::resource_exhausted, "kv_cache_bytes: " + std::to_string(options.kv_cache_bytes) +
                                                " is more than the machine has, " + std::to_string(memory));
  }
  return blocks;
}

}  // namespace

Result<std::shared_ptr<Engine>> Engine::create(std::shared_ptr<const model::Model> model, const EngineOptions& wanted) {
  EngineOptions options = wanted;
  if (options.pool == nullptr) {
    auto pool = base::WorkerPool::create({});
    if (!pool.ok()) {
      return pool.status();
    }
    options.pool = std::move(*pool);
  }
  auto blocks = num_blocks(*model, options);
  if (!blocks.ok()) {
    return blocks.status();
  }
  auto kv = KvPool::create(model->decoder().kv_layout(), *blocks);
  if (!kv.ok()) {
    return kv.status();
  }
  std::shared_ptr<Engine> engine(new Engine(std::move(model), std::move(options), std::move(*kv)));
  if (!engine->start_loop()) {
    return Status(Code::resource_exhausted, "the step thread cannot be started");
  }
  engine->loop_id_ = engine->thread_->get_id();
  pthread_setname_np(engine->thread_->native_handle(), "moe-engine");
  return engine;
}

Engine::Engine(std::shared_ptr<const model::Model> model, EngineOptions options, KvPool pool)
    : model_(std::move(model)),
      options_(std::move(options)),
      kv_(std::move(pool)),
      member_(std::make_unique<base::WorkerPool::Member>(options_.pool, options_.weight)),
      runner_(*model_, kv_, options_.pool->size(), options_.max_sequences + options_.prefill_chunk) {
  totals_.num_threads = static_cast<std::uint32_t>(options_.pool->size());
  totals_.kv_blocks_total = kv_.total();
  totals_.max_sequence_tokens = std::min<std::uint64_t>(model_->spec().context, kv_.total() * model::kBlockTokens);
  totals_.weights_bytes = model_->weights().bytes;
  totals_.kv_cache_bytes = kv_.bytes();
  published_ = totals_;
}

// The loop takes no signals: they belong to the host's threads.
bool Engine::start_loop() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::make_unique<std::thread>([this] { run(); });
  } catch (const std::system_error&) {
    thread_.reset();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread_ != nullptr;
}

Engine::~Engine() { stop(); }

void Engine::stop() {
  if (thread_ == nullptr) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    is_changed_ = true;
  }
  wake_.notify_all();
  thread_->join();
  thread_.reset();
}

void Engine::abandon() {
  kv_.drop_memory();
  (void)thread_.release();  // the thread does not exist in this process
  (void)member_.release();  // nor do the workers; their locks may be held for ever
}

// ---- Any thread
// ------------------------------------------------------------------------------------------------------

std::uint64_t Engine::blocks_needed(const Request& request) const {
  const std::uint64_t shared = request.prompt.size() / model::kBlockTokens;
  const std::uint64_t each = ceil_blocks(request.prompt.size() + request.max_tokens) - shared;
  return shared + each * request.num_choices;
}

// The most tokens a choice can have so that the whole request fits, 0 if it cannot.
std::uint64_t Engine::largest_max_tokens(const Request& request) const {
  const std::uint64_t prompt = request.prompt.size();
  const std::uint64_t shared = prompt / model::kBlockTokens;
  if (prompt >= model_->spec().context || shared >= kv_.total()) {
    return 0;
  }
  const std::uint64_t capacity = (shared + (kv_.total() - shared) / request.num_choices) * model::kBlockTokens;
  const std::uint64_t limit = std::min<std::uint64_t>(capacity, model_->spec().context);
  return limit > prompt ? limit - prompt : 0;
}

Status Engine::check(const Request& request) const {
  const std::uint64_t most = largest_max_tokens(request);
  if (request.num_choices > options_.max_sequences) {
    return {Code::out_of_range, "num_choices: " + std::to_string(request.num_choices) + " is more than the " +
                                    std::to_string(options_.max_sequences) + " sequences that run together"};
  }
  if (most == 0 || request.max_tokens > most) {
    return {Code::out_of_range,
            "prompt of " + std::to_string(request.prompt.size()) + " tokens + max_tokens " +
                std::to_string(request.max_tokens) + " (" + std::to_string(request.num_choices) +
                " choices) exceed the effective limit of " +
                std::to_string(request.num_choices == 1 || most == 0 ? totals_.max_sequence_tokens
                                                                     : most + request.prompt.size()) +
                " tokens"};
  }
  const auto check_token = [&](std::int32_t token, const char* field) -> Status {
    if (!model_->is_token(token)) {
      return invalid(std::string(field) + ": " + std::to_string(token) + " is no token of this model");
    }
    return {};
  };
  for (const std::int32_t token : request.prompt) {
    if (Status status = check_token(token, "prompt"); !status.ok()) {
      return status;
    }
  }
  for (const auto& [token, bias] : request.sampling.logit_bias) {
    if (Status status = check_token(token, "logit_bias"); !status.ok()) {
      return status;
    }
  }
  for (const std::int32_t token : request.stop_tokens) {
    if (Status status = check_token(token, "stop_tokens"); !status.ok()) {
      return status;
    }
  }
  return {};
}

Status Engine::start(const std::shared_ptr<Sequence>& sequence, Request request) {
  if (request.prompt.empty()) {
    return invalid("prompt: empty");
  }
  if (Status status = check(request); !status.ok()) {
    return status;
  }
  request.deadline_ms = std::min(request.deadline_ms, kMaxDeadlineMs);
  if (request.max_tokens == 0) {
    request.max_tokens = largest_max_tokens(request);
  }
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) {
      return {Code::unavailable, "the engine is stopping"};
    }
    if (num_waiting_ >= kMaxWaiting) {
      return {Code::resource_exhausted, "queue full: " + std::to_string(kMaxWaiting) + " sequences are waiting"};
    }
    if (sequence->is_started.exchange(true)) {
      return invalid("sequence: was started already");
    }
    sequence->request = std::move(request);
    sequence->started_ns = monotonic_ns();
    ++num_waiting_;
    is_changed_ = true;
    incoming_.push_back(sequence);
    const std::lock_guard stats_lock(stats_mutex_);
    ++published_.sequences_started;
    ++published_.waiting;
  }
  wake_.notify_all();
  return {};
}

void Engine::wake() {
  {
    const std::lock_guard lock(mutex_);
    is_changed_ = true;
  }
  wake_.notify_all();
}

void Engine::cancel(Sequence& sequence) {
  sequence.cancel_requested.store(true);
  wake();
}

void Engine::pause(Sequence& sequence) { sequence.is_paused.store(true); }

void Engine::resume(Sequence& sequence) {
  sequence.is_paused.store(false);
  wake();
}

void Engine::detach(Sequence& sequence) {
  if (std::this_thread::get_id() == loop_id_) {
    sequence.is_detached.store(true);
  } else {
    const std::lock_guard lock(delivery_mutex_);
    sequence.is_detached.store(true);
  }
  cancel(sequence);
}

void Engine::release_hold() {
  {
    const std::lock_guard lock(mutex_);
    is_held_ = false;
    ++num_releases_;
    is_changed_ = true;
  }
  wake_.notify_all();
}

Status Engine::read(Sequence& sequence, std::uint64_t timeout_ms, Event& out) {
  if (has_sink()) {
    return {Code::unsupported, "the engine delivers its events to on_step"};
  }
  if (!sequence.is_started.load()) {
    return invalid("sequence: not started");
  }
  std::unique_lock lock(sequence.queue_mutex);
  if (sequence.final_read) {
    return {Code::not_found, "the final event was read already"};
  }
  const auto is_filled = [&] { return !sequence.queue.empty(); };
  if (timeout_ms == UINT64_MAX) {
    sequence.queue_filled.wait(lock, is_filled);
  } else {
    // Bounded so that the sum with the clock cannot overflow; about a year.
    const auto timeout = std::chrono::milliseconds(std::min<std::uint64_t>(timeout_ms, std::uint64_t{1} << 35));
    if (!sequence.queue_filled.wait_for(lock, timeout, is_filled)) {
      return {Code::deadline_exceeded, "no event within " + std::to_string(timeout_ms) + " ms"};
    }
  }
  const bool was_full = sequence.queue.size() >= Sequence::kMaxQueued;
  out = std::move(sequence.queue.front());
  sequence.queue.pop_front();
  sequence.final_read = out.kind == EventKind::final;
  lock.unlock();
  if (was_full) {
    wake();
  }
  return {};
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(stats_mutex_);
  return published_;
}

std::vector<std::uint64_t> Engine::expert_counts(std::uint64_t& epoch) const {
  std::vector<std::uint64_t> counts(runner_.counters().size());
  epoch = runner_.counters().snapshot(counts);
  return counts;
}

// ---- Loop thread
// -----------------------------------------------------------------------------------------------------

void Engine::run() {
  for (;;) {
    bool is_stopping = false;
    bool is_held = false;
    take_commands(is_stopping, is_held);
    runner_.events().clear();
    report_ = {};
    end_requested(is_stopping);
    bool has_worked = false;
    if (!is_stopping && !is_held) {
      admit();
      has_worked = try_step();
      finish_done();
    }
    publish();
    deliver();
    if (is_stopping) {
      return;
    }
    if (!has_worked) {
      wait_for_work();
    }
  }
}

void Engine::take_commands(bool& is_stopping, bool& is_held) {
  std::vector<std::shared_ptr<Sequence>> incoming;
  {
    const std::lock_guard lock(mutex_);
    is_changed_ = false;
    is_stopping = is_stopping_;
    is_held = is_held_;
    incoming.swap(incoming_);
  }
  for (auto& sequence : incoming) {
    queue_.push(std::move(sequence));
  }
}

// Cancels, deadlines, and at the end everything.
void Engine::end_requested(bool is_stopping) {
  const std::uint64_t now = monotonic_ns();
  const auto end = [&](Sequence& sequence) {
    const std::uint64_t deadline_ms = sequence.request.deadline_ms;
    if (sequence.cancel_requested.load()) {
      finish_sequence(sequence, Finish::cancelled, {Code::cancelled, "cancelled"});
    } else if (deadline_ms != 0 && (now - sequence.started_ns) / 1000000 >= deadline_ms) {
      finish_sequence(sequence, Finish::deadline, {Code::deadline_exceeded, "deadline passed"});
    } else if (is_stopping) {
      finish_sequence(sequence, Finish::cancelled, {Code::unavailable, "the engine stops"});
    }
    return sequence.phase == Phase::finished;
  };
  for (const auto& sequence : std::vector(queue_.waiting())) {
    if (end(*sequence)) {
      queue_.remove(sequence.get());
      const std::lock_guard lock(mutex_);
      --num_waiting_;
    }
  }
  std::erase_if(running_, [&](const auto& sequence) { return end(*sequence); });
}

void Engine::admit() {
  const auto fits = [&](const Sequence& sequence) {
    return blocks_needed(sequence.request) <= kv_.available() &&
           choices_running_ + sequence.request.num_choices <= options_.max_sequences;
  };
  while (std::shared_ptr<Sequence> sequence = queue_.next(fits)) {
    {
      const std::lock_guard lock(mutex_);
      --num_waiting_;
    }
    Request& request = sequence->request;
    const std::uint64_t total = ceil_blocks(request.prompt.size() + request.max_tokens);
    const std::uint64_t shared = request.prompt.size() / model::kBlockTokens;
    sequence->choices.resize(request.num_choices);
    for (std::uint32_t i = 0; i < request.num_choices; ++i) {
      Choice& choice = sequence->choices[i];
      choice.index = i;
      choice.blocks.reserve(total);
      choice.block_data.reserve(total);
      (void)kv_.acquire(i == 0 ? total : total - shared, choice.blocks);  // fits() has counted them
      if (model_->tokenizer() != nullptr) {
        choice.decoder.emplace(*model_->tokenizer(), true);
      }
      choice.matcher = text::StopMatcher(request.stop);
    }
    Choice& first = sequence->choices.front();
    for (const std::uint32_t block : first.blocks) {
      first.block_data.push_back(kv_.data(block));
    }
    if (request.sampling.has_penalties()) {
      for (const std::int32_t token : request.prompt) {
        first.history.add(token, false);
      }
    }
    sequence->end_tokens = request.stop_tokens;
    for (const model::EndToken& token : model_->end_tokens()) {
      if (!request.ignore_eos) {
        sequence->end_tokens.push_back(token.id);
      }
    }
    choices_running_ += request.num_choices;
    sequence->phase = Phase::prefill;
    running_.push_back(std::move(sequence));
  }
}

bool Engine::try_step() {
  const std::uint64_t begin = monotonic_ns();
  bool has_worked = false;
  try {
    const base::Turn turn(*member_);
    has_worked = runner_.run(*options_.pool, running_, options_.prefill_chunk, !has_sink());
  } catch (const std::exception& error) {
    // Only memory can run out here. Which rows were done is unknown, so every running sequence fails.
    base::log(base::LogLevel::error, std::string("step failed: ") + error.what());
    for (const auto& sequence : running_) {
      sequence->failure = Status(Code::resource_exhausted, "out of memory in a step");
    }
    has_worked = true;
  }
  if (has_worked) {
    totals_.steps += 1;
    totals_.last_step_ns = monotonic_ns() - begin;
    totals_.step_ns += totals_.last_step_ns;
    totals_.prompt_tokens += runner_.prefill_tokens();
    totals_.completion_tokens += runner_.sampled_tokens();
    report_.prefill_tokens = runner_.prefill_tokens();
    report_.decode_tokens = runner_.decode_tokens();
    report_.step_ns = totals_.last_step_ns;
  }
  return has_worked;
}

// Ends sequences that broke, and those whose choices are all done.
void Engine::finish_done() {
  std::erase_if(running_, [&](const auto& sequence) {
    if (!sequence->failure.ok()) {
      finish_sequence(*sequence, Finish::error, sequence->failure);
    } else if (sequence->phase == Phase::decode && sequence->all_choices_finished()) {
      const bool any_length = std::any_of(sequence->choices.begin(), sequence->choices.end(),
                                          [](const Choice& choice) { return choice.finish == Finish::length; });
      finish_sequence(*sequence, any_length ? Finish::length : Finish::stop, {});
    }
    return sequence->phase == Phase::finished;
  });
}

void Engine::finish_sequence(Sequence& sequence, Finish finish, const Status& status) {
  const std::shared_ptr<Sequence> shared = sequence.shared_from_this();
  for (Choice& choice : sequence.choices) {
    if (choice.finish != Finish::none) {
      continue;
    }
    if (finish == Finish::error || choice.completion_tokens == 0) {
      choice.finish = finish;
      runner_.release(choice);
    } else {
      runner_.end_choice(shared, choice, finish, runner_.events().add(EventKind::tokens, shared, choice.index));
    }
  }
  choices_running_ -= sequence.choices.size();
  sequence.phase = Phase::finished;
  totals_.sequences_finished += 1;
  if (!status.ok() && finish == Finish::error) {
    base::log(base::LogLevel::error, "sequence failed: " + status.message());
  }
  Event& event = runner_.events().add(EventKind::final, shared, 0);
  event.finish = finish;
  event.status = status.code();
  const std::uint64_t now = monotonic_ns();
  const std::uint64_t prefill = sequence.prefill_started_ns != 0 ? sequence.prefill_started_ns : now;
  event.queue_ns = prefill - sequence.started_ns;
  if (sequence.first_token_ns != 0) {
    event.prefill_ns = sequence.first_token_ns - prefill;
    event.decode_ns = sequence.last_token_ns - sequence.first_token_ns;
  } else {
    event.prefill_ns = now - prefill;
  }
}

void Engine::publish() {
  const std::lock_guard lock(mutex_);
  const std::lock_guard stats_lock(stats_mutex_);
  totals_.sequences_started = published_.sequences_started;
  totals_.running = static_cast<std::uint32_t>(running_.size());
  totals_.waiting = static_cast<std::uint32_t>(num_waiting_);
  totals_.kv_blocks_used = kv_.used();
  totals_.kv_misuses = kv_.misuses();
  published_ = totals_;
}

void Engine::deliver() {
  const std::lock_guard delivery_lock(delivery_mutex_);
  report_.step_index = totals_.steps;
  if (!has_sink()) {
    for (Event* event : runner_.events().events()) {
      // Taken out of the event: a queued event must not keep its own queue alive, and this may be the last owner of a
      // sequence whose reader has gone, which must outlive the lock below.
      const std::shared_ptr<Sequence> sequence = std::move(event->sequence);
      const std::lock_guard lock(sequence->queue_mutex);
      sequence->queue.push_back(std::move(*event));
      sequence->queue_filled.notify_all();
    }
    return;
  }
  visible_.clear();
  for (Event* event : runner_.events().events()) {
    if (!event->sequence->is_detached.load()) {
      visible_.push_back(event);
    }
  }
  report_.events = visible_;
  if (visible_.empty() && report_.step_ns == 0) {
    return;
  }
  std::uint64_t releases = 0;
  {
    const std::lock_guard lock(mutex_);
    releases = num_releases_;
  }
  const bool wants_hold = options_.sink(report_);
  runner_.events().clear();
  const std::lock_guard lock(mutex_);
  // A release that came while the sink still ran belongs to this HOLD: nobody would end it otherwise.
  is_held_ = is_held_ || (wants_hold && releases == num_releases_);
}

void Engine::wait_for_work() {
  std::uint64_t next_deadline = UINT64_MAX;
  const auto note = [&](const Sequence& sequence) {
    if (sequence.request.deadline_ms != 0) {
      next_deadline = std::min(next_deadline, sequence.started_ns + sequence.request.deadline_ms * 1000000);
    }
  };
  for (const auto& sequence : queue_.waiting()) {
    note(*sequence);
  }
  for (const auto& sequence : running_) {
    note(*sequence);
  }
  std::unique_lock lock(mutex_);
  const auto is_awake = [&] { return is_changed_; };
  if (next_deadline == UINT64_MAX) {
    wake_.wait(lock, is_awake);
  } else {
    wake_.wait_until(lock, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(next_deadline)), is_awake);
  }
}

}  // namespace moe::runtime
