#include <atomic>
#include <cmath>
#include <numeric>

#include "harness.hpp"

namespace moe::runtime::test {
namespace {

std::uint64_t sum(const std::vector<std::uint64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

// KV memory of exactly this many blocks.
EngineOptions with_blocks(const model::Model& model, std::uint64_t blocks) {
  EngineOptions options;
  options.kv_cache_bytes = blocks * model.decoder().kv_layout().floats_per_block() * sizeof(float);
  return options;
}

TEST(Engine, counters_equal_tokens_times_experts_times_layers) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model);
  std::vector<std::shared_ptr<Sequence>> sequences;
  for (std::uint32_t i = 0; i < 5; ++i) {
    Request one = request(prompt(10 + i * 7), 6 + i);
    one.num_choices = 1 + i % 2;
    sequences.push_back(start(*host, std::move(one)));
  }
  std::uint64_t completions = 0;
  std::uint64_t choices = 0;
  for (const auto& sequence : sequences) {
    const Outcome outcome = finish(*host, *sequence);
    completions += outcome.final.completion_tokens;
    choices += outcome.choices.size();
  }
  const EngineStats stats = host->stats();
  std::uint64_t epoch = 0;
  const auto counts = host->expert_counts(epoch);
  const std::size_t per_phase = counts.size() / 2;
  const std::uint64_t per_token = 4 * 3;  // experts a token, layers
  EXPECT_EQ(sum({counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(per_phase)}),
            stats.prompt_tokens * per_token);
  // The last token of a choice is drawn but never computed.
  EXPECT_EQ(sum({counts.begin() + static_cast<std::ptrdiff_t>(per_phase), counts.end()}),
            (completions - choices) * per_token);
  EXPECT_EQ(stats.completion_tokens, completions);
  EXPECT_EQ(epoch, stats.steps);
  EXPECT_EQ(stats.kv_blocks_used, 0U);
  EXPECT_EQ(stats.kv_misuses, 0U);
}

TEST(Engine, f058_what_can_never_fit_is_refused_with_the_effective_limit) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model, with_blocks(*model, 10));  // 160 of 256 tokens
  EXPECT_EQ(host->stats().max_sequence_tokens, 160U);
  const auto refused = [&](std::size_t prompt_size, std::uint64_t max_tokens, std::uint32_t choices) {
    Request one = request(prompt(prompt_size), max_tokens);
    one.num_choices = choices;
    return host->start(std::make_shared<Sequence>(), std::move(one));
  };
  for (const Status& status : {refused(170, 1, 1), refused(100, 100, 1), refused(160, 0, 1)}) {
    EXPECT_EQ(status.code(), Code::out_of_range);
    EXPECT_NE(status.message().find("160"), std::string::npos) << status.message();
  }
  EXPECT_EQ(refused(40, 60, 8).code(), Code::out_of_range);
  EXPECT_EQ(refused(20, 10, 65).code(), Code::out_of_range);
  std::vector<std::shared_ptr<Sequence>> small;
  for (int i = 0; i < 10; ++i) {
    small.push_back(start(*host, request(prompt(20), 20)));
  }
  for (const auto& sequence : small) {
    EXPECT_EQ(finish(*host, *sequence).choices.at(0).tokens.size(), 20U);
  }
}

TEST(Engine, max_tokens_zero_means_to_the_end_of_what_fits) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model, with_blocks(*model, 4));
  const Outcome outcome = run(*host, request(prompt(50), 0));
  EXPECT_EQ(outcome.choices.at(0).tokens.size(), 14U);
  EXPECT_EQ(outcome.final.finish, Finish::length);
}

TEST(Engine, f048_length_gives_exactly_max_tokens_in_every_number) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model);
  for (const std::uint64_t max_tokens : {1U, 5U, 20U}) {
    Request one = request(prompt(9), max_tokens);
    one.logprobs = 1;
    const Outcome outcome = run(*host, std::move(one));
    EXPECT_EQ(outcome.choices.at(0).tokens.size(), max_tokens);
    EXPECT_EQ(outcome.choices.at(0).logprob_bits.size(), max_tokens);
    EXPECT_EQ(outcome.final.completion_tokens, max_tokens);
    EXPECT_EQ(outcome.final.prompt_tokens, 9U);
    EXPECT_EQ(outcome.choices.at(0).finish, Finish::length);
  }
}

