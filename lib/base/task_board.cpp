#include "base/task_board.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

namespace moe::base {
namespace {

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// True as soon as `ready` is; false if the thread should go to sleep.
template <typename Ready>
bool poll(const WaitPolicy& policy, Ready ready) {
  for (unsigned i_poll = 0; i_poll < policy.spins + policy.yields; ++i_poll) {
    if (ready()) {
      return true;
    }
    if (i_poll < policy.spins) {
      pause_cpu();
    } else {
      sched_yield();
    }
  }
  return ready();
}

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

void futex_wake(const std::atomic<std::uint32_t>& word, int count) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

constexpr std::uint64_t kField = (std::uint64_t{1} << 24) - 1;
constexpr std::size_t next_of(std::uint64_t ticket) { return ticket & kField; }
constexpr std::size_t count_of(std::uint64_t ticket) { return (ticket >> 24) & kField; }
constexpr std::uint64_t fresh_ticket(std::uint64_t last, std::size_t num_tasks) {
  return (((last >> 48) + 1) << 48) | (std::uint64_t{num_tasks} << 24);
}

}  // namespace

void TaskBoard::run(std::size_t num_tasks, Body body, std::ptrdiff_t worker) {
  body_ = &body;
  for (first_task_ = 0; first_task_ < num_tasks;) {
    const std::size_t part = std::min(num_tasks - first_task_, kMaxTasks);
    run_part(part, worker);
    first_task_ += part;
  }
}

void TaskBoard::run_part(std::size_t num_tasks, std::ptrdiff_t worker) {
  finished_.store(0, std::memory_order_relaxed);
  ticket_.store(fresh_ticket(ticket_.load(std::memory_order_relaxed), num_tasks), std::memory_order_seq_cst);
  posted_.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) != 0) {
    futex_wake(posted_, static_cast<int>(std::min<std::size_t>(num_tasks, num_helpers_)));
  }
  if (worker >= 0) {
    while (take_one(static_cast<std::size_t>(worker))) {
    }
  }
  wait_until_finished(num_tasks);
}

bool TaskBoard::take_one(std::size_t worker) {
  std::uint64_t seen = ticket_.load(std::memory_order_acquire);
  do {
    if (next_of(seen) >= count_of(seen)) {
      return false;
    }
  } while (!ticket_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire));
  (*body_)(first_task_ + next_of(seen), worker);
  const std::size_t num_tasks = count_of(seen);
  if (finished_.fetch_add(1, std::memory_order_seq_cst) + 1 == num_tasks &&
      poster_sleeps_.load(std::memory_order_seq_cst) != 0) {
    futex_wake(finished_, 1);
  }
  return true;
}

bool TaskBoard::has_work() const {
  const std::uint64_t seen = ticket_.load(std::memory_order_seq_cst);
  return next_of(seen) < count_of(seen);
}

void TaskBoard::help(std::size_t worker) {
  while (!is_stopping_.load(std::memory_order_acquire)) {
    if (!take_one(worker)) {
      wait_for_work();
    }
  }
}

void TaskBoard::wait_for_work() {
  if (poll(helper_wait_, [&] { return has_work() || is_stopping_.load(std::memory_order_relaxed); })) {
    return;
  }
  const std::uint32_t seen = posted_.load(std::memory_order_seq_cst);
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  if (!has_work() && !is_stopping_.load(std::memory_order_seq_cst)) {
    futex_wait(posted_, seen);
  }
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

void TaskBoard::wait_until_finished(std::size_t num_tasks) {
  if (poll(poster_wait_, [&] { return finished_.load(std::memory_order_acquire) == num_tasks; })) {
    return;
  }
  poster_sleeps_.store(1, std::memory_order_seq_cst);
  for (std::uint32_t seen = finished_.load(std::memory_order_seq_cst); seen != num_tasks;
       seen = finished_.load(std::memory_order_seq_cst)) {
    futex_wait(finished_, seen);
  }
  poster_sleeps_.store(0, std::memory_order_relaxed);
}

void TaskBoard::stop() {
  is_stopping_.store(true, std::memory_order_seq_cst);
  posted_.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(posted_, INT_MAX);
}

}  // namespace moe::base
