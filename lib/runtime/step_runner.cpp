#include "runtime/step_runner.hpp"

#include <algorithm>
#include <chrono>

#include "base/log.hpp"

namespace moe::runtime {

namespace {

constexpr std::size_t kLogitRows = 64;  // rows of logits computed at once
constexpr std::size_t kMinShare = 16;   // prompt tokens a sequence gets at least when several are in prefill

}  // namespace

std::uint64_t monotonic_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

Event& EventList::add(EventKind kind, const std::shared_ptr<Sequence>& sequence, std::uint32_t choice) {
  if (active_.size() == storage_.size()) {
    storage_.push_back(std::make_unique<Event>());
  }
  Event& event = *storage_[active_.size()];
  event.clear();
  event.kind = kind;
  event.sequence = sequence;
  event.tag = sequence->request.tag;
  event.choice_index = choice;
  event.prompt_tokens = sequence->prompt_done;
  event.completion_tokens = sequence->completion_tokens;
  active_.push_back(&event);
  return event;
}

void EventList::clear() {
  for (Event* event : active_) {
    event->sequence.reset();
  }
  active_.clear();
}

StepRunner::StepRunner(const model::Model& model, KvPool& kv, std::size_t num_workers, std::size_t max_rows)
    : model_(model),
      kv_(kv),
      num_moe_layers_(model.spec().num_moe_layers()),
      experts_per_token_(num_moe_layers_ == 0 ? 0 : model.spec().router.experts_per_token),
      vocab_(model.spec().vocab_size),
      logits_(kLogitRows * vocab_),
      sample_scratch_(num_workers),
      counters_(num_moe_layers_, num_moe_layers_ == 0 ? 0 : model.spec().router.num_experts) {
  for (SampleScratch& scratch : sample_scratch_) {
    scratch.reserve(vocab_);
  }
  tokens_.reserve(max_rows);
  positions_.reserve(max_rows);
  routes_.reserve(max_rows * num_moe_layers_ * experts_per_token_);
}

bool StepRunner::run(base::WorkerPool& pool, std::span<const std::shared_ptr<Sequence>> running,
                     std::size_t prefill_chunk, bool has_queues) {
  tokens_.clear();
  positions_.clear();
  row_spans_.clear();
  spans_.clear();
  tasks_.clear();
  prefill_tokens_ = decode_tokens_ = sampled_tokens_ = 0;
  add_decode_rows(running, has_queues);
  num_decode_rows_ = tokens_.size();
  add_prefill_rows(running, prefill_chunk, has_queues);
  if (tokens_.empty()) {
    return false;
  }
  decode_tokens_ = static_cast<std::uint32_t>(num_decode_rows_);
  prefill_tokens_ = static_cast<std::uint32_t>(tokens_.size() - num_decode_rows_);
  routes_.assign(tokens_.size() * num_moe_layers_ * experts_per_token_, 0);
  row_is_bad_.assign(tokens_.size(), 0);
  // On a worker: one hand-over for the whole step, and every operation has the workers' floating-point environment.
  pool.run([&] {
    model_.decoder().forward(pool, {tokens_, positions_, row_spans_}, scratch_, *this);
    account_routes();
    advance_prompts();
    draw(pool);
  });
  write_events();
  tasks_.clear();
  spans_.clear();
  return true;
}

void StepRunner::add_rows(const std::shared_ptr<Sequence>& sequence, Choice& choice, std::size_t first_position,
                          std::span<const std::int32_t> tokens) {
  row_spans_.push_back({tokens_.size(), tokens.size(), first_position, choice.block_data.data()});
  spans_.push_back({sequence, &choice});
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens_.push_back(tokens[i]);
    positions_.push_back(static_cast<std::int32_t>(first_position + i));
  }
}

void StepRunner::add_decode_rows(std::span<const std::shared_ptr<Sequence>> running, bool has_queues) {
  for (const auto& sequence : running) {
    if (sequence->phase != Phase::decode || sequence->is_paused.load() || (has_queues && sequence->queue_is_full())) {
      continue;
    }
    for (Choice& choice : sequence->choices) {
      if (choice.finish == Finish::none) {
        add_rows(sequence, choice, choice.next_position, std::span(&choice.next_token, 1));
      }
    }
  }
}

