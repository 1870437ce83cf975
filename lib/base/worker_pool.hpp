// The library's own pinned threads. Every kernel runs here; oneDNN is called sequentially inside a worker. Engines that
// share a pool take turns by step and weight (Turn). Threads block all signals and are named "moe-worker-N".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

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
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  std::size_t size() const;
  // Calls body(task, worker) for every task in [0, num_tasks), task order and placement unspecified; returns when all are
  // done. One caller at a time (the holder of the turn). `body` must not throw. What a task computes must not depend on
  // the number of workers.
  void parallel_for(std::size_t num_tasks, FunctionRef<void(std::size_t task, std::size_t worker)> body);

  // A user of the pool (an engine, a layer). acquire() waits until it is this member's turn: members with work waiting are
  // served in proportion to their weight.
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

}  // namespace moe::base
