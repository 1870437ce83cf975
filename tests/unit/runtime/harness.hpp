// Models and runs for the tests of the engine.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "runtime/engine.hpp"

namespace moe::runtime::test {

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(MOE_SOURCE_DIR) / "tests/data/golden/models" / name;
}
inline std::filesystem::path demo() { return std::filesystem::path(MOE_SOURCE_DIR) / "configs/models/demo"; }

inline std::shared_ptr<const model::Model> load(const std::filesystem::path& folder,
                                                model::PackMatrix pack = &ops::pack_f32) {
  model::LoadOptions options;
  options.pack = pack;
  auto model = model::Model::load(folder, options);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? std::move(*model) : nullptr;
}

inline std::shared_ptr<base::WorkerPool> pool(std::uint32_t threads) {
  base::WorkerOptions options;
  options.num_threads = threads;
  options.pin = false;
  auto created = base::WorkerPool::create(options);
  EXPECT_TRUE(created.ok()) << created.status().message();
  return std::move(*created);
}

inline std::shared_ptr<Engine> engine(const std::shared_ptr<const model::Model>& model, EngineOptions options = {}) {
  if (options.pool == nullptr) {
    options.pool = pool(1);
  }
  auto created = Engine::create(model, options);
  EXPECT_TRUE(created.ok()) << created.status().message();
  return created.ok() ? std::move(*created) : nullptr;
}

inline std::vector<std::int32_t> prompt(std::size_t size, std::int32_t first = 5) {
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0; i < size; ++i) {
    tokens.push_back(4 + static_cast<std::int32_t>((static_cast<std::size_t>(first) * 31 + i * 17 + i * i * 3) % 190));
  }
  return tokens;
}

// Everything one choice said, logprobs as bits.
struct ChoiceOutcome {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint32_t> logprob_bits;
  std::string text;
  Finish finish = Finish::none;
  Digest digest{};
  bool operator==(const ChoiceOutcome&) const = default;
};

struct Outcome {
  std::vector<ChoiceOutcome> choices;
  Event final;
  std::size_t num_finals = 0;
};

inline std::uint32_t bits(float value) {
  std::uint32_t result = 0;
  std::memcpy(&result, &value, sizeof result);
  return result;
}

inline void add(Outcome& outcome, Event& event) {
  if (event.kind == EventKind::final) {
    ++outcome.num_finals;
    outcome.final = std::move(event);
    return;
  }
  if (event.kind != EventKind::tokens) {
    return;
  }
  outcome.choices.resize(std::max<std::size_t>(outcome.choices.size(), event.choice_index + 1));
  ChoiceOutcome& choice = outcome.choices[event.choice_index];
  choice.tokens.insert(choice.tokens.end(), event.tokens.begin(), event.tokens.end());
  for (const auto* list : {&event.logprobs, &event.top_logprobs}) {
    for (const float value : *list) {
      choice.logprob_bits.push_back(bits(value));
    }
  }
  choice.text += event.text;
  choice.finish = event.finish != Finish::none ? event.finish : choice.finish;
  choice.digest = event.has_digest ? event.route_digest : choice.digest;
}

inline std::shared_ptr<Sequence> start(Engine& engine, Request request) {
  auto sequence = std::make_shared<Sequence>();
  const Status status = engine.start(sequence, std::move(request));
  EXPECT_TRUE(status.ok()) << status.message();
  return sequence;
}

// Reads to the final event. A run that never ends fails the test instead of hanging it.
inline Outcome finish(Engine& engine, Sequence& sequence) {
  Outcome outcome;
  Event event;
  while (outcome.num_finals == 0) {
    const Status status = engine.read(sequence, 60000, event);
    if (!status.ok()) {
      ADD_FAILURE() << status.message();
      break;
    }
    add(outcome, event);
  }
  return outcome;
}

inline Outcome run(Engine& engine, Request request) { return finish(engine, *start(engine, std::move(request))); }

inline Request request(std::vector<std::int32_t> tokens, std::uint64_t max_tokens) {
  Request result;
  result.prompt = std::move(tokens);
  result.max_tokens = max_tokens;
  result.ignore_eos = true;
  return result;
}

}  // namespace moe::runtime::test
