// Models against reference outputs: logits, hidden states, router choices and weights, greedy tokens, from both
// spellings of the configuration. Bounds: float32 arithmetic against the official code in float32 (tests/data/golden).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/cpu_features.hpp"
#include "conformance.hpp"
#include "core/json.hpp"
#include "model/config.hpp"
#include "model/model.hpp"
#include "model/safetensors.hpp"
#include "runtime/engine.hpp"

namespace moe::conformance {

namespace {

constexpr double kLogitBound = 1e-3;   // absolute
constexpr double kHiddenBound = 5e-5;  // relative L2 of a layer
constexpr double kWeightBound = 1e-4;  // absolute, times max(1, largest weight)
constexpr std::size_t kMaxExpectedBytes = std::size_t{16} << 20;

struct Array {
  std::vector<float> floats;
  std::vector<std::int32_t> ints;
  std::size_t columns = 0;
};

// expected.safetensors, by name.
class Expected {
 public:
  Status open(const std::filesystem::path& folder) {
    auto file = model::SafetensorsFile::open(folder / "expected.safetensors");
    if (!file.ok()) {
      return file.status();
    }
    for (const auto& [name, info] : (*file)->tensors()) {
      std::vector<std::byte> raw(info.bytes);
      if (Status status = (*file)->read(name, info, raw); !status.ok()) {
        return status;
      }
      Array& array = arrays_[name];
      array.columns = info.shape.empty() ? 1 : info.shape.back();
      if (info.type == model::TensorType::i32) {
        array.ints.resize(info.num_values);
        std::copy_n(reinterpret_cast<const std::int32_t*>(raw.data()), info.num_values, array.ints.begin());
      } else {
        array.floats.resize(info.num_values);
        model::widen_values(info.type, raw.data(), info.num_values, array.floats.data());
      }
    }
    return {};
  }
  const Array* find(const std::string& name) const {
    const auto found = arrays_.find(name);
    return found == arrays_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, Array> arrays_;
};

// Keeps everything that passes by in a forward pass.
class Capture final : public model::ForwardObserver {
 public:
  explicit Capture(std::size_t hidden_size) : hidden_size_(hidden_size) {}
  void routed(std::size_t, const Routing& routing, std::size_t rows) override {
    Routing copy = routing;
    copy.is_bad.resize(rows);
    routings.push_back(std::move(copy));
  }
  void hidden(std::size_t, const float* values, std::size_t rows) override {
    states.emplace_back(values, values + rows * hidden_size_);
  }
  std::vector<Routing> routings;
  std::vector<std::vector<float>> states;

 private:
  std::size_t hidden_size_;
};

struct Forward {
  std::vector<float> logits;      // [rows, vocab]
  std::vector<float> final_norm;  // [rows, hidden]
};

Forward run_prompt(const model::Model& model, base::WorkerPool& pool, std::span<const std::int32_t> tokens,
                   Capture& capture) {
  const model::Decoder& decoder = model.decoder();
  const std::size_t blocks = (tokens.size() + model::kBlockTokens - 1) / model::kBlockTokens;
  std::vector<std::vector<float>> memory(blocks, std::vector<float>(decoder.kv_layout().floats_per_block(), NAN));
  std::vector<float*> pointers;
  for (auto& block : memory) {
    pointers.push_back(block.data());
  }
  std::vector<std::int32_t> positions(tokens.size());
  std::vector<std::uint32_t> rows(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    positions[i] = static_cast<std::int32_t>(i);
    rows[i] = static_cast<std::uint32_t>(i);
  }
  const model::RowSpan span{0, tokens.size(), 0, pointers.data()};
  model::DecoderScratch scratch;
  decoder.forward(pool, {tokens, positions, std::span(&span, 1)}, scratch, capture);
  Forward result;
  result.logits.resize(tokens.size() * model.spec().vocab_size);
  decoder.logits(pool, rows, scratch, result.logits.data());
  result.final_norm.resize(tokens.size() * model.spec().hidden_size);
  decoder.final_norm(scratch.hidden.data(), tokens.size(), result.final_norm.data());
  return result;
}

double max_difference(std::span<const float> a, std::span<const float> b) {
  double worst = a.size() == b.size() ? 0 : HUGE_VAL;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = std::isnan(difference) ? HUGE_VAL : std::max(worst, difference);
  }
  return worst;
}

double relative_error(std::span<const float> got, std::span<const float> expected) {
  double error = got.size() == expected.size() ? 0 : HUGE_VAL;
  double norm = 0;
  for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
    const double difference = static_cast<double>(got[i]) - static_cast<double>(expected[i]);
    error += difference * difference;
    norm += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
  }
  return std::isnan(error) ? HUGE_VAL : std::sqrt(error / std::max(norm, 1e-30));
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

class ModelCases {
 public:
  ModelCases(const std::filesystem::path& folder, std::string config, std::shared_ptr<base::WorkerPool> pool,
             Report& report)
      : folder_(folder), config_(std::move(config)), pool_(std::move(pool)), report_(report) {}

