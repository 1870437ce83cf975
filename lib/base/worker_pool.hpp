// The library's own pinned threads. Every kernel runs here; oneDNN is called sequentially inside a worker. Engines that
// share a pool take turns by step and weight (Member). Threads block all signals, use the default floating-point
// environment whatever the host set, and are named "moe-worker-N".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/function_ref.hpp"
#include "core/status.hpp"

namespace moe::base {

struct WorkerOptions {
  std::uint32_t num_threads = 0;  // 0 = min(affinity mask, max(1, floor(CPU quota)))
  bool pin = true;
};

class WorkerPool {
 public:
  static Result<std::shared_ptr<WorkerPool>> create(const WorkerOptions& options);
  // Joins the threads. In a forked child it frees nothing that a thread might hold and returns at once.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  std::size_t size() const;
  // "2 threads: affinity allows 2 CPUs, no CPU quota; pinned", for the start-up line and facts.
  const std::string& description() const;

  // Calls body(task, worker) for every task in [0, num_tasks), task order and placement unspecified; returns when all
  // are done. One caller at a time (the holder of the turn). `body` must not throw. What a task computes must not
  // depend on the number of workers. Called inside run(), the calling worker takes its share; called from any other
  // thread, that thread only waits. Inside a task it runs all tasks there, in order.
  void parallel_for(std::size_t num_tasks, FunctionRef<void(std::size_t task, std::size_t worker)> body);
  // Runs `body` on worker 0 and waits: a whole step that calls parallel_for many times pays for one hand-over only, and
  // all of it has the workers' floating-point environment. Exceptions reach the caller. Callers as for parallel_for.
  void run(FunctionRef<void()> body);

  // A user of the pool (an engine, a layer). acquire() waits until it is this member's turn: members with work waiting
  // are served in proportion to their weight.
  class Member {
   public:
    Member(std::shared_ptr<WorkerPool> pool, std::uint32_t weight);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    WorkerPool& pool() { return *pool_; }
    void acquire();
    void release();

   private:
    std::shared_ptr<WorkerPool> pool_;
    std::uint32_t id_ = 0;
  };

  struct Impl;

 private:
  WorkerPool();
  std::unique_ptr<Impl> impl_;
};

// Holds a member's turn for a scope, also when an exception leaves it.
class Turn {
 public:
  explicit Turn(WorkerPool::Member& member) : member_(member) { member_.acquire(); }
  ~Turn() { member_.release(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  WorkerPool::Member& member_;
};

}  // namespace moe::base
