// moegate bench MODEL [--prompt N] [--generate N] [--batch 1,8,32] [--threads N] [--json]: for each batch size, prompts
// of random tokens are prefilled, then all sequences decode together.
#include "tools_bench.hpp"

#include <algorithm>
#include <cstdio>

#include "served_model.hpp"
#include "tools.hpp"

namespace moegate::plugins {
namespace {

using moe::Status;
using moe::json::Value;

constexpr std::string_view kHelp =
    "usage: moegate bench MODEL [--prompt N] [--generate N] [--batch 1,8,32] [--threads N] [--json]";
constexpr std::string_view kShape =
    "--shape: synthetic models are not supported in this release; give a model folder instead";

std::uint64_t member(const Value& facts, std::string_view object, std::string_view name) {
  const Value* place = facts.find(object);
  const Value* value = place == nullptr ? nullptr : place->find(name);
  return value != nullptr && value->is_integer() ? static_cast<std::uint64_t>(value->as_int64().value_or(0)) : 0;
}

void read_shape(const Value& facts, BenchPlan& plan) {
  plan.vocab_size = shape_number(facts, "vocab_size");
  plan.layers = shape_number(facts, "num_moe_layers");
  plan.experts = shape_number(facts, "num_experts");
  const std::uint64_t parameters = std::max<std::uint64_t>(member(facts, "parameters", "total"), 1);
  const std::uint64_t experts = member(facts, "parameters", "experts");
  const std::uint64_t bytes = member(facts, "weights", "bytes");
  const double size = static_cast<double>(bytes) / static_cast<double>(parameters);
  plan.dense_bytes = static_cast<std::uint64_t>(size * static_cast<double>(parameters - experts));
  const std::uint64_t count = plan.layers * plan.experts;
  plan.expert_bytes = count == 0 ? 0 : static_cast<std::uint64_t>(size * static_cast<double>(experts / count));
}

double rate(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

double step_bandwidth(const BenchRun& run) {
  return rate(run.weight_bytes_per_step * static_cast<double>(run.decode_steps), run.decode_seconds);
}

Value run_json(const BenchRun& run, double bandwidth) {
  Value value = Value::object();
  value.set("batch", Value::integer(static_cast<std::int64_t>(run.batch)));
  value.set("prefill_tokens_per_second",
            Value::number(rate(static_cast<double>(run.prefill_tokens), run.prefill_seconds)));
  value.set("decode_tokens_per_second",
            Value::number(rate(static_cast<double>(run.decode_tokens), run.decode_seconds)));
  value.set("decode_steps", Value::integer(static_cast<std::int64_t>(run.decode_steps)));
  value.set("expected_weight_bytes_per_step", Value::integer(static_cast<std::int64_t>(run.weight_bytes_per_step)));
  value.set("read_bytes_per_second", Value::number(step_bandwidth(run)));
  value.set("bandwidth_ratio", Value::number(rate(step_bandwidth(run), bandwidth)));
  value.set("routing_balance_mean", Value::number(run.balance_mean));
  value.set("routing_balance_min", Value::number(run.balance_min));
  value.set("worst_layer", Value::integer(static_cast<std::int64_t>(run.worst_layer)));
  return value;
}

std::string run_line(const BenchRun& run, double bandwidth) {
  char line[200];
  std::snprintf(
      line, sizeof(line), "%6llu %13.1f %13.1f %14.1f %12.2f %7.0f%% %9.2f %9.2f\n",
      static_cast<unsigned long long>(run.batch), rate(static_cast<double>(run.prefill_tokens), run.prefill_seconds),
      rate(static_cast<double>(run.decode_tokens), run.decode_seconds), run.weight_bytes_per_step / 1e6,
      step_bandwidth(run) / 1e9, 100 * rate(step_bandwidth(run), bandwidth), run.balance_mean, run.balance_min);
  return line;
}

struct Settings {
  BenchPlan plan;
  std::vector<std::uint64_t> batches;
  std::uint32_t threads = 0;
};

moe::Result<Settings> read_settings(const Arguments& arguments) {
  if (arguments.has("shape")) return moe::invalid(std::string(kShape));
  if (arguments.positional.size() != 1) return moe::invalid("give one model folder");
  auto prompt = read_number(arguments, "prompt", 512, 1, 1 << 24);
  auto generate = read_number(arguments, "generate", 64, 2, 1 << 24);
  auto batches = read_numbers(arguments, "batch", "1,8,32", 4096);
  auto threads = read_number(arguments, "threads", 0, 1, 4096);
  for (const Status& status : {prompt.status(), generate.status(), batches.status(), threads.status()}) {
    if (!status.ok()) return status;
  }
  Settings settings;
  settings.plan.prompt = *prompt;
  settings.plan.generate = *generate;
  settings.plan.max_batch = *std::ranges::max_element(*batches);
  settings.batches = std::move(batches).value();
  settings.threads = static_cast<std::uint32_t>(*threads);
  return settings;
}

std::int32_t measure(const Settings& settings, Bench& bench, unsigned threads, const std::string& path, bool is_json,
                     const Terminal& terminal) {
  const double bandwidth = measure_read_bandwidth(threads);
  Value runs = Value::array();
  if (!is_json) {
    char head[160];
    std::snprintf(head, sizeof(head), "%s: %llu prompt + %llu generated tokens, %u threads, memory reads %.1f GB/s\n",
                  path.c_str(), static_cast<unsigned long long>(settings.plan.prompt),
                  static_cast<unsigned long long>(settings.plan.generate), threads, bandwidth / 1e9);
    terminal.out(std::string(head) +
                 " batch  prefill tok/s  decode tok/s  weights MB/st.    read GB/s   ratio  bal.mean   bal.min\n");
  }
  for (const std::uint64_t batch : settings.batches) {
    auto run = bench.run(batch);
    if (!run.ok()) return terminal.fail(run.status());
    if (!is_json) terminal.out(run_line(*run, bandwidth));
    runs.push(run_json(*run, bandwidth));
  }
  if (!is_json) return kDone;
  Value report = Value::object();
  report.set("model", Value::string(path)).set("build_id", Value::string(moe_build_id()));
  report.set("threads", Value::integer(threads));
  report.set("prompt", Value::integer(static_cast<std::int64_t>(settings.plan.prompt)));
  report.set("generate", Value::integer(static_cast<std::int64_t>(settings.plan.generate)));
  report.set("memory_read_bytes_per_second", Value::number(bandwidth)).set("runs", std::move(runs));
  terminal.out(moe::json::write(report) + "\n");
  return kDone;
}

}  // namespace

std::int32_t run_bench(const Arguments& arguments, const Terminal& terminal) {
  auto settings = read_settings(arguments);
  if (!settings.ok()) return terminal.usage(settings.status().message(), kHelp);
  const bool is_json = arguments.has("json");
  auto workers = make_workers(settings->threads);
  if (!workers.ok()) return terminal.fail(workers.status());
  auto model = load_with_progress(terminal, arguments.positional[0], workers->get(), is_json);
  if (!model.ok()) return terminal.fail(model.status());
  auto text = model_facts(model->get());
  if (!text.ok()) return terminal.fail(text.status());
  auto facts = moe::json::parse(*text);
  if (!facts.ok()) return terminal.fail(facts.status());
  read_shape(*facts, settings->plan);
  if (settings->plan.vocab_size == 0) return terminal.fail(moe::invalid("the model's facts lack shape.vocab_size"));
  auto bench = Bench::open(model->get(), workers->get(), settings->plan, *facts);
  if (!bench.ok()) return terminal.fail(bench.status());
  return measure(*settings, *bench, moe_workers_count(workers->get()), arguments.positional[0], is_json, terminal);
}

}  // namespace moegate::plugins
