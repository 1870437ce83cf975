// Whose turn it is on a shared resource: one holder at a time, members with work waiting are served in proportion to
// their weight (stride scheduling, Waldspurger & Weihl 1995), nobody starves. Pure state, no waiting: the caller locks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace moe::base {

class Turns {
 public:
  std::uint32_t join(std::uint32_t weight);  // weight 0 counts as 1
  void leave(std::uint32_t id);
  // The member wants a turn; until granted it counts as waiting.
  void request(std::uint32_t id);
  // True if the resource is free and no waiting member comes before this one.
  bool is_next(std::uint32_t id) const;
  // Precondition: is_next(id).
  void grant(std::uint32_t id);
  void finish(std::uint32_t id);

 private:
  struct Member {
    std::uint64_t stride = 0;
    std::uint64_t pass = 0;  // virtual time of its next turn
    bool is_waiting = false;
  };
  std::map<std::uint32_t, Member> members_;
  std::optional<std::uint32_t> holder_;
  std::uint64_t now_ = 0;  // virtual time of the last grant
  std::uint32_t next_id_ = 0;
};

}  // namespace moe::base