  void run(const json::Value& expected, const Expected& arrays) {
    model::LoadOptions options;
    options.pool = pool_;
    options.config_file = config_;
    auto model = model::Model::load(folder_, options);
    report_.check(model.ok(), "load", config_, model.status().message());
    if (!model.ok()) {
      return;
    }
    const std::string detailed =
        expected.find("detailed_prompt") == nullptr ? "" : expected.find("detailed_prompt")->as_string();
    std::map<std::string, std::vector<std::int32_t>> prompts;
    for (const json::Value& prompt : expected.find("prompts")->items()) {
      const std::string& name = prompt.find("name")->as_string();
      for (const json::Value& id : prompt.find("input_ids")->items()) {
        prompts[name].push_back(static_cast<std::int32_t>(*id.as_int64()));
      }
      check_prompt(**model, name, prompts[name], name == detailed, arrays);
    }
    check_greedy(*model, *expected.find("greedy"), prompts);
  }

 private:
  void close(std::string_view group, const std::string& what, double got, double bound) {
    report_.check(got <= bound, group, config_ + " " + what, number(got) + ", allowed " + number(bound));
  }

  void check_prompt(const model::Model& model, const std::string& name, std::span<const std::int32_t> tokens,
                    bool is_detailed, const Expected& arrays) {
    Capture capture(model.spec().hidden_size);
    const Forward forward = run_prompt(model, *pool_, tokens, capture);
    const std::size_t vocab = model.spec().vocab_size;
    const Array* last = arrays.find(name + ".logits_last");
    if (last != nullptr) {
      close("logits", name + ".logits_last",
            max_difference(std::span(forward.logits).subspan((tokens.size() - 1) * vocab), last->floats), kLogitBound);
    }
    if (!is_detailed) {
      return;
    }
    if (const Array* all = arrays.find(name + ".logits"); all != nullptr) {
      close("logits", name + ".logits", max_difference(forward.logits, all->floats), kLogitBound);
    }
    check_hidden(name, capture, forward, arrays);
    check_routing(model, name, capture, arrays);
  }

  void check_hidden(const std::string& name, const Capture& capture, const Forward& forward, const Expected& arrays) {
    for (std::size_t i = 0; i < capture.states.size(); ++i) {
      const std::string key = name + ".hidden." + (i == 0 ? "embed" : "layer" + std::to_string(i - 1));
      if (const Array* state = arrays.find(key); state != nullptr) {
        close("hidden", key, relative_error(capture.states[i], state->floats), kHiddenBound);
      }
    }
    if (const Array* state = arrays.find(name + ".hidden.final_norm"); state != nullptr) {
      close("hidden", name + ".hidden.final_norm", relative_error(forward.final_norm, state->floats), kHiddenBound);
    }
  }

  void check_routing(const model::Model& model, const std::string& name, const Capture& capture,
                     const Expected& arrays) {
    std::size_t i_moe = 0;
    for (std::size_t layer = 0; layer < model.spec().num_layers(); ++layer) {
      const std::string key = name + ".router.layer" + std::to_string(layer);
      const Array* experts = arrays.find(key + ".experts");
      const bool is_sparse = model.spec().layers[layer] == model::FeedForward::sparse;
      report_.check(is_sparse == (experts != nullptr), "layer plan", config_ + " " + key,
                    "dense and sparse layers differ");
      if (!is_sparse || experts == nullptr) {
        continue;
      }
      const Routing& routing = capture.routings[i_moe++];
      if (const Array* logits = arrays.find(key + ".logits"); logits != nullptr) {
        close("router", key + ".logits",
              max_difference(std::span(routing.logits).first(logits->floats.size()), logits->floats), kLogitBound);
      }
      check_choices(key, routing, *experts, *arrays.find(key + ".weights"));
    }
  }

