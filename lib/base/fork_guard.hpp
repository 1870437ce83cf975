// Tells a forked child from the process that made an object: the child has none of its threads, and its locks may be
// held for ever, so a child must neither wait nor lock. Thread-safe, takes no lock.
#pragma once

#include <unistd.h>

namespace moe::base {

class ForkGuard {
 public:
  bool in_child() const { return getpid() != owner_; }

 private:
  pid_t owner_ = getpid();
};

}  // namespace moe::base