TEST(Engine, cancel_during_prefill_frees_kv_blocks) {
  const auto model = load(golden("qwen3_moe"));
  EngineOptions options;
  options.prefill_chunk = 1;
  Engine* raw = nullptr;
  std::atomic<int> finals{0};
  std::atomic<std::uint64_t> computed{0};
  std::shared_ptr<Sequence> sequence = std::make_shared<Sequence>();
  std::mutex mutex;
  std::condition_variable changed;
  options.sink = [&](const StepReport& report) {
    const std::lock_guard lock(mutex);
    if (report.step_index == 5) {
      raw->cancel(*sequence);
    }
    for (const Event* event : report.events) {
      finals += event->kind == EventKind::final ? 1 : 0;
      computed = event->prompt_tokens;
    }
    changed.notify_all();
    return false;
  };
  auto host = engine(model, options);
  {
    const std::lock_guard lock(mutex);
    raw = host.get();
  }
  ASSERT_TRUE(host->start(sequence, request(prompt(200), 10)).ok());
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return finals > 0; });
  lock.unlock();
  EXPECT_EQ(computed, 5U);
  EXPECT_EQ(host->stats().kv_blocks_used, 0U);
  EXPECT_EQ(host->stats().completion_tokens, 0U);
  host->stop();
  EXPECT_EQ(finals, 1);
}

TEST(Engine, cancelled_in_the_queue_ends_with_nothing_computed) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model, with_blocks(*model, 12));
  auto first = start(*host, request(prompt(20), 150));
  auto second = start(*host, request(prompt(20), 150));
  host->cancel(*second);
  const Outcome outcome = finish(*host, *second);
  EXPECT_EQ(outcome.final.finish, Finish::cancelled);
  EXPECT_EQ(outcome.final.prompt_tokens, 0U);
  finish(*host, *first);
}

TEST(Engine, deadline_ends_a_paused_sequence) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model);
  Request one = request(prompt(20), 100);
  one.deadline_ms = 30;
  auto sequence = std::make_shared<Sequence>();
  host->pause(*sequence);
  ASSERT_TRUE(host->start(sequence, std::move(one)).ok());
  const Outcome outcome = finish(*host, *sequence);
  EXPECT_EQ(outcome.final.finish, Finish::deadline);
  EXPECT_EQ(outcome.final.status, Code::deadline_exceeded);
}

TEST(Engine, stop_gives_every_sequence_its_final_event) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model, with_blocks(*model, 12));
  std::vector<std::shared_ptr<Sequence>> sequences;
  for (int i = 0; i < 4; ++i) {
    sequences.push_back(start(*host, request(prompt(20), 150)));
  }
  host->stop();
  for (const auto& sequence : sequences) {
    const Outcome outcome = finish(*host, *sequence);
    EXPECT_EQ(outcome.num_finals, 1U);
    EXPECT_TRUE(outcome.final.status == Code::unavailable || outcome.final.finish == Finish::length);
  }
  EXPECT_EQ(host->start(std::make_shared<Sequence>(), request(prompt(3), 3)).code(), Code::unavailable);
  EXPECT_EQ(host->stats().kv_blocks_used, 0U);
}

TEST(Engine, a_slow_reader_pauses_its_own_sequence_only) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model);
  auto slow = start(*host, request(prompt(10), 200));
  const Outcome quick = run(*host, request(prompt(12), 150));
  EXPECT_EQ(quick.choices.at(0).tokens.size(), 150U);
  {
    const std::lock_guard lock(slow->queue_mutex);
    EXPECT_LE(slow->queue.size(), Sequence::kMaxQueued);
  }
  EXPECT_EQ(finish(*host, *slow).choices.at(0).tokens.size(), 200U);
}

TEST(Engine, prompt_logprobs_come_once_for_all_chunk_sizes) {
  const auto model = load(golden("qwen3_moe"));
  std::vector<std::vector<float>> seen;
  for (const std::uint32_t chunk : {5U, 256U}) {
    EngineOptions options;
    options.prefill_chunk = chunk;
    auto host = engine(model, options);
    Request one = request(prompt(33), 2);
    one.prompt_logprobs = true;
    one.logprobs = 3;
    auto sequence = start(*host, std::move(one));
    Event event;
    ASSERT_TRUE(host->read(*sequence, 60000, event).ok());
    ASSERT_EQ(event.kind, EventKind::prompt_logprobs);
    EXPECT_EQ(event.tokens,
              std::vector<std::int32_t>(sequence->request.prompt.begin() + 1, sequence->request.prompt.end()));
    EXPECT_EQ(event.logprobs.size(), 32U);
    EXPECT_EQ(event.top_logprobs.size(), 64U);
    seen.push_back(event.logprobs);
    finish(*host, *sequence);
  }
  EXPECT_EQ(seen[0], seen[1]);
}

TEST(Engine, ids_that_are_no_token_are_refused_by_name) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model);
  Request bad_prompt = request({5, 288}, 3);
  EXPECT_NE(host->start(std::make_shared<Sequence>(), bad_prompt).message().find("prompt: 288"), std::string::npos);
  Request bad_bias = request({5}, 3);
  bad_bias.sampling.logit_bias = {{-1, 1.0F}};
  EXPECT_NE(host->start(std::make_shared<Sequence>(), bad_bias).message().find("logit_bias: -1"), std::string::npos);
  Request bad_stop = request({5}, 3);
  bad_stop.stop_tokens = {100000};
  EXPECT_NE(host->start(std::make_shared<Sequence>(), bad_stop).message().find("stop_tokens: 100000"),
            std::string::npos);
}

