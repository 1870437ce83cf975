// What a scrape reads from elsewhere: engine, ledger, routing, process.
#include <cmath>

#include "cli/server.hpp"

namespace moegate::cli {
namespace {

double real(std::uint64_t value) { return static_cast<double>(value); }

void engine_gauges(const telemetry::Metrics& m, const std::string& id, const moe_plugin_counters& c) {
  m.engine_running.set(c.running, id);
  m.engine_waiting.set(c.waiting, id);
  m.engine_threads.set(c.num_threads, id);
  m.engine_kv_blocks.set(real(c.kv_blocks_used), id, "used");
  m.engine_kv_blocks.set(real(c.kv_blocks_total - c.kv_blocks_used), id, "free");
  m.engine_kv_usage.set(c.kv_blocks_total == 0 ? 0 : real(c.kv_blocks_used) / real(c.kv_blocks_total), id);
  m.engine_steps.rise_to(real(c.steps), id);
  m.engine_prompt_tokens.rise_to(real(c.prompt_tokens), id);
  m.engine_cached_tokens.rise_to(real(c.cached_tokens), id);
  m.engine_completion_tokens.rise_to(real(c.completion_tokens), id);
  m.engine_weights_bytes.set(real(c.weights_bytes), id);
  m.engine_kv_cache_bytes.set(real(c.kv_cache_bytes), id);
  if (c.running == 0) m.engine_batch_size.set(0, id);
}

ledger::Counts since_start(const ledger::Stats& stats, const std::string& model) {
  const auto find = [&](const std::map<std::string, ledger::Counts>& all) {
    const auto found = all.find(model);
    return found == all.end() ? ledger::Counts{} : found->second;
  };
  auto counts = find(stats.model_totals);
  const auto before = find(stats.model_totals_at_start);
  counts.input -= before.input;
  counts.cache_read -= before.cache_read;
  counts.cache_write -= before.cache_write;
  counts.output -= before.output;
  return counts;
}

}  // namespace

void Server::update_gauges() {
  const auto& m = *metrics_;
  const auto stats = ledger_->stats();
  m.meter_unsynced_records.set(real(stats.unsynced_batches));
  m.meter_unsynced_tokens.set(real(stats.unsynced_tokens));
  for (const auto& [model, totals] : stats.model_totals) {
    m.ledger_tokens.rise_to(real(totals.input), model, "input");
    m.ledger_tokens.rise_to(real(totals.cache_read), model, "cache_read");
    m.ledger_tokens.rise_to(real(totals.cache_write), model, "cache_write");
    m.ledger_tokens.rise_to(real(totals.output), model, "output");
    m.ledger_tokens.rise_to(real(totals.reasoning), model, "reasoning");
  }
  m.ledger_state.set(stats.state == ledger::State::serving ? 1 : 0, "serving");
  m.ledger_state.set(stats.state == ledger::State::disk_full ? 1 : 0, "disk_full");
  m.ledger_state.set(stats.state == ledger::State::failed ? 1 : 0, "failed");
  telemetry::update_process(*metrics_);
  if (!lifecycle_.is_ready) return;
  double prompt = 0;
  double generation = 0;
  for (const auto& model : backend_->models()) {
    const auto counters = backend_->counters(model);
    if (!counters) continue;
    engine_gauges(m, model.id, *counters);
    const auto billed = since_start(stats, model.id);
    prompt += real(billed.input + billed.cache_write) - real(counters->prompt_tokens);
    generation += real(billed.output) - real(counters->completion_tokens);
    m.queue_depth.set(real(backend_->pool().waiting()), model.id);
  }
  // What runs is not in the records yet: the difference means something only when nothing does.
  if (active() == 0) {
    m.reconcile_delta.set(prompt, "prompt");
    m.reconcile_delta.set(generation, "generation");
  }
  sampler_->publish();
}

void Server::tick() {
  if (lifecycle_.is_ready) sampler_->sample();
}

}  // namespace moegate::cli
