#include "base/turns.hpp"

#include <algorithm>

namespace moe::base {
namespace {
constexpr std::uint64_t kStrideOfWeightOne = std::uint64_t{1} << 32;
}

std::uint32_t Turns::join(std::uint32_t weight) {
  const std::uint32_t id = next_id_++;
  members_[id] = Member{kStrideOfWeightOne / std::max<std::uint32_t>(weight, 1), now_, false};
  return id;
}

void Turns::leave(std::uint32_t id) {
  if (holder_ == id) {
    holder_.reset();
  }
  members_.erase(id);
}

void Turns::request(std::uint32_t id) {
  Member& member = members_.at(id);
  member.is_waiting = true;
  // A member that was idle starts at the present: it cannot save up turns.
  member.pass = std::max(member.pass, now_);
}

bool Turns::is_next(std::uint32_t id) const {
  if (holder_.has_value()) {
    return false;
  }
  const std::uint64_t own = members_.at(id).pass;
  return std::none_of(members_.begin(), members_.end(), [&](const auto& entry) {
    const auto& [other_id, other] = entry;
    return other.is_waiting && (other.pass < own || (other.pass == own && other_id < id));
  });
}

void Turns::grant(std::uint32_t id) {
  Member& member = members_.at(id);
  holder_ = id;
  member.is_waiting = false;
  now_ = member.pass;
  member.pass += member.stride;
}

void Turns::finish(std::uint32_t id) {
  if (holder_ == id) {
    holder_.reset();
  }
}

}  // namespace moe::base
