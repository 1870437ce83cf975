#include "runtime/admission.hpp"

#include <algorithm>
#include <numeric>

namespace moe::runtime {

void AdmissionQueue::push(std::shared_ptr<Sequence> sequence) {
  Group& group = groups_[sequence->request.fair_group];
  if (group.waiting++ == 0) {
    group.served = std::max(group.served, now_);  // no credit for time without requests
  }
  waiting_.push_back(std::move(sequence));
}

bool AdmissionQueue::remove(const Sequence* sequence) {
  const auto found =
      std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& item) { return item.get() == sequence; });
  if (found == waiting_.end()) {
    return false;
  }
  const auto group = groups_.find(sequence->request.fair_group);
  --group->second.waiting;
  waiting_.erase(found);
  // A group without requests is forgotten once its debt is paid, so that the table stays small.
  std::erase_if(groups_, [&](const auto& entry) { return entry.second.waiting == 0 && entry.second.served <= now_; });
  return true;
}

void AdmissionQueue::charge(const Sequence& sequence) {
  Group& group = groups_.at(sequence.request.fair_group);
  now_ = std::max(now_, group.served);
  const auto tokens = static_cast<double>(sequence.request.prompt.size()) +
                      static_cast<double>(sequence.request.max_tokens) * sequence.request.num_choices;
  group.served += tokens / std::max(1U, sequence.request.fair_weight);
}

std::shared_ptr<Sequence> AdmissionQueue::next(base::FunctionRef<bool(const Sequence&)> fits) {
  order_.resize(waiting_.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    const Sequence& left = *waiting_[a];
    const Sequence& right = *waiting_[b];
    return left.request.priority != right.request.priority ? left.request.priority > right.request.priority
                                                           : rank(left) < rank(right);
  });
  for (std::size_t at = 0; at < order_.size(); ++at) {
    const std::shared_ptr<Sequence> candidate = waiting_[order_[at]];
    if (candidate->is_paused.load()) {
      continue;
    }
    if (fits(*candidate)) {
      for (std::size_t passed = 0; passed < at; ++passed) {
        waiting_[order_[passed]]->bypassed += 1;
      }
      charge(*candidate);
      remove(candidate.get());
      return candidate;
    }
    if (candidate->bypassed >= kMaxBypass) {
      return nullptr;
    }
  }
  return nullptr;
}

}  // namespace moe::runtime
