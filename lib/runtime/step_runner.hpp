// One step: which rows are computed, the forward pass, the samples drawn from it, and the events that tell of it. Loop
// thread only; buffers reach their size in the first steps and stay.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/worker_pool.hpp"
#include "model/model.hpp"
#include "moe/load_counters.hpp"
#include "runtime/event.hpp"
#include "runtime/kv_pool.hpp"
#include "runtime/sequence.hpp"

namespace moe::runtime {

std::uint64_t monotonic_ns();

// Events of a step, buffers reused.
class EventList {
 public:
  Event& add(EventKind kind, const std::shared_ptr<Sequence>& sequence, std::uint32_t choice);
  std::span<Event* const> events() const { return {active_.data(), active_.size()}; }
  void clear();

 private:
  std::vector<std::unique_ptr<Event>> storage_;
  std::vector<Event*> active_;
};

class StepRunner final : private model::ForwardObserver {
 public:
  StepRunner(const model::Model& model, KvPool& kv, std::size_t num_workers, std::size_t max_rows);

  // Computes up to `prefill_chunk` prompt tokens and one token of each running choice. False: nothing to do. Sequences
  // that broke carry `failure` afterwards.
  bool run(base::WorkerPool& pool, std::span<const std::shared_ptr<Sequence>> running, std::size_t prefill_chunk,
           bool has_queues);
  // Gives blocks back and writes the events that end a choice or the sequence.
  void release(Choice& choice);
  void end_choice(const std::shared_ptr<Sequence>& sequence, Choice& choice, Finish finish, Event& event);

  EventList& events() { return events_; }
  std::uint32_t prefill_tokens() const { return prefill_tokens_; }
  std::uint32_t decode_tokens() const { return decode_tokens_; }
  std::uint32_t sampled_tokens() const { return sampled_tokens_; }
  const LoadCounters& counters() const { return counters_; }  // snapshot(): any thread

 private:
  // A row whose logits are wanted: to draw the next token of a choice, or to score the prompt token that follows.
  struct Task {
    std::shared_ptr<Sequence> sequence;
    Choice* choice = nullptr;  // null: prompt score
    std::uint32_t row = 0;
    std::int32_t token = -1;  // drawn or scored
    std::uint64_t position = 0;
    float logprob = 0;
    bool is_finite = true;
    Alternatives alternatives;
  };
  struct Span {
    std::shared_ptr<Sequence> sequence;
    Choice* choice = nullptr;
  };

  void routed(std::size_t moe_layer, const Routing& routing, std::size_t rows) override;
  void add_rows(const std::shared_ptr<Sequence>& sequence, Choice& choice, std::size_t first_position,
                std::span<const std::int32_t> tokens);
  void add_decode_rows(std::span<const std::shared_ptr<Sequence>> running, bool has_queues);
  void add_prefill_rows(std::span<const std::shared_ptr<Sequence>> running, std::size_t budget, bool has_queues);
  void account_routes();
  void advance_prompts();
  void fork_choices(Sequence& sequence);
  void draw(base::WorkerPool& pool);
  void draw_one(Task& task, const float* logits, SampleScratch& scratch) const;
  void write_events();
  void write_prompt_event(const std::shared_ptr<Sequence>& sequence);
  void write_token(Task& task);
  std::string new_text(Sequence& sequence, Choice& choice, std::int32_t token) const;

  const model::Model& model_;
  KvPool& kv_;
  const std::size_t num_moe_layers_;
  const std::size_t experts_per_token_;
  const std::size_t vocab_;

  std::vector<std::int32_t> tokens_, positions_;
  std::vector<model::RowSpan> row_spans_;
  std::vector<Span> spans_;
  std::size_t num_decode_rows_ = 0;  // they come first
  std::size_t rotation_ = 0;
  std::vector<std::int32_t> routes_;  // [rows, moe layers, k]
  std::vector<std::uint8_t> row_is_bad_;
  model::DecoderScratch scratch_;
  std::vector<Task> tasks_;
  std::vector<std::uint32_t> logit_rows_;
  std::vector<float> logits_;
  std::vector<SampleScratch> sample_scratch_;  // [workers]
  LoadCounters counters_;
  EventList events_;
  std::uint32_t prefill_tokens_ = 0;
  std::uint32_t decode_tokens_ = 0;
  std::uint32_t sampled_tokens_ = 0;
};

}  // namespace moe::runtime