// Prompts in prefill share the chunk; the one that begins rotates, so that a long prompt cannot hold short ones up.
void StepRunner::add_prefill_rows(std::span<const std::shared_ptr<Sequence>> running, std::size_t budget,
                                  bool has_queues) {
  const auto is_ready = [&](Sequence& sequence) {
    return sequence.phase == Phase::prefill && !sequence.is_paused.load() && !(has_queues && sequence.queue_is_full());
  };
  const auto ready = static_cast<std::size_t>(
      std::count_if(running.begin(), running.end(), [&](const auto& s) { return is_ready(*s); }));
  if (ready == 0) {
    return;
  }
  std::size_t share = std::max(kMinShare, budget / ready);
  ++rotation_;
  for (std::size_t i = 0; i < running.size() && budget > 0; ++i) {
    const auto& sequence = running[(i + rotation_) % running.size()];
    if (!is_ready(*sequence)) {
      continue;
    }
    const std::size_t left = sequence->request.prompt.size() - sequence->prompt_done;
    const std::size_t count = std::min({left, share, budget});
    if (sequence->prefill_started_ns == 0) {
      sequence->prefill_started_ns = monotonic_ns();
    }
    add_rows(sequence, sequence->choices.front(), sequence->prompt_done,
             std::span(sequence->request.prompt).subspan(sequence->prompt_done, count));
    budget -= count;
  }
}

void StepRunner::routed(std::size_t moe_layer, const Routing& routing, std::size_t rows) {
  for (std::size_t row = 0; row < rows; ++row) {
    row_is_bad_[row] |= routing.is_bad[row];
    std::copy_n(
        routing.experts.begin() + static_cast<std::ptrdiff_t>(row * experts_per_token_), experts_per_token_,
        routes_.begin() + static_cast<std::ptrdiff_t>((row * num_moe_layers_ + moe_layer) * experts_per_token_));
  }
}

// Counters, and the digests in token order: position after position, in it layer after layer, whatever the chunks were.
void StepRunner::account_routes() {
  for (std::size_t i_span = 0; i_span < spans_.size(); ++i_span) {
    const model::RowSpan& rows = row_spans_[i_span];
    for (std::size_t row = rows.first_row; row < rows.first_row + rows.num_rows; ++row) {
      const moe::Phase phase = row < num_decode_rows_ ? moe::Phase::decode : moe::Phase::prefill;
      for (std::size_t layer = 0; layer < num_moe_layers_; ++layer) {
        const std::span<const std::int32_t> experts(
            routes_.data() + (row * num_moe_layers_ + layer) * experts_per_token_, experts_per_token_);
        counters_.add(phase, layer, experts);
        spans_[i_span].choice->digest.add(static_cast<std::uint64_t>(positions_[row]), experts);
      }
      if (row_is_bad_[row] != 0 && spans_[i_span].sequence->failure.ok()) {
        spans_[i_span].sequence->failure =
            Status(Code::internal,
                   "router logits of the token at position " + std::to_string(positions_[row]) + " are not finite");
      }
    }
  }
  counters_.publish();
}

// Moves sequences forward and lists the rows whose logits are wanted.
void StepRunner::advance_prompts() {
  for (std::size_t i_span = 0; i_span < spans_.size(); ++i_span) {
    const auto& sequence = spans_[i_span].sequence;
    const model::RowSpan& rows = row_spans_[i_span];
    const auto last_row = static_cast<std::uint32_t>(rows.first_row + rows.num_rows - 1);
    const std::size_t prompt_size = sequence->request.prompt.size();
    if (sequence->phase == Phase::decode) {
      Choice& choice = *spans_[i_span].choice;
      if (sequence->failure.ok()) {
        tasks_.push_back({sequence, &choice, last_row, -1, choice.next_position + 1, 0, true, {}});
      }
      continue;
    }
    sequence->prompt_done += rows.num_rows;
    if (!sequence->failure.ok()) {
      continue;
    }
    for (std::size_t i = 0; sequence->request.prompt_logprobs && i < rows.num_rows; ++i) {
      const std::size_t target = rows.first_position + i + 1;
      if (target < prompt_size) {
        tasks_.push_back({sequence,
                          nullptr,
                          static_cast<std::uint32_t>(rows.first_row + i),
                          sequence->request.prompt[target],
                          target,
                          0,
                          true,
                          {}});
      }
    }
    if (sequence->prompt_done == prompt_size) {
      fork_choices(*sequence);
      sequence->phase = Phase::decode;
      for (Choice& choice : sequence->choices) {
        tasks_.push_back({sequence, &choice, last_row, -1, prompt_size, 0, true, {}});
      }
    }
  }
}

