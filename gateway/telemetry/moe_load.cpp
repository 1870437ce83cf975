#include "telemetry/moe_load.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace moegate::telemetry {
namespace {

constexpr std::size_t kMaxEntries = 240;
constexpr std::size_t kMaxCounts = std::size_t{8} << 20;  // 64 MiB over all entries of a model

}  // namespace

LayerLoad layer_load(const std::vector<std::uint64_t>& counts) {
  LayerLoad load;
  load.total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (load.total == 0 || counts.empty()) return load;
  const auto n = static_cast<double>(counts.size());
  const auto total = static_cast<double>(load.total);
  const auto hottest = std::max_element(counts.begin(), counts.end());
  load.hot_expert = static_cast<std::uint32_t>(hottest - counts.begin());
  load.hot_share = static_cast<double>(*hottest) / total;
  load.max_load_ratio = load.hot_share * n;
  load.balancedness = 1 / load.max_load_ratio;
  double entropy = 0;
  double squares = 0;
  for (const auto count : counts) {
    if (count == 0) continue;
    ++load.active_experts;
    const double share = static_cast<double>(count) / total;
    entropy -= share * std::log(share);
    squares += share * share;
  }
  load.entropy_ratio = counts.size() > 1 ? std::max(0.0, entropy / std::log(n)) : 1;
  load.jain = 1 / (n * squares);
  auto sorted = counts;
  std::sort(sorted.begin(), sorted.end());
  double weighted = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i)
    weighted += static_cast<double>(i + 1) * static_cast<double>(sorted[i]);
  load.gini = 2 * weighted / (n * total) - (n + 1) / n;
  return load;
}

std::vector<std::vector<std::uint64_t>> load_between(const LoadSnapshot* earlier, const LoadSnapshot& later) {
  const std::size_t cells = std::size_t{later.layers} * later.experts;
  if (later.counts.size() != 2 * cells) return {};
  if (earlier != nullptr && earlier->counts.size() != later.counts.size()) return {};
  std::vector<std::vector<std::uint64_t>> matrix(later.layers, std::vector<std::uint64_t>(later.experts, 0));
  for (std::size_t i = 0; i < 2 * cells; ++i) {
    const auto before = earlier != nullptr ? earlier->counts[i] : 0;
    if (later.counts[i] < before) return {};
    const std::size_t cell = i % cells;
    matrix[cell / later.experts][cell % later.experts] += later.counts[i] - before;
  }
  return matrix;
}

LoadHistory::Entry LoadHistory::add(LoadSnapshot snapshot) {
  const std::lock_guard lock(mutex_);
  if (!entries_.empty() && entries_.back()->epoch == snapshot.epoch &&
      entries_.back()->counts.size() == snapshot.counts.size()) {
    return entries_.back();
  }
  if (!entries_.empty() && snapshot.epoch < entries_.back()->epoch) entries_.clear();  // loaded again
  entries_.push_back(std::make_shared<const LoadSnapshot>(std::move(snapshot)));
  const std::size_t each = std::max<std::size_t>(entries_.back()->counts.size(), 1);
  while (entries_.size() > kMaxEntries || (entries_.size() > 2 && entries_.size() * each > kMaxCounts)) {
    entries_.pop_front();
  }
  return entries_.back();
}

LoadHistory::Entry LoadHistory::latest() const {
  const std::lock_guard lock(mutex_);
  return entries_.empty() ? nullptr : entries_.back();
}

LoadHistory::Entry LoadHistory::at_epoch(std::uint64_t epoch) const {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->epoch == epoch) return entry;
  }
  return nullptr;
}

LoadHistory::Entry LoadHistory::before(std::chrono::steady_clock::time_point now, std::chrono::seconds age) const {
  const std::lock_guard lock(mutex_);
  Entry found;
  for (const auto& entry : entries_) {
    if (found == nullptr || now - entry->taken >= age) found = entry;
  }
  return found;
}

}  // namespace moegate::telemetry
