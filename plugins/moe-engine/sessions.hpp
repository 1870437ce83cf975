// The running requests of all engines: tag to sequence, HOLD over all engines, and the thread that frees sequences that
// ended (a sequence must not be destroyed on a step thread). Owned by the backend; every function from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "kit/boundary.hpp"
#include "prepared.hpp"
#include "step_translator.hpp"

namespace moegate::plugins {

class Sessions {
 public:
  explicit Sessions(const moe_host& host);
  ~Sessions();  // after stop()
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // The user pointer of an engine's on_step, made before its engine. Lives as long as this.
  struct Port {
    Sessions* sessions = nullptr;
    const ServedModel* model = nullptr;  // set by attach, before the first start
    std::unique_ptr<StepTranslator> translator;
  };
  Port* make_port();
  void attach(Port& port, ServedModel& model);
  static std::int32_t on_step(void* port, const moe_step* step);

  moe::Status start(const PreparedPrompt& prepared, const moe_plugin_start_options& options);
  enum class Control { cancel, pause, resume };
  void control(std::uint64_t tag, Control what);
  void release();
  // Cancels what runs, waits for every FINAL and frees the sequences; then the engines may be destroyed.
  void stop();

 private:
  std::int32_t deliver(Port& port, const moe_step& step);
  void reap();

  const moe_host host_;
  std::mutex host_mutex_;  // one on_step at a time; taken before mutex_
  std::mutex mutex_;       // guards what follows; engine calls that do not block are made under it
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<moe_engine*> engines_;
  std::unordered_map<std::uint64_t, Sequence> running_;
  std::vector<Sequence> ended_;
  std::uint64_t releases_ = 0;
  bool is_held_ = false;
  bool is_reaping_ = false;
  bool is_stopping_ = false;
  bool is_reaping_done_ = false;
  std::thread reaper_;
};

}  // namespace moegate::plugins
