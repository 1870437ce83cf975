#include "base/worker_pool.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <cfenv>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <vector>

#include "base/cpu_quota.hpp"
#include "base/fork_guard.hpp"
#include "base/log.hpp"
#include "base/task_board.hpp"
#include "base/turns.hpp"

namespace moe::base {
namespace {

constexpr std::uint32_t kMaxThreads = 1024;
// A step has about five loops a layer with little between them: long enough to bridge that gap (some 20 us), short
// enough that an idle engine sleeps.
constexpr WaitPolicy kSpin{1000, 0};
constexpr WaitPolicy kYield{0, 16};
constexpr WaitPolicy kSleep{0, 0};

// Which pool's thread this is, and whether it is inside a task of a loop.
struct Here {
  const WorkerPool::Impl* pool = nullptr;
  bool in_loop = false;
  std::size_t worker = 0;
};
thread_local Here t_here;

// The first exception of a loop, carried to its caller: one that leaves a thread would end the process.
class FirstError {
 public:
  void keep() noexcept {
    if (!is_taken_.test_and_set()) {
      error_ = std::current_exception();
    }
  }
  // After the loop, whose end is the barrier.
  void rethrow() const {
    if (error_ != nullptr) {
      std::rethrow_exception(error_);
    }
  }

 private:
  std::atomic_flag is_taken_;
  std::exception_ptr error_;
};

std::vector<int> allowed_cpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &mask)) {
        cpus.push_back(cpu);
      }
    }
  }
  return cpus;
}

}  // namespace

struct WorkerPool::Impl {
  Impl(std::uint32_t num_threads, WaitPolicy wait)
      : loops(num_threads - 1, wait, wait), steps(1, wait, kSleep), num_workers(num_threads) {}

  TaskBoard loops;  // posted by worker 0, helped by the others
  TaskBoard steps;  // posted by callers, one task each, taken by worker 0
  const std::uint32_t num_workers;
  std::vector<pthread_t> threads;
  std::vector<int> pin_to;  // CPU of each worker; empty = not pinned
  std::string description;
  ForkGuard fork_guard;

  std::mutex mutex;  // guards turns
  std::condition_variable turn_changed;
  Turns turns;

  struct Start {
    Impl* impl;
    std::uint32_t worker;
  };
  std::vector<Start> starts;

  static void* thread_main(void* argument);
  Status spawn();
  void stop();
};

void* WorkerPool::Impl::thread_main(void* argument) {
  const Start& start = *static_cast<const Start*>(argument);
  Impl& impl = *start.impl;
  std::fesetenv(FE_DFL_ENV);  // a new thread inherits the rounding and flush modes of its creator
  char name[16];
  std::snprintf(name, sizeof(name), "moe-worker-%u", start.worker);
  pthread_setname_np(pthread_self(), name);
  if (!impl.pin_to.empty()) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(impl.pin_to[start.worker], &mask);
    if (pthread_setaffinity_np(pthread_self(), sizeof(mask), &mask) != 0) {
      log(LogLevel::warning,
          std::string(name) + ": could not be pinned to CPU " + std::to_string(impl.pin_to[start.worker]));
    }
  }
  t_here = {&impl, start.worker != 0, start.worker};
  if (start.worker == 0) {
    impl.steps.help(0);
  } else {
    impl.loops.help(start.worker);
  }
  return nullptr;
}

Status WorkerPool::Impl::spawn() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the new threads
  int error = 0;
  starts.reserve(num_workers);
  for (std::uint32_t worker = 0; worker < num_workers && error == 0; ++worker) {
    pthread_t thread{};
    starts.push_back({this, worker});
    error = pthread_create(&thread, nullptr, &thread_main, &starts.back());
    if (error == 0) {
      threads.push_back(thread);
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) {
    return {};
  }
  return {Code::resource_exhausted, "starting worker thread " + std::to_string(threads.size()) + " of " +
                                        std::to_string(num_workers) + ": error " + std::to_string(error)};
}

void WorkerPool::Impl::stop() {
  loops.stop();
  steps.stop();
  for (const pthread_t thread : threads) {
    pthread_join(thread, nullptr);
  }
  threads.clear();
}

WorkerPool::WorkerPool() = default;

