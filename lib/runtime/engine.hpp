// The engine: KV blocks, scheduler and step loop of one model. Owns its loop thread; kernels run on the worker pool.
// Public functions may be called from any thread and do not wait for a step, except stop().
//   mutex_           commands for the loop (new sequences, hold, stop)
//   delivery_mutex_  held while the sink runs, so that detach() can wait for it
//   stats_mutex_     the published numbers
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/worker_pool.hpp"
#include "model/model.hpp"
#include "runtime/admission.hpp"
#include "runtime/kv_pool.hpp"
#include "runtime/sequence.hpp"
#include "runtime/step_runner.hpp"

namespace moe::runtime {

struct EngineOptions {
  std::uint32_t max_sequences = 64;
  std::uint64_t kv_cache_bytes = 0;  // 0 = 8 full contexts, at most a quarter of the memory
  std::uint32_t prefill_chunk = 256;
  std::uint32_t weight = 1;
  std::shared_ptr<base::WorkerPool> pool;  // null = own ones
  // Called once a step on the loop thread; true = HOLD. Empty: events go to the queues that read() takes from.
  std::function<bool(const StepReport&)> sink;
};

struct EngineStats {
  std::uint32_t running = 0;
  std::uint32_t waiting = 0;
  std::uint32_t num_threads = 0;
  std::uint64_t kv_blocks_total = 0;
  std::uint64_t kv_blocks_used = 0;
  std::uint64_t kv_misuses = 0;  // blocks released or shared while free: 0, or a bug
  std::uint64_t max_sequence_tokens = 0;
  std::uint64_t steps = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t sequences_started = 0;
  std::uint64_t sequences_finished = 0;
  std::uint64_t step_ns = 0;
  std::uint64_t last_step_ns = 0;
  std::uint64_t weights_bytes = 0;
  std::uint64_t kv_cache_bytes = 0;
};

class Engine {
 public:
  // Errors: INVALID_ARGUMENT (KV memory below one block), RESOURCE_EXHAUSTED with the sum.
  static Result<std::shared_ptr<Engine>> create(std::shared_ptr<const model::Model> model,
                                                const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Checks and queues; the first call a sequence only. Errors as moe_sequence_start.
  Status start(const std::shared_ptr<Sequence>& sequence, Request request);
  void cancel(Sequence& sequence);
  void pause(Sequence& sequence);
  void resume(Sequence& sequence);
  // No event of this sequence from here on; waits for a sink that runs, unless called by it.
  void detach(Sequence& sequence);
  // Next event of the pull interface. Errors: DEADLINE_EXCEEDED, NOT_FOUND (final event was read), UNSUPPORTED (sink).
  Status read(Sequence& sequence, std::uint64_t timeout_ms, Event& out);
  void release_hold();
  // Ends every sequence with its final event and joins the loop. Idempotent. Not from the sink.
  void stop();
  // In a forked child: gives the memory back, touches no lock and no thread.
  void abandon();

  EngineStats stats() const;
  // [phase][moe layer][expert], and the steps included.
  std::vector<std::uint64_t> expert_counts(std::uint64_t& epoch) const;
  const model::Model& model() const { return *model_; }
  bool has_sink() const { return static_cast<bool>(options_.sink); }

 private:
  Engine(std::shared_ptr<const model::Model> model, EngineOptions options, KvPool pool);
  Status check(const Request& request) const;
  std::uint64_t blocks_needed(const Request& request) const;
  std::uint64_t largest_max_tokens(const Request& request) const;
  void wake();

  bool start_loop();
  void run();
  void take_commands(bool& is_stopping, bool& is_held);
  void end_requested(bool is_stopping);
  void admit();
  bool try_step();
  void finish_sequence(Sequence& sequence, Finish finish, const Status& status);
  void finish_done();
  void publish();
  void deliver();
  void wait_for_work();

  std::shared_ptr<const model::Model> model_;
  EngineOptions options_;
  KvPool kv_;
  std::unique_ptr<base::WorkerPool::Member> member_;
  StepRunner runner_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::shared_ptr<Sequence>> incoming_;  // guarded by mutex_
  std::uint64_t num_waiting_ = 0;                    // incoming and queued, guarded by mutex_
  bool is_changed_ = false;                          // guarded by mutex_
  bool is_held_ = false;                             // guarded by mutex_
  std::uint64_t num_releases_ = 0;                   // guarded by mutex_
  bool is_stopping_ = false;                         // guarded by mutex_

  std::mutex delivery_mutex_;
  mutable std::mutex stats_mutex_;
  EngineStats published_;  // guarded by stats_mutex_

  // Loop thread.
  AdmissionQueue queue_;
  std::vector<std::shared_ptr<Sequence>> running_;
  std::size_t choices_running_ = 0;
  EngineStats totals_;
  StepReport report_;
  std::vector<Event*> visible_;  // events of this step whose owners still listen

  std::unique_ptr<std::thread> thread_;
  std::thread::id loop_id_;
};

}  // namespace moe::runtime
