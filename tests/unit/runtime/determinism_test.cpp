// A request's bits depend on nothing but the request: not on neighbours, chunks, threads, choices or cancels beside it.
#include <array>

#include "harness.hpp"

namespace moe::runtime::test {
namespace {

Request subject(std::size_t prompt_size, std::uint32_t num_choices) {
  Request result = request(prompt(prompt_size), 20);
  result.sampling.temperature = 0.9F;
  result.sampling.top_p = 0.95F;
  result.sampling.seed = 1234;
  result.logprobs = 4;
  result.num_choices = num_choices;
  return result;
}

struct Scenario {
  const char* name;
  std::uint32_t threads = 1;
  std::uint32_t chunk = 256;
  std::uint32_t neighbours = 0;
  std::uint32_t num_choices = 1;
  bool cancels = false;
};

constexpr std::array kScenarios = {
    Scenario{"chunk 1", 1, 1},
    Scenario{"chunk 7", 1, 7},
    Scenario{"chunk 64", 1, 64},
    Scenario{"two threads", 2, 256},
    Scenario{"batch of 16", 1, 256, 15},
    Scenario{"batch of 16, two threads, chunk 7", 2, 7, 15},
    Scenario{"n = 2", 1, 256, 0, 2},
    Scenario{"n = 2 in a batch of 16, chunk 64", 2, 64, 15, 2},
    Scenario{"cancels beside it", 2, 7, 15, 1, true},
};

Outcome play(const std::shared_ptr<const model::Model>& model, const Scenario& scenario, std::size_t prompt_size) {
  EngineOptions options;
  options.pool = pool(scenario.threads);
  options.prefill_chunk = scenario.chunk;
  auto host = engine(model, options);
  std::vector<std::shared_ptr<Sequence>> neighbours;
  for (std::uint32_t i = 0; i < scenario.neighbours; ++i) {
    Request other = request(prompt(3 + i * 5, static_cast<std::int32_t>(i + 40)), 30);
    other.sampling.temperature = 1.1F;
    other.sampling.seed = i;
    neighbours.push_back(start(*host, std::move(other)));
  }
  auto sequence = start(*host, subject(prompt_size, scenario.num_choices));
  for (std::size_t i = 0; scenario.cancels && i < neighbours.size(); i += 2) {
    Event event;
    if (i % 4 == 0) {  // some in their first tokens, some wherever they are
      EXPECT_TRUE(host->read(*neighbours[i], 60000, event).ok());
    }
    host->cancel(*neighbours[i]);
  }
  Outcome outcome = finish(*host, *sequence);
  for (const auto& neighbour : neighbours) {
    finish(*host, *neighbour);
  }
  EXPECT_EQ(host->stats().kv_blocks_used, 0U);
  EXPECT_EQ(host->stats().kv_misuses, 0U);
  return outcome;
}

// Names of the scenarios in which the subject's first choice differs from a lone run.
std::vector<std::string> differing(const std::shared_ptr<const model::Model>& model, std::size_t prompt_size) {
  const Outcome alone = play(model, {"alone"}, prompt_size);
  EXPECT_EQ(alone.choices.at(0).tokens.size(), 20U);
  std::vector<std::string> names;
  for (const Scenario& scenario : kScenarios) {
    if (!(play(model, scenario, prompt_size).choices.at(0) == alone.choices.at(0))) {
      names.emplace_back(scenario.name);
    }
  }
  return names;
}

// A weight whose product splits K when it sees more than one row: what a careless GEMM does.
class SplitK final : public ops::PackedMatrix {
 public:
  SplitK(const float* weight, std::size_t num_out, std::size_t num_in)
      : weight_(weight, weight + num_out * num_in), num_out_(num_out), num_in_(num_in) {}
  std::size_t num_out() const override { return num_out_; }
  std::size_t num_in() const override { return num_in_; }
  std::size_t num_tiles() const override { return 1; }
  std::size_t tile_first(std::size_t) const override { return 0; }
  std::size_t tile_count(std::size_t) const override { return num_out_; }
  std::size_t bytes() const override { return weight_.size() * sizeof(float); }
  void multiply_tile(std::size_t, const float* x, std::size_t x_stride, std::size_t rows, float* y,
                     std::size_t y_stride) const override {
    const std::size_t parts = rows > 1 ? 4 : 1;
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t out = 0; out < num_out_; ++out) {
        float sum = 0;
        for (std::size_t part = 0; part < parts; ++part) {
          float partial = 0;
          for (std::size_t k = part * num_in_ / parts; k < (part + 1) * num_in_ / parts; ++k) {
            partial += x[row * x_stride + k] * weight_[out * num_in_ + k];
          }
          sum += partial;
        }
        y[row * y_stride + out] = sum;
      }
    }
  }

 private:
  std::vector<float> weight_;
  std::size_t num_out_, num_in_;
};

Result<std::unique_ptr<const ops::PackedMatrix>> pack_split_k(const float* weight, std::size_t num_out,
                                                              std::size_t num_in) {
  return std::unique_ptr<const ops::PackedMatrix>(std::make_unique<SplitK>(weight, num_out, num_in));
}

TEST(Determinism, same_bits_whatever_runs_beside_on_the_golden_model) {
  const auto model = load(golden("qwen3_moe"));
  EXPECT_EQ(differing(model, 41), std::vector<std::string>());
  EXPECT_EQ(differing(model, 48), std::vector<std::string>());  // a prompt of whole blocks
}

TEST(Determinism, same_bits_whatever_runs_beside_on_the_demo_model) {
  EXPECT_EQ(differing(load(demo()), 70), std::vector<std::string>());
}

TEST(Determinism, planted_split_of_k_is_found) {
  EXPECT_FALSE(differing(load(golden("qwen3_moe"), &pack_split_k), 41).empty());
}

TEST(Determinism, choices_differ_from_each_other_but_repeat) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model);
  const Outcome first = run(*host, subject(30, 4));
  const Outcome second = run(*host, subject(30, 4));
  ASSERT_EQ(first.choices.size(), 4U);
  EXPECT_EQ(first.choices, second.choices);
  EXPECT_NE(first.choices[0].tokens, first.choices[1].tokens);
  EXPECT_EQ(first.final.completion_tokens, 80U);
}

TEST(Determinism, paused_and_resumed_gives_the_same_bits) {
  const auto model = load(golden("qwen3_moe"));
  auto host = engine(model);
  const Outcome plain = run(*host, subject(30, 1));
  auto sequence = start(*host, subject(30, 1));
  Event event;
  ASSERT_TRUE(host->read(*sequence, 60000, event).ok());
  Outcome outcome;
  add(outcome, event);
  host->pause(*sequence);
  host->resume(*sequence);
  while (outcome.num_finals == 0 && host->read(*sequence, 60000, event).ok()) {
    add(outcome, event);
  }
  EXPECT_EQ(outcome.choices, plain.choices);
}

}  // namespace
}  // namespace moe::runtime::test
