// Exact number of assignments per (phase, layer, expert) since creation. The step thread counts into a buffer of its
// own and publishes it once a step, so that a reader sees whole steps only: no torn values, no half a step. add() and
// publish(): one thread. snapshot(): any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace moe {

// Numbers equal MOE_PHASE_* in include/moe/moe.h.
enum class Phase : std::uint8_t { prefill = 0, decode = 1 };
inline constexpr std::size_t kNumPhases = 2;

class LoadCounters {
 public:
  LoadCounters(std::size_t num_layers, std::size_t num_experts);
  std::size_t num_layers() const { return num_layers_; }
  std::size_t num_experts() const { return num_experts_; }
  std::size_t size() const { return step_.size(); }  // kNumPhases * num_layers * num_experts

  // One assignment for each id; `layer` counts only layers that have a router. Preconditions: in range.
  void add(Phase phase, std::size_t layer, std::span<const std::int32_t> experts);
  // Makes everything added so far visible as one step.
  void publish();
  // Drops what was added since the last publish(), for a step that failed as a whole.
  void discard();

  // out [size()]: index (phase * num_layers + layer) * num_experts + expert. Returns the number of steps included.
  std::uint64_t snapshot(std::span<std::uint64_t> out) const;

 private:
  const std::size_t num_layers_;
  const std::size_t num_experts_;
  std::vector<std::uint64_t> step_;  // of the running step; step thread only

  mutable std::mutex mutex_;  // guards the two below; held for one pass over the table
  std::vector<std::uint64_t> total_;
  std::uint64_t epoch_ = 0;
};

}  // namespace moe
