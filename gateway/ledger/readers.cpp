#include "ledger/readers.hpp"

#include <exception>

namespace moegate::ledger {
namespace {

constexpr std::size_t kMaxIdle = 4;
constexpr int kInstructionsBetweenLooks = 1000;  // of SQLite's machine: some microseconds

int is_late(void* deadline) {
  return std::chrono::steady_clock::now() > *static_cast<std::chrono::steady_clock::time_point*>(deadline) ? 1 : 0;
}

}  // namespace

moe::Status status_of(const sql::Error& error) {
  switch (error.primary()) {
    case SQLITE_CONSTRAINT:
    case SQLITE_NOTADB:
      return moe::invalid(error.what());
    case SQLITE_INTERRUPT:
      return {moe::Code::deadline_exceeded, "reading the ledger took too long: ask for less at once"};
    case SQLITE_FULL:
      return {moe::Code::unavailable, "the disk of the data directory is full"};
    default:
      return {moe::Code::unavailable, std::string("ledger.db: ") + error.what()};
  }
}

sql::Connection Readers::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      sql::Connection connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  sql::Connection connection(file_, sql::Connection::Mode::read_only);
  sqlite3_busy_timeout(connection.get(), 1000);
  return connection;
}

moe::Status Readers::run(std::chrono::milliseconds limit, const std::function<moe::Status(sqlite3*)>& work) {
  auto deadline = std::chrono::steady_clock::now() + limit;
  try {
    sql::Connection connection = take();
    sqlite3_progress_handler(connection.get(), kInstructionsBetweenLooks, is_late, &deadline);
    moe::Status status;
    {
      sql::Transaction snapshot(connection.get(), "BEGIN");
      status = work(connection.get());
    }
    sqlite3_progress_handler(connection.get(), 0, nullptr, nullptr);
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(connection));
    return status;
  } catch (const sql::Error& error) {
    return status_of(error);
  } catch (const std::exception& error) {
    return {moe::Code::internal, std::string("reading the ledger: ") + error.what()};
  }
}

}  // namespace moegate::ledger
