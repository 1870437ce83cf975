// Where one thread posts a parallel loop and workers take its tasks: a ticket, a count of finished tasks and two futex
// words. A worker that is late (not scheduled) delays nobody: a loop ends when its tasks are done, not when all workers
// have reported. Waits spin briefly, then sleep. One poster at a time; any number of helpers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/aligned.hpp"
#include "base/function_ref.hpp"

namespace moe::base {

// How long a thread polls before it sleeps. Spinning is harmful under a CPU quota and with more threads than CPUs.
struct WaitPolicy {
  unsigned spins = 0;   // polls with a pause instruction between
  unsigned yields = 0;  // then polls that give the CPU away
};

class TaskBoard {
 public:
  using Body = FunctionRef<void(std::size_t task, std::size_t worker)>;

  TaskBoard(std::size_t num_helpers, WaitPolicy helper_wait, WaitPolicy poster_wait)
      : num_helpers_(num_helpers), helper_wait_(helper_wait), poster_wait_(poster_wait) {}

  // Poster: runs the whole loop and returns when it is done. With `worker` >= 0 the poster takes tasks itself.
  void run(std::size_t num_tasks, Body body, std::ptrdiff_t worker);
  // Helper: takes tasks of whatever is posted until stop().
  void help(std::size_t worker);
  void stop();

 private:
  static constexpr std::size_t kMaxTasks = (std::size_t{1} << 24) - 1;

  void run_part(std::size_t num_tasks, std::ptrdiff_t worker);
  bool take_one(std::size_t worker);
  bool has_work() const;
  void wait_for_work();
  void wait_until_finished(std::size_t num_tasks);

  const std::size_t num_helpers_;
  const WaitPolicy helper_wait_;
  const WaitPolicy poster_wait_;
  // epoch (16 bits) | number of tasks (24) | next task (24), in one word, so that a claim is valid exactly if nothing
  // changed since it was read: no helper can take a task of a loop that is over.
  alignas(kCacheLine) std::atomic<std::uint64_t> ticket_{0};
  alignas(kCacheLine) std::atomic<std::uint32_t> finished_{0};  // tasks done; futex word of the poster
  std::atomic<std::uint32_t> poster_sleeps_{0};
  alignas(kCacheLine) std::atomic<std::uint32_t> posted_{0};  // futex word of the helpers
  std::atomic<std::uint32_t> sleepers_{0};
  std::atomic<bool> is_stopping_{false};
  // Written before ticket_ is published, read after a claim: the poster cannot return while a claimed task runs.
  const Body* body_ = nullptr;
  std::size_t first_task_ = 0;
};

}  // namespace moe::base
