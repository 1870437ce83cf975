// Who comes next: waiting sequences by priority, then by weighted fair share of their group (served tokens over weight,
// as in stride scheduling), then by age. One that does not fit now may be passed by later ones kMaxBypass times; after
// that nobody is admitted until it fits, so a long request neither blocks nor starves. Loop thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/function_ref.hpp"
#include "runtime/sequence.hpp"

namespace moe::runtime {

class AdmissionQueue {
 public:
  static constexpr std::uint64_t kMaxBypass = 32;

  void push(std::shared_ptr<Sequence> sequence);
  bool remove(const Sequence* sequence);
  std::size_t size() const { return waiting_.size(); }
  const std::vector<std::shared_ptr<Sequence>>& waiting() const { return waiting_; }
  // Takes out the next sequence for which `fits` says yes, or null.
  std::shared_ptr<Sequence> next(base::FunctionRef<bool(const Sequence&)> fits);

 private:
  struct Group {
    double served = 0;  // tokens over weight, a virtual time
    std::size_t waiting = 0;
  };
  double rank(const Sequence& sequence) const { return groups_.at(sequence.request.fair_group).served; }
  void charge(const Sequence& sequence);

  std::vector<std::shared_ptr<Sequence>> waiting_;  // by age
  std::vector<std::size_t> order_;
  std::map<std::uint64_t, Group> groups_;
  double now_ = 0;  // virtual time of the last admission
};

}  // namespace moe::runtime
