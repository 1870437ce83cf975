#include "backend/prepare_pool.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace moegate::backend {
namespace {

// Opens once; whoever waits before goes on then.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    wake_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_open_ = false;
};

// A pool of one thread that is busy until the gate opens.
struct BusyPool {
  explicit BusyPool(std::size_t jobs = 100, std::uint64_t bytes = 1000) : pool(1, jobs, bytes) {
    EXPECT_NE(pool.submit("busy", 0,
                          [this] {
                            started.open();
                            gate.wait();
                          }),
              0U);
    started.wait();
  }
  ~BusyPool() { gate.open(); }
  Gate started, gate;
  PreparePool pool;
};

TEST(PreparePool, projects_take_turns) {
  std::string order;
  Gate done;
  BusyPool busy;
  for (int i = 0; i < 3; ++i) busy.pool.submit("a", 1, [&] { order += 'a'; });
  for (int i = 0; i < 2; ++i) busy.pool.submit("b", 1, [&] { order += 'b'; });
  busy.pool.submit("c", 1, [&] { order += 'c'; });
  busy.pool.submit("z", 1, [&] { order += 'z'; });
  busy.pool.submit("zz", 1, [&] { done.open(); });
  busy.gate.open();
  done.wait();
  while (busy.pool.waiting() > 0) std::this_thread::yield();
  busy.pool.stop();
  // "busy" was served last, then the names in order, round and round: the flood of "a" waits behind its own.
  EXPECT_EQ(order, "czababa");
}

TEST(PreparePool, bounds_hold_in_jobs_and_bytes) {
  BusyPool busy(3, 1000);
  EXPECT_NE(busy.pool.submit("a", 600, [] {}), 0U);
  EXPECT_EQ(busy.pool.submit("a", 500, [] {}), 0U) << "bytes";
  EXPECT_EQ(busy.pool.submit("a", UINT64_MAX, [] {}), 0U);
  EXPECT_NE(busy.pool.submit("a", 300, [] {}), 0U);
  EXPECT_NE(busy.pool.submit("b", 0, [] {}), 0U);
  EXPECT_EQ(busy.pool.submit("b", 0, [] {}), 0U) << "jobs";
  EXPECT_EQ(busy.pool.waiting(), 3U);
}

TEST(PreparePool, what_waits_leaves_with_its_client) {
  bool has_run = false;
  BusyPool busy(1, 10);
  const auto ticket = busy.pool.submit("a", 10, [&] { has_run = true; });
  EXPECT_TRUE(busy.pool.withdraw(ticket));
  EXPECT_FALSE(busy.pool.withdraw(ticket));
  EXPECT_NE(busy.pool.submit("a", 10, [] {}), 0U) << "its room is free again";
  busy.gate.open();
  busy.pool.stop();
  EXPECT_FALSE(has_run);
}

TEST(PreparePool, a_stopped_pool_takes_nothing) {
  PreparePool pool(2, 10, 10);
  pool.stop();
  EXPECT_EQ(pool.submit("a", 1, [] {}), 0U);
}

}  // namespace
}  // namespace moegate::backend
