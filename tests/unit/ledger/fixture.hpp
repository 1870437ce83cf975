// A fresh data directory with an opened ledger, and short ways to make batches.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "ledger/data_dir.hpp"
#include "ledger/ledger.hpp"
#include "ledger/sqlite.hpp"

namespace moegate::ledger {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    // Memory where there is such a folder: every commit syncs, and what is tested here survives a process, not a power
    // cut.
    const bool has_memory = ::access("/dev/shm", W_OK) == 0;
    std::string name = (has_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/moegate-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Options test_options(const std::filesystem::path& dir) {
  Options options;
  options.dir = dir;
  options.mac_key.assign(32, 7);
  options.now_us = [] { return std::int64_t{1'780'000'000'000'000}; };
  return options;
}

inline std::unique_ptr<Ledger> open_ledger(Options options) {
  auto ledger = Ledger::open(std::move(options));
  EXPECT_TRUE(ledger.ok()) << ledger.status().message();
  return ledger.ok() ? std::move(*ledger) : nullptr;
}

inline Admission admission(const std::string& id) {
  Admission a;
  a.request_id = id;
  a.org = "acme";
  a.project = "web";
  a.key_id = "k1";
  a.model = "demo";
  a.asked_model = "fast";
  a.api = "chat";
  a.mode = "stream";
  a.build_id = "test";
  a.admitted_at_us = 1'780'000'000'000'000;
  a.prompt_tokens = 10;
  a.hold_tokens = 110;
  return a;
}

inline Progress progress(const std::string& id, std::uint64_t output) { return {id, {10, 0, 0, output, 0}}; }

inline Terminal terminal(const std::string& id, std::uint64_t output, Outcome outcome = Outcome::completed) {
  Terminal t;
  t.request_id = id;
  t.counts = {10, 0, 0, output, 0};
  t.outcome = outcome;
  t.ended_at_us = 1'780'000'001'000'000;
  return t;
}

// Submits and waits for after_commit.
struct Answer {
  CommitResult result = CommitResult::failed;
  std::vector<std::int64_t> records;
};
inline Answer submit_and_wait(Ledger& ledger, Batch batch) {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_done = false;
  Answer answer;
  batch.after_commit = [&](CommitResult result, const std::vector<std::int64_t>& records) {
    const std::lock_guard lock(mutex);
    answer = {result, records};
    is_done = true;
    changed.notify_all();
  };
  ledger.submit(std::move(batch));
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return is_done; });
  return answer;
}

// A request from admission to its end in one batch.
inline Answer run_request(Ledger& ledger, const std::string& id, std::uint64_t output) {
  Batch batch;
  batch.admissions.push_back(admission(id));
  batch.terminals.push_back(terminal(id, output));
  return submit_and_wait(ledger, std::move(batch));
}

inline std::int64_t query(Ledger& ledger, const std::string& text) {
  std::int64_t value = -1;
  const auto status = ledger.read([&](sqlite3* db) {
    value = sql::query_integer(db, text);
    return moe::Status();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  return value;
}

}  // namespace moegate::ledger
