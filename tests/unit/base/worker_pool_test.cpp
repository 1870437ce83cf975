#include "base/worker_pool.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/fork_guard.hpp"

namespace moe::base {
namespace {

std::shared_ptr<WorkerPool> make_pool(std::uint32_t threads) {
  auto pool = WorkerPool::create({.num_threads = threads, .pin = false});
  EXPECT_TRUE(pool.ok()) << pool.status().message();
  return *pool;
}

TEST(WorkerPool, every_task_runs_exactly_once) {
  for (const std::uint32_t threads : {1U, 2U, 4U}) {
    const auto pool = make_pool(threads);
    for (const std::size_t num_tasks : {0UL, 1UL, 2UL, 3UL, 64UL, 1000UL}) {
      std::vector<std::atomic<int>> count(num_tasks);
      pool->parallel_for(num_tasks, [&](std::size_t task, std::size_t worker) {
        EXPECT_LT(worker, threads);
        count[task].fetch_add(1, std::memory_order_relaxed);
      });
      for (std::size_t task = 0; task < num_tasks; ++task) {
        ASSERT_EQ(count[task].load(), 1) << threads << " threads, task " << task << " of " << num_tasks;
      }
    }
  }
}

// What one loop wrote without atomics the next one reads: the end of a loop is a barrier. Many short loops also hit the
// moments between spinning, sleeping and waking.
TEST(WorkerPool, the_end_of_a_loop_is_a_barrier_ten_thousand_times) {
  const auto pool = make_pool(3);
  std::vector<std::size_t> values(7, 0);
  pool->run([&] {
    for (std::size_t round = 0; round < 10000; ++round) {
      pool->parallel_for(values.size(), [&](std::size_t task, std::size_t) {
        if (values[task] == round) {
          ++values[task];
        }
      });
    }
  });
  EXPECT_EQ(values, std::vector<std::size_t>(7, 10000));
}

TEST(WorkerPool, loops_from_a_foreign_thread_see_its_writes_and_it_sees_theirs) {
  const auto pool = make_pool(2);
  std::vector<int> values(5);
  for (int round = 0; round < 2000; ++round) {
    values.assign(5, round);
    pool->parallel_for(5, [&](std::size_t task, std::size_t) { values[task] += static_cast<int>(task); });
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(values[static_cast<std::size_t>(i)], round + i);
    }
  }
}

TEST(WorkerPool, nothing_runs_on_the_callers_thread) {
  const auto pool = make_pool(2);
  const auto caller = std::this_thread::get_id();
  std::atomic<int> on_caller{0};
  const auto check = [&] { on_caller += std::this_thread::get_id() == caller ? 1 : 0; };
  pool->run(check);
  pool->parallel_for(100, [&](std::size_t, std::size_t) { check(); });
  EXPECT_EQ(on_caller.load(), 0);
}

TEST(WorkerPool, a_loop_inside_a_task_runs_in_place) {
  const auto pool = make_pool(2);
  std::atomic<int> sum{0};
  pool->parallel_for(4, [&](std::size_t, std::size_t worker) {
    pool->parallel_for(3, [&](std::size_t inner, std::size_t inner_worker) {
      EXPECT_EQ(inner_worker, worker);
      sum += static_cast<int>(inner);
    });
  });
  EXPECT_EQ(sum.load(), 12);
}

TEST(WorkerPool, exceptions_reach_the_caller_and_the_pool_goes_on) {
  const auto pool = make_pool(2);
  std::atomic<int> ran{0};
  const auto loop = [&] {
    pool->parallel_for(50, [&](std::size_t task, std::size_t) {
      ++ran;
      if (task % 10 == 3) {
        throw std::bad_alloc();
      }
    });
  };
  EXPECT_THROW(loop(), std::bad_alloc);
  EXPECT_EQ(ran.load(), 50);
  EXPECT_THROW(pool->run([] { throw std::runtime_error("step"); }), std::runtime_error);
  EXPECT_THROW(pool->run(loop), std::bad_alloc);
  pool->parallel_for(50, [&](std::size_t, std::size_t) { ++ran; });
  EXPECT_EQ(ran.load(), 150);
}

TEST(WorkerPool, F070_threads_are_named_and_block_all_signals_and_the_caller_is_unchanged) {
  sigset_t before;
  cpu_set_t cpus_before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  pthread_getaffinity_np(pthread_self(), sizeof(cpus_before), &cpus_before);
  auto pool = WorkerPool::create({.num_threads = 1, .pin = true});
  ASSERT_TRUE(pool.ok());
  std::string name(16, '\0');
  bool blocks_all = true;
  (*pool)->run([&] {
    pthread_getname_np(pthread_self(), name.data(), name.size());
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGPIPE, SIGCHLD, SIGHUP, SIGALRM}) {
      blocks_all = blocks_all && sigismember(&mask, number) == 1;
    }
  });
  EXPECT_STREQ(name.c_str(), "moe-worker-0");
  EXPECT_TRUE(blocks_all);
  sigset_t after;
  cpu_set_t cpus_after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  pthread_getaffinity_np(pthread_self(), sizeof(cpus_after), &cpus_after);
  for (int number = 1; number < 32; ++number) {
    EXPECT_EQ(sigismember(&before, number), sigismember(&after, number)) << number;
  }
  EXPECT_TRUE(CPU_EQUAL(&cpus_before, &cpus_after));
}