// The prompt was computed into the blocks of choice 0: the others share its full blocks and copy the begun one.
void StepRunner::fork_choices(Sequence& sequence) {
  Choice& first = sequence.choices.front();
  const std::size_t prompt_size = sequence.request.prompt.size();
  const std::size_t num_shared = prompt_size / model::kBlockTokens;
  for (Choice& choice : std::span(sequence.choices).subspan(1)) {
    if (prompt_size % model::kBlockTokens != 0) {
      kv_.copy(first.blocks[num_shared], choice.blocks.front());
    }
    choice.blocks.insert(choice.blocks.begin(), first.blocks.begin(),
                         first.blocks.begin() + static_cast<std::ptrdiff_t>(num_shared));
    choice.block_data.clear();
    for (std::size_t i = 0; i < choice.blocks.size(); ++i) {
      if (i < num_shared) {
        if (Status status = kv_.retain(choice.blocks[i]); !status.ok()) {
          sequence.failure = std::move(status);
        }
      }
      choice.block_data.push_back(kv_.data(choice.blocks[i]));
    }
    choice.digest = first.digest;
    choice.history = first.history;
  }
}

void StepRunner::draw(base::WorkerPool& pool) {
  std::size_t done = 0;
  while (done < tasks_.size()) {
    logit_rows_.clear();
    std::size_t end = done;
    while (end < tasks_.size() && (logit_rows_.size() < kLogitRows || tasks_[end].row == logit_rows_.back())) {
      if (logit_rows_.empty() || logit_rows_.back() != tasks_[end].row) {
        logit_rows_.push_back(tasks_[end].row);
      }
      ++end;
    }
    model_.decoder().logits(pool, logit_rows_, scratch_, logits_.data());
    pool.parallel_for(end - done, [&](std::size_t i, std::size_t worker) {
      Task& task = tasks_[done + i];
      const auto slot = std::lower_bound(logit_rows_.begin(), logit_rows_.end(), task.row) - logit_rows_.begin();
      draw_one(task, logits_.data() + static_cast<std::size_t>(slot) * vocab_, sample_scratch_[worker]);
    });
    done = end;
  }
}

void StepRunner::draw_one(Task& task, const float* logits, SampleScratch& scratch) const {
  const Request& request = task.sequence->request;
  const std::span<const float> row(logits, vocab_);
  task.is_finite = logits_are_finite(row, model_.token_mask());
  if (!task.is_finite) {
    return;
  }
  if (task.choice != nullptr) {
    SampleInput input;
    input.logits = row;
    input.is_token = model_.token_mask();
    input.options = &request.sampling;
    input.history = &task.choice->history;
    if (task.choice->completion_tokens < request.min_tokens) {
      input.banned = task.sequence->end_tokens;
    }
    input.choice = task.choice->index;
    input.position = task.position;
    task.token = sample(input, scratch);
  }
  const bool is_scored = task.choice == nullptr || request.logprobs != 0;
  if (is_scored && task.token >= 0) {
    task.logprob = score(row, model_.token_mask(), task.token, task.sequence->num_alternatives(), task.alternatives);
  }
}

void StepRunner::write_events() {
  for (Task& task : tasks_) {
    Sequence& sequence = *task.sequence;
    if (!sequence.failure.ok()) {
      continue;
    }
    if (!task.is_finite || task.token < 0) {
      sequence.failure = Status(Code::internal, task.is_finite ? "no token is left to choose from"
                                                               : "logits of the token at position " +
                                                                     std::to_string(task.position) + " are not finite");
      continue;
    }
    if (task.choice != nullptr) {
      if (task.choice->completion_tokens == 0 && task.choice->index == 0 && sequence.request.prompt_logprobs) {
        write_prompt_event(task.sequence);
      }
      write_token(task);
      continue;
    }
    sequence.prompt_logprobs.push_back(task.logprob);
    for (std::uint32_t i = 0; i < task.alternatives.count; ++i) {
      sequence.prompt_top_tokens.push_back(task.alternatives.tokens[i]);
      sequence.prompt_top_logprobs.push_back(task.alternatives.logprobs[i]);
    }
  }
}