  // As sets: the reference's order is unspecified. Weights are matched by expert.
  void check_choices(const std::string& key, const Routing& routing, const Array& experts, const Array& weights) {
    const std::size_t k = experts.columns;
    const float largest = *std::max_element(weights.floats.begin(), weights.floats.end());
    std::size_t wrong_sets = 0;
    double worst_weight = 0;
    for (std::size_t at = 0; at < experts.ints.size(); at += k) {
      std::map<std::int32_t, float> got;
      for (std::size_t j = at; j < at + k; ++j) {
        got[routing.experts[j]] = routing.weights[j];
      }
      for (std::size_t j = at; j < at + k; ++j) {
        const auto found = got.find(experts.ints[j]);
        wrong_sets += found == got.end() ? 1 : 0;
        const double difference =
            found == got.end() ? 0
                               : std::abs(static_cast<double>(found->second) - static_cast<double>(weights.floats[j]));
        worst_weight = std::isnan(difference) ? HUGE_VAL : std::max(worst_weight, difference);
      }
    }
    report_.check(wrong_sets == 0, "experts", config_ + " " + key, std::to_string(wrong_sets) + " choices differ");
    close("weights", key, worst_weight, kWeightBound * std::max(1.0, static_cast<double>(largest)));
  }

  void check_greedy(const std::shared_ptr<const model::Model>& model, const json::Value& runs,
                    const std::map<std::string, std::vector<std::int32_t>>& prompts) {
    runtime::EngineOptions options;
    options.pool = pool_;
    auto engine = runtime::Engine::create(model, options);
    report_.check(engine.ok(), "greedy", config_, engine.status().message());
    for (const json::Value& run : runs.items()) {
      const std::string& name = run.find("prompt")->as_string();
      std::vector<std::int32_t> expected;
      for (const json::Value& id : run.find("tokens")->items()) {
        expected.push_back(static_cast<std::int32_t>(*id.as_int64()));
      }
      runtime::Request request;
      request.prompt = prompts.at(name);
      request.max_tokens = expected.size();
      request.ignore_eos = true;
      std::vector<std::int32_t> got;
      auto sequence = std::make_shared<runtime::Sequence>();
      Status status = (*engine)->start(sequence, std::move(request));
      runtime::Event event;
      while (status.ok() && event.kind != runtime::EventKind::final) {
        status = (*engine)->read(*sequence, UINT64_MAX, event);
        got.insert(got.end(), event.tokens.begin(), event.tokens.end());
      }
      const auto first = std::mismatch(got.begin(), got.end(), expected.begin(), expected.end());
      report_.check(status.ok() && got == expected, "greedy", config_ + " " + name,
                    status.ok() ? "differs at token " + std::to_string(first.first - got.begin()) : status.message());
    }
  }

  const std::filesystem::path& folder_;
  std::string config_;
  std::shared_ptr<base::WorkerPool> pool_;
  Report& report_;
};

}  // namespace

void run_model_folder(const std::filesystem::path& folder, const Options& options, Report& report) {
  if (options.weights != "f32") {
    report.fail("options", "--weights " + options.weights, "this release runs f32 only");
    return;
  }
  if (!options.isa.empty()) {
    const auto level = base::choose_isa(options.isa, base::detect_features(base::read_cpuid()));
    setenv("MOE_ISA", options.isa.c_str(), 1);  // read once, by the first kernel
    if (!level.ok()) {
      report.fail("options", "--isa " + options.isa, level.status().message());
      return;
    }
  }
  auto expected = model::read_json_file(folder / "expected.json", kMaxExpectedBytes);
  report.check(expected.ok(), "files", "expected.json", expected.status().message());
  if (!expected.ok()) {
    return;
  }
  const json::Value* prompts = expected->find("prompts");
  const json::Value* greedy = expected->find("greedy");
  Expected arrays;
  const Status status = arrays.open(folder);
  auto pool = base::WorkerPool::create({});
  if (prompts == nullptr || greedy == nullptr || !prompts->is_array() || !greedy->is_array() || !status.ok() ||
      !pool.ok()) {
    report.fail("files", "expected.json", status.ok() ? "no prompts or greedy runs" : status.message());
    return;
  }
  for (const char* config : {"config.json", "config.legacy.json"}) {
    if (std::filesystem::exists(folder / config)) {
      ModelCases(folder, config, *pool, report).run(*expected, arrays);
    }
  }
}

}  // namespace moe::conformance