WorkerPool::~WorkerPool() {
  if (impl_ == nullptr) {
    return;
  }
  if (impl_->fork_guard.in_child()) {
    static_cast<void>(impl_.release());  // its mutex and futex words may be in any state, its threads do not exist
    return;
  }
  impl_->stop();
}

Result<std::shared_ptr<WorkerPool>> WorkerPool::create(const WorkerOptions& options) {
  if (options.num_threads > kMaxThreads) {
    return invalid("num_threads: " + std::to_string(options.num_threads) + " is more than " +
                   std::to_string(kMaxThreads));
  }
  const ThreadBudget budget = read_thread_budget();
  const std::uint32_t num_threads = options.num_threads == 0 ? budget.threads : options.num_threads;
  const bool too_many = num_threads > budget.threads;
  const bool spins = !too_many && !budget.quota;
  std::shared_ptr<WorkerPool> pool(new WorkerPool);
  pool->impl_ = std::make_unique<Impl>(num_threads, spins ? kSpin : kYield);
  Impl& impl = *pool->impl_;
  if (options.pin && num_threads <= budget.affinity_cpus) {
    impl.pin_to = allowed_cpus();
    if (impl.pin_to.size() < num_threads) {
      impl.pin_to.clear();
    }
  }
  ThreadBudget used = budget;
  used.threads = num_threads;
  impl.description = describe(used) + (impl.pin_to.empty() ? "; not pinned" : "; pinned") + (spins ? "" : ", yields");
  if (too_many) {
    log(LogLevel::warning, "workers: " + std::to_string(num_threads) + " threads asked for, but only " +
                               std::to_string(budget.threads) + " can run at once (" + describe(budget) +
                               "); they yield instead of spinning");
  }
  if (Status status = impl.spawn(); !status.ok()) {
    return status;  // the destructor ends those that did start
  }
  log(LogLevel::info, "workers: " + impl.description);
  return pool;
}

std::size_t WorkerPool::size() const { return impl_->num_workers; }

const std::string& WorkerPool::description() const { return impl_->description; }

void WorkerPool::parallel_for(std::size_t num_tasks, FunctionRef<void(std::size_t task, std::size_t worker)> body) {
  if (num_tasks == 0) {
    return;
  }
  if (t_here.pool != impl_.get()) {
    run([&] { parallel_for(num_tasks, body); });
    return;
  }
  if (t_here.in_loop) {
    for (std::size_t task = 0; task < num_tasks; ++task) {
      body(task, t_here.worker);
    }
    return;
  }
  FirstError error;
  const auto guarded = [&](std::size_t task, std::size_t worker) {
    try {
      body(task, worker);
    } catch (...) {
      error.keep();
    }
  };
  t_here.in_loop = true;
  impl_->loops.run(num_tasks, guarded, 0);
  t_here.in_loop = false;
  error.rethrow();
}

void WorkerPool::run(FunctionRef<void()> body) {
  if (t_here.pool == impl_.get()) {
    body();
    return;
  }
  FirstError error;
  const auto step = [&](std::size_t, std::size_t) {
    try {
      body();
    } catch (...) {
      error.keep();
    }
  };
  impl_->steps.run(1, step, -1);
  error.rethrow();
}

WorkerPool::Member::Member(std::shared_ptr<WorkerPool> pool, std::uint32_t weight) : pool_(std::move(pool)) {
  const std::scoped_lock lock(pool_->impl_->mutex);
  id_ = pool_->impl_->turns.join(weight);
}

WorkerPool::Member::~Member() {
  Impl& impl = *pool_->impl_;
  if (impl.fork_guard.in_child()) {
    return;
  }
  {
    const std::scoped_lock lock(impl.mutex);
    impl.turns.leave(id_);
  }
  impl.turn_changed.notify_all();
}

void WorkerPool::Member::acquire() {
  Impl& impl = *pool_->impl_;
  std::unique_lock lock(impl.mutex);
  impl.turns.request(id_);
  impl.turn_changed.wait(lock, [&] { return impl.turns.is_next(id_); });
  impl.turns.grant(id_);
}

void WorkerPool::Member::release() {
  Impl& impl = *pool_->impl_;
  {
    const std::scoped_lock lock(impl.mutex);
    impl.turns.finish(id_);
  }
  impl.turn_changed.notify_all();
}

}  // namespace moe::base
