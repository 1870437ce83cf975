// What the routing counters say: exact matrices between two epochs and the numbers computed from them. Snapshots of one
// model are kept in a bounded ring, so that a reader can ask "since this epoch". Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace moegate::telemetry {

// counts[(phase * layers + layer) * experts + expert]; phase 0 prefill, 1 decode.
struct LoadSnapshot {
  std::uint64_t epoch = 0;
  std::chrono::steady_clock::time_point taken{};
  std::uint32_t layers = 0, experts = 0;
  std::vector<std::uint64_t> counts;
};

struct LayerLoad {
  std::uint64_t total = 0;
  double max_load_ratio = 0;  // highest over mean; 0 without traffic
  double balancedness = 1;    // mean over highest
  double entropy_ratio = 1;   // entropy over log(experts)
  double jain = 1;            // (sum x)^2 / (n sum x^2)
  double gini = 0;
  std::uint32_t active_experts = 0;
  std::uint32_t hot_expert = 0;
  double hot_share = 0;
};
// `counts` of one layer, both phases added.
LayerLoad layer_load(const std::vector<std::uint64_t>& counts);

// Later minus earlier, element by element, both phases added: [layers][experts]. Empty if the shapes differ or a count
// fell (the model was loaded again).
std::vector<std::vector<std::uint64_t>> load_between(const LoadSnapshot* earlier, const LoadSnapshot& later);

class LoadHistory {
 public:
  using Entry = std::shared_ptr<const LoadSnapshot>;

  // Keeps the snapshot unless its epoch is there already; the oldest go when there are too many.
  Entry add(LoadSnapshot snapshot);
  Entry latest() const;
  // The one with exactly this epoch.
  Entry at_epoch(std::uint64_t epoch) const;
  // The newest that is at least `age` older than `now`; the oldest if none is.
  Entry before(std::chrono::steady_clock::time_point now, std::chrono::seconds age) const;

 private:
  mutable std::mutex mutex_;  // guards entries_
  std::deque<Entry> entries_;
};

}  // namespace moegate::telemetry