void StepRunner::write_prompt_event(const std::shared_ptr<Sequence>& sequence) {
  Event& event = events_.add(EventKind::prompt_logprobs, sequence, 0);
  event.tokens.assign(sequence->request.prompt.begin() + 1, sequence->request.prompt.end());
  event.logprobs = std::move(sequence->prompt_logprobs);
  event.num_top =
      event.tokens.empty() ? 0 : static_cast<std::uint32_t>(sequence->prompt_top_tokens.size() / event.tokens.size());
  event.top_tokens = std::move(sequence->prompt_top_tokens);
  event.top_logprobs = std::move(sequence->prompt_top_logprobs);
}

std::string StepRunner::new_text(Sequence& sequence, Choice& choice, std::int32_t token) const {
  const bool is_end =
      std::find(sequence.end_tokens.begin(), sequence.end_tokens.end(), token) != sequence.end_tokens.end();
  if (is_end) {
    choice.finish = Finish::stop;
  }
  std::string text;
  if (choice.decoder && !is_end) {
    text = choice.matcher.push(choice.decoder->push(token));
  }
  if (choice.matcher.stopped()) {
    choice.finish = Finish::stop;
  } else if (choice.finish == Finish::none && choice.completion_tokens >= sequence.request.max_tokens) {
    choice.finish = Finish::length;
  }
  return text;
}

void StepRunner::write_token(Task& task) {
  Sequence& sequence = *task.sequence;
  Choice& choice = *task.choice;
  const std::uint64_t now = monotonic_ns();
  sequence.first_token_ns = sequence.first_token_ns == 0 ? now : sequence.first_token_ns;
  sequence.last_token_ns = now;
  ++choice.completion_tokens;
  ++sequence.completion_tokens;
  ++sampled_tokens_;
  if (sequence.request.sampling.has_penalties()) {
    choice.history.add(task.token, true);
  }
  choice.next_token = task.token;
  choice.next_position = task.position;
  std::string text = new_text(sequence, choice, task.token);
  Event& event = events_.add(EventKind::tokens, task.sequence, choice.index);
  event.tokens.push_back(task.token);
  event.text = std::move(text);
  if (sequence.request.logprobs != 0) {
    event.logprobs.push_back(task.logprob);
    event.num_top = task.alternatives.count;
    event.top_tokens.assign(task.alternatives.tokens.begin(),
                            task.alternatives.tokens.begin() + task.alternatives.count);
    event.top_logprobs.assign(task.alternatives.logprobs.begin(),
                              task.alternatives.logprobs.begin() + task.alternatives.count);
  }
  if (choice.finish != Finish::none) {
    end_choice(task.sequence, choice, choice.finish, event);
  }
}

void StepRunner::end_choice(const std::shared_ptr<Sequence>& sequence, Choice& choice, Finish finish, Event& event) {
  if (choice.decoder && !choice.matcher.stopped()) {
    event.text += choice.matcher.push(choice.decoder->flush());
    finish = choice.matcher.stopped() ? Finish::stop : finish;
    event.text += choice.matcher.stopped() ? std::string() : choice.matcher.flush();
  }
  choice.finish = finish;
  event.finish = finish;
  event.completion_tokens = sequence->completion_tokens;
  event.has_digest = true;
  event.route_digest = choice.digest.finish();
  release(choice);
}

void StepRunner::release(Choice& choice) {
  for (const std::uint32_t block : choice.blocks) {
    if (Status status = kv_.release(block); !status.ok()) {
      base::log(base::LogLevel::error, status.message());
    }
#ifdef MOE_TEST_SECOND_RELEASE  // the fault that planted_second_release must notice
    (void)kv_.release(block);
#endif
  }
  choice.blocks.clear();
  choice.block_data.clear();
}

}  // namespace moe::runtime
