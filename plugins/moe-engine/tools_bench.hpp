// Parts of moegate bench: the run of one batch size, and the read bandwidth of the machine. Used from one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "libmoe.hpp"

namespace moegate::plugins {

struct BenchPlan {
  std::uint64_t prompt = 0, generate = 0;
  std::uint64_t max_batch = 0;
  std::uint64_t vocab_size = 0, layers = 0, experts = 0;  // layers that have a router
  std::uint64_t dense_bytes = 0, expert_bytes = 0;        // weights: all but the experts; one expert of one layer
};

struct BenchRun {
  std::uint64_t batch = 0;
  std::uint64_t prefill_tokens = 0, decode_tokens = 0;
  std::uint64_t decode_steps = 0;
  double prefill_seconds = 0, decode_seconds = 0;  // steps that computed prompt tokens, and those that did not
  double weight_bytes_per_step = 0;                // expected, from how often each expert was chosen
  double balance_mean = 1, balance_min = 1;        // mean load over largest load of a layer
  std::uint64_t worst_layer = 0;
};

class Bench {
 public:
  static moe::Result<Bench> open(moe_model* model, moe_workers* workers, const BenchPlan& plan,
                                 const moe::json::Value& facts);
  Bench(Bench&&) = default;
  ~Bench();
  moe::Result<BenchRun> run(std::uint64_t batch);

 private:
  struct Gauge;
  explicit Bench(const BenchPlan& plan);
  moe::Status start(std::uint64_t index, moe_sequence* sequence);
  void judge_routing(const std::vector<std::uint64_t>& before, const std::vector<std::uint64_t>& after,
                     BenchRun& run) const;

  BenchPlan plan_;
  moe_model* model_ = nullptr;
  std::unique_ptr<Gauge> gauge_;
  Engine engine_;  // after the gauge that its callback uses
  std::uint64_t random_state_ = 1;
};

// Bytes a second that `threads` threads read together from memory, best of several passes.
double measure_read_bandwidth(unsigned threads);

}  // namespace moegate::plugins
