#include "backend/moe_sampler.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace moegate::backend {
namespace {

using telemetry::LayerLoad;
using telemetry::LoadSnapshot;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}
double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}
double lowest(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

}  // namespace

MoeSampler::MoeSampler(const Backend& backend, telemetry::Metrics& metrics, const config::Metrics& options)
    : backend_(&backend), metrics_(&metrics), options_(options) {
  for (const auto& model : backend.models()) histories_[model.id] = std::make_unique<telemetry::LoadHistory>();
  sample();
}

// Backends put it beside the other numbers of the shape, or at the top.
std::uint64_t MoeSampler::experts_per_token(const Model& model) const {
  const auto* shape = model.facts.find("shape");
  const auto* k = shape != nullptr ? shape->find("experts_per_token") : nullptr;
  if (k == nullptr) k = model.facts.find("experts_per_token");
  return k != nullptr && k->is_integer() ? static_cast<std::uint64_t>(k->as_int64().value_or(0)) : 0;
}

const telemetry::LoadHistory* MoeSampler::history(const std::string& model) const {
  const auto found = histories_.find(model);
  return found == histories_.end() ? nullptr : found->second.get();
}

std::shared_ptr<const LoadSnapshot> MoeSampler::now(const Model& model) {
  auto counts = backend_->expert_counts(model);
  if (!counts) return nullptr;
  LoadSnapshot snapshot{counts->epoch, std::chrono::steady_clock::now(), counts->layers, counts->experts,
                        std::move(counts->counts)};
  return histories_.at(model.id)->add(std::move(snapshot));
}

void MoeSampler::sample() {
  for (const auto& model : backend_->models()) {
    const auto snapshot = now(model);
    if (snapshot == nullptr) continue;
    const std::lock_guard lock(mutex_);
    auto& last = last_histogram_[model.id];
    if (last != nullptr && std::chrono::steady_clock::now() - last->taken < options_.moe_window) continue;
    if (last != nullptr && options_.moe_level != config::MoeLevel::off) {
      for (const auto& layer : telemetry::load_between(last.get(), *snapshot)) {
        const auto total = std::accumulate(layer.begin(), layer.end(), std::uint64_t{0});
        if (total == 0) continue;
        for (const auto count : layer) {
          metrics_->moe_load_ratio.observe(
              static_cast<double>(count) * static_cast<double>(layer.size()) / static_cast<double>(total), model.id);
        }
      }
    }
    last = snapshot;
  }
}

void MoeSampler::publish() {
  if (options_.moe_level == config::MoeLevel::off) return;
  for (const auto& model : backend_->models()) {
    const auto snapshot = now(model);
    if (snapshot == nullptr) continue;
    publish_counters(model, *snapshot);
    const auto from = histories_.at(model.id)->before(std::chrono::steady_clock::now(), options_.moe_window);
    publish_window(model, from.get(), *snapshot);
  }
}

void MoeSampler::publish_counters(const Model& model, const LoadSnapshot& snapshot) {
  const auto k = experts_per_token(model);
  metrics_->moe_info.set(1, model.id, std::to_string(snapshot.layers), std::to_string(snapshot.experts),
                         std::to_string(k));
  const std::size_t half = snapshot.counts.size() / 2;
  for (const bool is_decode : {false, true}) {
    const auto begin = snapshot.counts.begin() + static_cast<std::ptrdiff_t>(is_decode ? half : 0);
    const auto sum = std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(half), std::uint64_t{0});
    const std::string_view phase = is_decode ? "decode" : "prefill";
    metrics_->moe_assignments.rise_to(static_cast<double>(sum), model.id, phase);
    if (k != 0) metrics_->moe_routed.rise_to(static_cast<double>(sum / k), model.id, phase);
  }
}

void MoeSampler::publish_window(const Model& model, const LoadSnapshot* from, const LoadSnapshot& to) {
  const auto& id = model.id;
  const double covered =
      from != nullptr ? std::chrono::duration<double>(std::chrono::steady_clock::now() - from->taken).count() : 0;
  metrics_->moe_window_seconds.set(covered, id);
  std::vector<double> balance;
  std::vector<double> active;
  std::vector<double> entropy;
  const auto matrix = telemetry::load_between(from, to);
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    const LayerLoad load = telemetry::layer_load(matrix[i]);
    if (load.total > 0) {
      balance.push_back(load.balancedness);
      active.push_back(static_cast<double>(load.active_experts) / static_cast<double>(matrix[i].size()));
      entropy.push_back(load.entropy_ratio);
    }
    if (options_.moe_level != config::MoeLevel::layer) continue;
    const auto layer = std::to_string(i);
    metrics_->layer_max_load.set(load.max_load_ratio, id, layer);
    metrics_->layer_entropy.set(load.entropy_ratio, id, layer);
    metrics_->layer_active.set(load.active_experts, id, layer);
    metrics_->layer_hot_expert.set(load.hot_expert, id, layer);
    metrics_->layer_hot_share.set(load.hot_share, id, layer);
    metrics_->layer_dropped.add(0, id, layer);
  }
  if (balance.empty()) return;
  metrics_->moe_balancedness.set(lowest(balance), id, "min");
  metrics_->moe_balancedness.set(median(balance), id, "p50");
  metrics_->moe_balancedness.set(mean(balance), id, "mean");
  metrics_->moe_active_ratio.set(lowest(active), id, "min");
  metrics_->moe_active_ratio.set(mean(active), id, "mean");
  metrics_->moe_entropy_ratio.set(lowest(entropy), id, "min");
  metrics_->moe_entropy_ratio.set(mean(entropy), id, "mean");
}

}  // namespace moegate::backend
