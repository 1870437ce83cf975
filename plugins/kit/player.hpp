// Runs scripted requests as an engine would: one step thread for all models, one batch of events a step, HOLD and
// back-pressure as plugin.h says. Owned by the plugin; every function from any thread, destruction from main.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "kit/boundary.hpp"
#include "kit/script_run.hpp"

namespace moegate::plugins {

struct ScriptedModel {
  std::string id;
  std::shared_ptr<const Script> script;
};

class Player {
 public:
  // step_ms: pause between steps, at least that of every script.
  Player(const moe_host& host, std::vector<ScriptedModel> models, std::int64_t step_ms);
  ~Player();
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  // Ends what still runs: each gets its FINAL with UNAVAILABLE, also under HOLD. The host may still call back
  // meanwhile.
  void stop();
  moe::Status start(std::unique_ptr<PreparedScript> prepared, const moe_plugin_start_options& options);
  void cancel(std::uint64_t tag);
  void set_paused(std::uint64_t tag, bool is_paused);
  void release();
  // NOT_FOUND for a model that is not served.
  moe::Status counters(std::string_view model, moe_plugin_counters& out) const;
  // [2, layers, experts]; empty if the model has no experts.
  moe::Status expert_counts(std::string_view model, std::vector<std::uint64_t>& out, std::uint64_t& epoch) const;
  const Script* find(std::string_view model) const;
  const std::vector<ScriptedModel>& models() const { return served_; }

 private:
  struct Served;
  struct Batch;

  void loop();
  Served* wait_for_work(std::unique_lock<std::mutex>& lock);
  void step(Served& model, std::unique_lock<std::mutex>& lock);
  void deliver(Served& model, EventList& events, Batch& batch, std::unique_lock<std::mutex>& lock);
  void end_all(std::unique_lock<std::mutex>& lock);
  void admit(Served& model);
  void remove_finished(Served& model, const std::vector<std::uint64_t>& tags);
  const Served* served(std::string_view model) const;
  std::int32_t call_host(const Served& model, EventList& events, const Batch& batch);

  const moe_host host_;
  const std::vector<ScriptedModel> served_;
  std::chrono::milliseconds pace_;
  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Served>> models_;
  std::unordered_map<std::uint64_t, ScriptRun*> by_tag_;
  Clock::time_point next_step_{};
  std::size_t next_model_ = 0;
  std::uint64_t releases_ = 0;
  bool is_held_ = false;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace moegate::plugins
