// The threads that render and tokenise. Bounded in requests and bytes, served round-robin by project, so that one
// project's flood waits behind its own. What waits leaves when its client does. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace moegate::backend {

class PreparePool {
 public:
  PreparePool(unsigned threads, std::size_t max_jobs, std::uint64_t max_bytes);
  ~PreparePool();  // what waits is dropped
  PreparePool(const PreparePool&) = delete;
  PreparePool& operator=(const PreparePool&) = delete;

  // 0 if the queue is full: `work` will not run. Else a ticket.
  std::uint64_t submit(const std::string& project, std::uint64_t bytes, std::function<void()> work);
  // True if the job was still waiting: it will not run.
  bool withdraw(std::uint64_t ticket);
  std::size_t waiting() const;
  void stop();

 private:
  struct Job {
    std::uint64_t ticket = 0;
    std::uint64_t bytes = 0;
    std::function<void()> work;
  };

  void run();
  Job take();

  const std::size_t max_jobs_;
  const std::uint64_t max_bytes_;
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable wake_;
  std::map<std::string, std::deque<Job>> lanes_;  // projects with work
  std::string last_;                              // project served last
  std::size_t jobs_ = 0;
  std::uint64_t bytes_ = 0, next_ticket_ = 1;
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace moegate::backend
