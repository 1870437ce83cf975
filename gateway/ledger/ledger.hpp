// The metering ledger: the one writer of <data>/ledger.db, on a thread of its own. What was handed over since the last
// commit goes into one transaction (group commit); after it is durable each batch's after_commit runs, and only then
// may a token reach a socket (docs/architecture.md, DESIGN invariants 1-4).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"

struct sqlite3;

namespace moegate::ledger {

enum class Outcome : std::uint8_t {
  completed,
  length,
  cancelled,
  disconnected,
  deadline,
  shed,
  engine_error,
  interrupted
};
std::string_view outcome_name(Outcome outcome);

// Cumulative, of one request over all its choices. The four tiers are disjoint; reasoning lies inside output.
struct Counts {
  std::uint64_t input = 0;  // prompt tokens computed, not cached
  std::uint64_t cache_read = 0;
  std::uint64_t cache_write = 0;
  std::uint64_t output = 0;
  std::uint64_t reasoning = 0;
};

struct Admission {
  std::string request_id;  // ULID
  std::string org, project, key_id;
  std::string model;        // served
  std::string asked_model;  // as the client wrote it, bounded
  std::string api;          // "chat" | "completions"
  std::string mode;         // "oneshot" | "stream"
  std::string build_id;
  std::string counts_grade = "exact";
  std::string end_user;             // tag, may be empty
  std::int64_t admitted_at_us = 0;  // the request's one clock reading, UTC
  std::uint64_t prompt_tokens = 0;  // exact count of the rendered prompt
  std::uint64_t hold_tokens = 0;    // prompt + choices x max_tokens
  std::uint64_t seed = 0;
  std::uint32_t choices = 1;
};

struct Progress {
  std::string request_id;
  Counts counts;
};

struct Terminal {
  std::string request_id;
  Counts counts;
  Outcome outcome = Outcome::completed;
  bool billable = true;
  std::int64_t ended_at_us = 0;
  std::uint64_t queue_us = 0, ttft_us = 0, duration_us = 0;
  std::vector<std::array<std::uint8_t, 32>> route_digests;  // one a choice, may be empty
};

enum class CommitResult : std::uint8_t { durable, failed };  // failed: nothing of it may be delivered, ever

struct Batch {
  std::vector<Admission> admissions;  // ride in the commit of their request's first event
  std::vector<Progress> progress;
  std::vector<Terminal> terminals;
  // On the ledger thread; must not block. `records` holds the usage seq of each terminal, in order.
  std::function<void(CommitResult, const std::vector<std::int64_t>& records)> after_commit;
};

struct Options {
  std::filesystem::path dir;             // the data directory, locked by the caller
  bool durable_per_request = false;      // metering.durability = "request"
  std::size_t max_unsynced_steps = 4;    // batches waiting before submit says "hold"
  std::vector<std::uint8_t> mac_key;     // 32 bytes: DataDir::derive(kLedgerMacLabel)
  std::function<std::int64_t()> now_us;  // UTC microseconds; empty = the wall clock
  std::int64_t read_limit_ms = 2000;     // a reader that holds its snapshot longer is interrupted
};

enum class State : std::uint8_t { serving, disk_full, failed };

struct Stats {
  State state = State::serving;
  std::uint64_t commits = 0, records = 0, recovered_records = 0;
  std::uint64_t unsynced_batches = 0, unsynced_tokens = 0;
  Counts totals;                                        // durable, of all usage rows, monotone over restarts
  std::map<std::string, Counts> model_totals;           // the same a model
  std::map<std::string, Counts> model_totals_at_start;  // after recovery: what this process added is the difference
  std::uint64_t wal_bytes = 0;  // of the write-ahead log; stays small unless a foreign reader holds a snapshot
};

// A changed, missing or unreadable row, or an object of the schema.
struct Finding {
  std::string table, key, what;
};

struct Verification {
  std::vector<Finding> findings;  // at most 100
  std::uint64_t usage_rows = 0, request_rows = 0, audit_rows = 0, configuration_rows = 0;
  std::int64_t last_seq = 0;
  std::string last_hash;  // hex
};

class Ledger {
 public:
  // Creates or migrates the schema, checks the chain against the signed head, recovers interrupted requests.
  // Errors: INVALID_ARGUMENT (newer schema; damaged row: table and key named; older database than the signed head),
  // UNAVAILABLE (file, lock).
  static moe::Result<std::unique_ptr<Ledger>> open(Options options);
  virtual ~Ledger() = default;  // commits what is queued, seals, joins

  // Takes the batch in every case. False: the queue is at its bound, the engine must hold until on_room.
  // After failure: after_commit(failed) runs at once.
  virtual bool submit(Batch batch) = 0;
  // Called on the ledger thread when the queue has room again after submit returned false.
  virtual void on_room(std::function<void()> callback) = 0;
  // Called on the ledger thread at each change of state.
  virtual void on_state(std::function<void(State)> callback) = 0;
  // Observations for metrics: commit (fsync) seconds and batches a commit; on the ledger thread.
  virtual void on_commit(std::function<void(double seconds, std::size_t batches)> callback) = 0;

  // Runs `work` on the ledger thread inside a transaction of its own and waits for the commit. For configuration rows
  // (tenancy), retention, migration. Not from the ledger thread.
  virtual moe::Status transact(std::function<moe::Status(sqlite3*)> work) = 0;
  // Runs `work` on a read-only connection with a snapshot. Any thread, short.
  virtual moe::Status read(std::function<moe::Status(sqlite3*)> work) const = 0;

  // Walks everything: chains, macs, references, indexes, heads. In short snapshots, beside a running server.
  virtual moe::Result<Verification> verify() const = 0;

  virtual Stats stats() const = 0;
  // For rows that others write in transact(): the key of append_mac() (canonical.hpp).
  virtual const std::vector<std::uint8_t>& mac_key() const = 0;
};

}  // namespace moegate::ledger
