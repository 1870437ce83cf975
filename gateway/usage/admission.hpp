// The one admission object of a request: its place in the concurrency limits, its ledger identity, its cumulative
// counts and its end. Nothing else gives a place back or writes a terminal record, whatever the route and the ending:
//
//   refused before start     destroyed without a step: the place comes back, no record
//   started                  the first step carries the admission row, every step the counts, the last step of the last
//                            sequence the terminal record; after its commit settle() gives the place back, once
//
// Shared by the exchange (any thread), the step thread and the ledger thread. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "ledger/ledger.hpp"
#include "limits/limits.hpp"

namespace moegate::usage {

// Why somebody other than the engine wants a request to end. The first wish wins.
enum class EndReason : std::uint8_t { none, cancelled, disconnected, deadline, shed };

// How one sequence (one prompt of the request) ended in the engine.
enum class SequenceEnd : std::uint8_t { stop, length, tool_calls, cancelled, deadline, error, not_started };

struct AdmissionOptions {
  ledger::Admission row;
  std::unique_ptr<limits::Limiter::Slot> slot;
  std::size_t sequences = 1;
  bool bill_failed = false;
  std::chrono::steady_clock::time_point received{};
};

class Admission {
 public:
  explicit Admission(AdmissionOptions options);
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  const ledger::Admission& row() const { return row_; }
  std::chrono::steady_clock::time_point received() const { return received_; }

  // False if the request has ended or another reason came first.
  bool want_end(EndReason reason);
  EndReason wanted_end() const { return wanted_; }
  // When the wish came; epoch if none.
  std::chrono::steady_clock::time_point wanted_at() const;

  // [step] Cumulative counts of one sequence so far; smaller ones than before are ignored.
  void count(std::size_t sequence, const ledger::Counts& counts, std::chrono::steady_clock::time_point now);
  // [step] The last that comes of a sequence; a second one is ignored.
  void finish(std::size_t sequence, SequenceEnd end, std::uint64_t queue_us,
              std::vector<std::array<std::uint8_t, 32>> route_digests);
  // [step] Adds to the batch what changed since the last call: the admission row once, then progress, at last the
  // terminal record (true).
  bool emit(ledger::Batch& batch, std::int64_t wall_us, std::chrono::steady_clock::time_point now);
  ledger::Counts counts() const;

  // [ledger] What became durable since the last call, for counters.
  ledger::Counts confirm(const ledger::Counts& durable);
  // [ledger] After the commit of the terminal record, or when the ledger failed for good: gives the place back. False
  // for every further call, which does nothing.
  bool settle();

  // Facts of the terminal record, valid after emit() returned true.
  ledger::Outcome outcome() const;
  std::uint64_t ttft_us() const;
  std::uint64_t duration_us() const;
  std::uint64_t queue_us() const;

 private:
  struct Sequence {
    ledger::Counts counts;
    bool is_finished = false;
    SequenceEnd end = SequenceEnd::stop;
    std::vector<std::array<std::uint8_t, 32>> digests;
  };

  ledger::Counts sum() const;
  ledger::Outcome decide_outcome() const;
  ledger::Terminal terminal(std::int64_t wall_us, std::chrono::steady_clock::time_point now);

  const ledger::Admission row_;
  const bool bill_failed_;
  const std::chrono::steady_clock::time_point received_;
  std::atomic<EndReason> wanted_{EndReason::none};

  mutable std::mutex mutex_;  // guards everything below
  std::unique_ptr<limits::Limiter::Slot> slot_;
  std::vector<Sequence> sequences_;
  ledger::Counts durable_;
  bool is_row_sent_ = false, is_changed_ = false, is_ended_ = false, is_settled_ = false;
  ledger::Outcome outcome_ = ledger::Outcome::completed;
  std::chrono::steady_clock::time_point first_token_{}, wanted_at_{};
  std::uint64_t queue_us_ = 0, ttft_us_ = 0, duration_us_ = 0;
};

}  // namespace moegate::usage
