// The gateway's end of on_step: copies a step, makes ONE ledger batch of it and hands it over; after the commit gives
// each request its events. Knows which tag belongs to which request. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend/running.hpp"
#include "ledger/ledger.hpp"
#include "moe/plugin.h"
#include "telemetry/metrics.hpp"

namespace moegate::backend {

class StepReceiver {
 public:
  StepReceiver(ledger::Ledger& ledger, telemetry::Metrics& metrics, std::function<std::int64_t()> wall_us);
  StepReceiver(const StepReceiver&) = delete;
  StepReceiver& operator=(const StepReceiver&) = delete;

  // Before start(), for every sequence of the request.
  void add(const std::shared_ptr<Running>& running);
  // start() of this sequence failed: no event will come. True if no sequence is left, so that the request has no record
  // if nothing of it ever ran; otherwise its record is written with the end of the others.
  void forget(const std::shared_ptr<Running>& running, std::size_t sequence, bool others_run);

  // [step] HOLD if the ledger's queue is full.
  std::int32_t on_step(const moe_plugin_step& step);
  // [ledger] Room again: a HOLD that is on its way becomes CONTINUE. True if one was given.
  bool end_hold();
  // Requests that have no terminal record yet.
  std::size_t active() const { return active_; }
  // Ended requests by ledger::Outcome, since start.
  std::array<std::uint64_t, 8> ended() const;
  // Wishes of all active requests, for drain.
  std::vector<std::shared_ptr<Running>> all() const;
  std::shared_ptr<Running> find(std::string_view request_id) const;

 private:
  struct Target {
    std::shared_ptr<Running> running;
    std::size_t sequence = 0;
    std::vector<std::array<std::uint8_t, 32>> digests;
    std::chrono::steady_clock::time_point last_token{};
  };
  struct Part;  // what the step brings to one request
  struct Work;  // the copy of one step

  void take(const moe_plugin_event& event, Work& work, std::chrono::steady_clock::time_point now);
  std::int32_t submit(std::shared_ptr<Work> work);
  void committed(const std::shared_ptr<Work>& work, ledger::CommitResult result,
                 const std::vector<std::int64_t>& records);
  void observe_step(const moe_plugin_step& step);
  void observe_end(const Running& running, const ledger::Counts& counts);
  void confirm(Part& part);

  ledger::Ledger* ledger_;
  telemetry::Metrics* metrics_;
  std::function<std::int64_t()> wall_us_;
  std::mutex order_;          // batches of one request reach the ledger in the order in which they were made
  mutable std::mutex mutex_;  // guards targets_
  std::unordered_map<std::uint64_t, Target> targets_;
  std::atomic<std::uint64_t> room_epoch_{0};
  std::atomic<bool> is_held_{false};
  std::atomic<std::size_t> active_{0};
  std::array<std::atomic<std::uint64_t>, 8> ended_{};
};

}  // namespace moegate::backend