TEST(Engine, stop_token_ends_with_the_token_counted_and_no_text) {
  const auto model = load(demo());
  auto host = engine(model);
  Request one = request({3070, 300, 259, 198, 1908, 325, 383, 30, 3071, 198, 3070, 573, 604, 198}, 64);
  const Outcome whole = run(*host, one);
  one.stop_tokens = {whole.choices.at(0).tokens.at(3)};
  one.logprobs = 1;
  const Outcome cut = run(*host, one);
  EXPECT_EQ(cut.choices.at(0).finish, Finish::stop);
  EXPECT_EQ(cut.final.completion_tokens, 4U);
  EXPECT_EQ(cut.choices.at(0).logprob_bits.size(), 4U);
  const std::string shown = cut.choices.at(0).text;
  EXPECT_EQ(whole.choices.at(0).text.substr(0, shown.size()), shown);
  one.min_tokens = 10;
  EXPECT_GE(run(*host, one).final.completion_tokens, 10U);
}

TEST(Engine, stop_string_is_cut_out_of_the_text) {
  const auto model = load(demo());
  auto host = engine(model);
  Request one = request({3070, 300, 259, 198, 1908, 325, 383, 30, 3071, 198, 3070, 573, 604, 198}, 64);
  one.stop = {"demo model"};
  const Outcome outcome = run(*host, one);
  EXPECT_EQ(outcome.choices.at(0).text, "I am a tiny ");
  EXPECT_EQ(outcome.choices.at(0).finish, Finish::stop);
}

// A router that answers NaN for some rows, as a checkpoint with a rotten block would.
class RottenRouter final : public ops::PackedMatrix {
 public:
  explicit RottenRouter(std::unique_ptr<const ops::PackedMatrix> inner) : inner_(std::move(inner)) {}
  std::size_t num_out() const override { return inner_->num_out(); }
  std::size_t num_in() const override { return inner_->num_in(); }
  std::size_t num_tiles() const override { return inner_->num_tiles(); }
  std::size_t tile_first(std::size_t tile) const override { return inner_->tile_first(tile); }
  std::size_t tile_count(std::size_t tile) const override { return inner_->tile_count(tile); }
  std::size_t bytes() const override { return inner_->bytes(); }
  void multiply_tile(std::size_t tile, const float* x, std::size_t x_stride, std::size_t rows, float* y,
                     std::size_t y_stride) const override {
    inner_->multiply_tile(tile, x, x_stride, rows, y, y_stride);
    for (std::size_t row = 0; row < rows; ++row) {
      if (x[row * x_stride] > 2.2F) {
        y[row * y_stride + tile_first(tile)] = NAN;
      }
    }
  }

 private:
  std::unique_ptr<const ops::PackedMatrix> inner_;
};

Result<std::unique_ptr<const ops::PackedMatrix>> pack_rotten(const float* weight, std::size_t num_out,
                                                             std::size_t num_in) {
  auto packed = ops::pack_f32(weight, num_out, num_in);
  if (packed.ok() && num_out == 8) {
    return std::unique_ptr<const ops::PackedMatrix>(std::make_unique<RottenRouter>(std::move(*packed)));
  }
  return packed;
}

TEST(Engine, f013_bad_routing_fails_that_sequence_only) {
  auto clean = engine(load(golden("qwen3_moe")));
  auto rotten = engine(load(golden("qwen3_moe"), &pack_rotten));
  std::vector<std::shared_ptr<Sequence>> sequences;
  for (std::int32_t i = 0; i < 24; ++i) {
    sequences.push_back(start(*rotten, request(prompt(6, i), 8)));
  }
  int failed = 0;
  int served = 0;
  for (std::int32_t i = 0; i < 24; ++i) {
    const Outcome outcome = finish(*rotten, *sequences[static_cast<std::size_t>(i)]);
    if (outcome.final.finish == Finish::error) {
      EXPECT_EQ(outcome.final.status, Code::internal);
      ++failed;
    } else {
      EXPECT_EQ(outcome.choices, run(*clean, request(prompt(6, i), 8)).choices);
      ++served;
    }
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(served, 0);
  EXPECT_EQ(rotten->stats().kv_blocks_used, 0U);
}

TEST(Engine, dense_model_runs_without_counters) {
  auto host = engine(load(golden("llama")));
  EXPECT_EQ(run(*host, request(prompt(20), 5)).choices.at(0).tokens.size(), 5U);
  std::uint64_t epoch = 0;
  EXPECT_TRUE(host->expert_counts(epoch).empty());
}

}  // namespace
}  // namespace moe::runtime::test