TEST(WorkerPool, rounding_of_the_host_does_not_reach_the_workers) {
  const int before = std::fegetround();
  std::fesetround(FE_UPWARD);
  const auto pool = make_pool(2);
  std::fesetround(before);
  std::atomic<int> rounding{-1};
  pool->run([&] { rounding = std::fegetround(); });
  EXPECT_EQ(rounding.load(), FE_TONEAREST);
}

TEST(WorkerPool, more_threads_than_allowed_are_refused_or_said) {
  EXPECT_EQ(WorkerPool::create({.num_threads = 100000}).status().code(), Code::invalid_argument);
  EXPECT_NE(make_pool(64)->description().find("yields"), std::string::npos);
}

TEST(WorkerPool, members_share_the_pool_one_at_a_time) {
  const auto pool = make_pool(2);
  int inside = 0;  // not atomic: the turn protects it
  int total = 0;
  const auto use = [&](std::uint32_t weight) {
    WorkerPool::Member member(pool, weight);
    for (int i = 0; i < 300; ++i) {
      member.acquire();
      EXPECT_EQ(++inside, 1);
      member.pool().parallel_for(3, [&](std::size_t task, std::size_t) {
        if (task == 0) {
          ++total;
        }
      });
      --inside;
      member.release();
    }
  };
  std::thread a(use, 1);
  std::thread b(use, 2);
  std::thread c(use, 5);
  a.join();
  b.join();
  c.join();
  EXPECT_EQ(total, 900);
}

TEST(WorkerPool, pools_come_and_go) {
  for (int i = 0; i < 50; ++i) {
    const auto pool = make_pool(3);
    std::atomic<int> count{0};
    pool->parallel_for(3, [&](std::size_t, std::size_t) { ++count; });
    EXPECT_EQ(count.load(), 3);
  }
}

// F-072: a forked child has no workers; destroying the pool there must not wait for them.
TEST(WorkerPool, F072_a_forked_child_can_destroy_the_pool) {
  auto pool = make_pool(2);
  auto member = std::make_unique<WorkerPool::Member>(pool, 1);
  const ForkGuard guard;
  EXPECT_FALSE(guard.in_child());
  const pid_t child = fork();
  if (child == 0) {
    const bool knows = guard.in_child();
    member.reset();
    pool.reset();
    _exit(knows ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  std::atomic<int> count{0};
  pool->parallel_for(5, [&](std::size_t, std::size_t) { ++count; });
  EXPECT_EQ(count.load(), 5);
}

}  // namespace
}  // namespace moe::base
