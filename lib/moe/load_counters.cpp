#include "moe/load_counters.hpp"

#include <algorithm>
#include <functional>

namespace moe {

LoadCounters::LoadCounters(std::size_t num_layers, std::size_t num_experts)
    : num_layers_(num_layers),
      num_experts_(num_experts),
      step_(kNumPhases * num_layers * num_experts, 0),
      total_(step_.size(), 0) {}

void LoadCounters::add(Phase phase, std::size_t layer, std::span<const std::int32_t> experts) {
  std::uint64_t* row = step_.data() + (static_cast<std::size_t>(phase) * num_layers_ + layer) * num_experts_;
  for (const std::int32_t expert : experts) {
    ++row[expert];
  }
}

void LoadCounters::publish() {
  {
    const std::scoped_lock lock(mutex_);
    std::transform(step_.begin(), step_.end(), total_.begin(), total_.begin(), std::plus<>{});
    ++epoch_;
  }
  discard();
}

void LoadCounters::discard() { std::fill(step_.begin(), step_.end(), 0); }

std::uint64_t LoadCounters::snapshot(std::span<std::uint64_t> out) const {
  const std::scoped_lock lock(mutex_);
  std::copy_n(total_.begin(), std::min(out.size(), total_.size()), out.begin());
  return epoch_;
}

}  // namespace moe
