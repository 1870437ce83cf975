#include "backend/prepare_pool.hpp"

#include <algorithm>
#include <utility>

namespace moegate::backend {

PreparePool::PreparePool(unsigned threads, std::size_t max_jobs, std::uint64_t max_bytes)
    : max_jobs_(max_jobs), max_bytes_(max_bytes) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

PreparePool::~PreparePool() { stop(); }

std::uint64_t PreparePool::submit(const std::string& project, std::uint64_t bytes, std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (is_stopping_ || jobs_ >= max_jobs_ || bytes > max_bytes_ || bytes_ > max_bytes_ - bytes) return 0;
  ++jobs_;
  bytes_ += bytes;
  lanes_[project].push_back({next_ticket_, bytes, std::move(work)});
  wake_.notify_one();
  return next_ticket_++;
}

bool PreparePool::withdraw(std::uint64_t ticket) {
  Job dropped;  // destroyed outside the lock: it may hold the last reference to a request
  const std::lock_guard lock(mutex_);
  for (auto lane = lanes_.begin(); lane != lanes_.end(); ++lane) {
    auto& jobs = lane->second;
    const auto found = std::find_if(jobs.begin(), jobs.end(), [&](const Job& job) { return job.ticket == ticket; });
    if (found == jobs.end()) continue;
    dropped = std::move(*found);
    jobs.erase(found);
    if (jobs.empty()) lanes_.erase(lane);
    --jobs_;
    bytes_ -= dropped.bytes;
    return true;
  }
  return false;
}

std::size_t PreparePool::waiting() const {
  const std::lock_guard lock(mutex_);
  return jobs_;
}

void PreparePool::stop() {
  std::map<std::string, std::deque<Job>> dropped;
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    dropped.swap(lanes_);
    jobs_ = 0;
    bytes_ = 0;
    wake_.notify_all();
  }
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

// Precondition: the lock is held and a lane has work.
PreparePool::Job PreparePool::take() {
  auto lane = lanes_.upper_bound(last_);
  if (lane == lanes_.end()) lane = lanes_.begin();
  last_ = lane->first;
  Job job = std::move(lane->second.front());
  lane->second.pop_front();
  if (lane->second.empty()) lanes_.erase(lane);
  --jobs_;
  bytes_ -= job.bytes;
  return job;
}

void PreparePool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return is_stopping_ || !lanes_.empty(); });
    if (is_stopping_) return;
    {
      const Job job = take();
      lock.unlock();
      job.work();
    }
    lock.lock();
  }
}

}  // namespace moegate::backend
