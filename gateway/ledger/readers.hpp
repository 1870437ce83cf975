// Read-only connections, kept for reuse; a reader that holds its snapshot beyond the limit is interrupted, so that the
// write-ahead log can always shrink. Any thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <vector>

#include "core/status.hpp"
#include "ledger/sqlite.hpp"

namespace moegate::ledger {

class Readers {
 public:
  explicit Readers(std::filesystem::path file) : file_(std::move(file)) {}
  moe::Status run(std::chrono::milliseconds limit, const std::function<moe::Status(sqlite3*)>& work);

 private:
  sql::Connection take();

  std::filesystem::path file_;
  std::mutex mutex_;  // guards idle_
  std::vector<sql::Connection> idle_;
};

// What a failed statement means to a caller.
moe::Status status_of(const sql::Error& error);

}  // namespace moegate::ledger
