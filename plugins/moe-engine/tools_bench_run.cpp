#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include "served_model.hpp"
#include "tools_bench.hpp"

namespace moegate::plugins {

// What the engine's steps of one run add up to.
struct Bench::Gauge {
  std::mutex mutex;  // guards everything below
  std::condition_variable changed;
  BenchRun run;
  std::uint64_t finals = 0;
  moe_status status = MOE_OK;

  static std::int32_t on_step(void* user, const moe_step* step) {
    auto& gauge = *static_cast<Gauge*>(user);
    const std::lock_guard lock(gauge.mutex);
    const double seconds = static_cast<double>(step->step_ns) / 1e9;
    gauge.run.prefill_tokens += step->prefill_tokens;
    if (step->prefill_tokens > 0) {
      gauge.run.prefill_seconds += seconds;
    } else if (step->decode_tokens > 0) {
      gauge.run.decode_tokens += step->decode_tokens;
      gauge.run.decode_seconds += seconds;
      ++gauge.run.decode_steps;
    }
    for (std::uint32_t i = 0; i < step->num_events; ++i) {
      if (step->events[i]->kind != MOE_EVENT_FINAL) continue;
      ++gauge.finals;
      if (step->events[i]->status != MOE_OK) gauge.status = step->events[i]->status;
    }
    gauge.changed.notify_all();
    return MOE_STEP_CONTINUE;
  }
};

namespace {

constexpr std::uint64_t kBlockTokens = 16;

// splitmix64: prompts are the same in every run of the program.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

// Keys and values of every layer in float32 for the largest batch, in whole blocks, and a block to spare each.
std::uint64_t kv_bytes(const BenchPlan& plan, const moe::json::Value& facts) {
  const std::uint64_t token = shape_number(facts, "num_layers") * shape_number(facts, "num_kv_heads") *
                              shape_number(facts, "head_dim") * 2 * sizeof(float);
  const std::uint64_t blocks = (plan.prompt + plan.generate) / kBlockTokens + 2;
  return token * blocks * kBlockTokens * plan.max_batch;
}

}  // namespace

Bench::Bench(const BenchPlan& plan) : plan_(plan), gauge_(std::make_unique<Gauge>()) {}
Bench::~Bench() = default;

moe::Result<Bench> Bench::open(moe_model* model, moe_workers* workers, const BenchPlan& plan,
                               const moe::json::Value& facts) {
  Bench bench(plan);
  bench.model_ = model;
  moe_engine_options options = MOE_ENGINE_OPTIONS_INIT;
  options.workers = workers;
  options.max_sequences = static_cast<std::uint32_t>(plan.max_batch);
  options.kv_cache_bytes = kv_bytes(plan, facts);
  options.on_step = Gauge::on_step;
  options.on_step_user = bench.gauge_.get();
  moe_engine* engine = nullptr;
  if (const moe_status status = moe_engine_create(model, &options, &engine); status != MOE_OK)
    return library_error(status);
  bench.engine_.reset(engine);
  return bench;
}

moe::Status Bench::start(std::uint64_t index, moe_sequence* sequence) {
  std::vector<std::int32_t> prompt;
  while (prompt.size() < plan_.prompt) {
    const auto token = static_cast<std::int32_t>(next_random(random_state_) % plan_.vocab_size);
    if (is_token(model_, token)) prompt.push_back(token);
  }
  moe_request request = MOE_REQUEST_INIT;
  request.prompt = prompt.data();
  request.num_prompt = prompt.size();
  request.max_tokens = plan_.generate;
  request.ignore_eos = 1;
  request.tag = index;
  const moe_status status = moe_sequence_start(sequence, &request);
  return status == MOE_OK ? moe::Status() : library_error(status);
}

moe::Result<BenchRun> Bench::run(std::uint64_t batch) {
  std::uint64_t epoch = 0;
  std::vector<std::uint64_t> before, after;
  if (plan_.experts > 0) {
    auto counts = expert_counts(engine_.get(), epoch);
    if (!counts.ok()) return counts.status();
    before = std::move(counts).value();
  }
  {
    const std::lock_guard lock(gauge_->mutex);
    gauge_->run = {};
    gauge_->run.batch = batch;
    gauge_->finals = 0;
  }
  std::vector<Sequence> sequences;
  for (std::uint64_t i = 0; i < batch; ++i) {
    moe_sequence* raw = nullptr;
    if (const moe_status status = moe_sequence_create(engine_.get(), &raw); status != MOE_OK)
      return library_error(status);
    sequences.emplace_back(raw);
    if (moe::Status problem = start(i, raw); !problem.ok()) return problem;
  }
  BenchRun run;
  {
    std::unique_lock lock(gauge_->mutex);
    gauge_->changed.wait(lock, [&] { return gauge_->finals >= batch; });
    if (gauge_->status != MOE_OK)
      return moe::Status(static_cast<moe::Code>(gauge_->status), "the engine ended a sequence early");
    run = gauge_->run;
  }
  if (plan_.experts > 0) {
    auto counts = expert_counts(engine_.get(), epoch);
    if (!counts.ok()) return counts.status();
    after = std::move(counts).value();
  }
  judge_routing(before, after, run);
  return run;
}

// Expected distinct experts of a step: an expert that a share p of the tokens chose is read by a batch of B tokens with
// probability 1 - (1 - p)^B.
void Bench::judge_routing(const std::vector<std::uint64_t>& before, const std::vector<std::uint64_t>& after,
                          BenchRun& run) const {
  run.weight_bytes_per_step = static_cast<double>(plan_.dense_bytes);
  const std::uint64_t half = plan_.layers * plan_.experts;
  if (half == 0 || run.decode_tokens == 0 || after.size() != 2 * half || before.size() != 2 * half) return;
  double balance_sum = 0;
  run.balance_min = 2;
  for (std::uint64_t layer = 0; layer < plan_.layers; ++layer) {
    std::uint64_t total = 0, largest = 0;
    std::vector<double> load(plan_.experts);
    for (std::uint64_t expert = 0; expert < plan_.experts; ++expert) {
      const std::uint64_t at = half + layer * plan_.experts + expert;
      const std::uint64_t count = after[at] - before[at];
      load[expert] = static_cast<double>(count);
      total += count;
      largest = std::max(largest, count);
    }
    const double tokens = static_cast<double>(run.batch * (plan_.generate - 1));
    for (const double count : load) {
      const double chosen = std::min(1.0, count / std::max(1.0, tokens));
      const double read = 1 - std::pow(1 - chosen, static_cast<double>(run.batch));
      run.weight_bytes_per_step += read * static_cast<double>(plan_.expert_bytes);
    }
    const double balance =
        largest == 0 ? 1
                     : static_cast<double>(total) / static_cast<double>(plan_.experts) / static_cast<double>(largest);
    balance_sum += balance;
    if (balance >= run.balance_min) continue;
    run.balance_min = balance;
    run.worst_layer = layer;
  }
  run.balance_mean = balance_sum / static_cast<double>(plan_.layers);
}

}  // namespace moegate::plugins
