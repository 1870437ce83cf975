// A small owner's wrapper over SQLite: connections, cached statements, rows of cells. Failures are thrown as sql::Error
// and stop in Ledger::transact / read / open, which turn them into a Status. One thread a connection.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace moegate::ledger::sql {

class Error : public std::runtime_error {
 public:
  Error(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  int code() const { return code_; }  // extended result code
  int primary() const { return code_ & 0xff; }

 private:
  int code_;
};

using Blob = std::vector<std::uint8_t>;
using Cell = std::variant<std::monostate, std::int64_t, std::string, Blob>;
using Row = std::vector<Cell>;

class Connection {
 public:
  enum class Mode : std::uint8_t { read_write, read_only };
  Connection() = default;
  Connection(const std::filesystem::path& file, Mode mode);
  ~Connection() { close(); }
  Connection(Connection&& other) noexcept : db_(other.db_) { other.db_ = nullptr; }
  Connection& operator=(Connection&& other) noexcept;

  sqlite3* get() const { return db_; }
  void close();

 private:
  sqlite3* db_ = nullptr;
};

void execute(sqlite3* db, const std::string& text);
[[noreturn]] void fail(sqlite3* db, std::string_view doing);

class Statement {
 public:
  Statement(sqlite3* db, std::string_view text);
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(Statement&& other) noexcept : statement_(other.statement_) { other.statement_ = nullptr; }
  Statement(const Statement&) = delete;

  // Positions count from 1.
  Statement& bind(int position, const Cell& cell);
  Statement& bind(int position, std::int64_t value);
  Statement& bind(int position, std::string_view text);
  Statement& bind(int position, std::span<const std::uint8_t> bytes);
  Statement& bind_row(const Row& row);
  // True if there is a row. Throws on every other end than done; the statement is reset then.
  bool step();
  void reset();
  // Steps to the end and resets: for statements without rows.
  void run();

  int columns() const { return sqlite3_column_count(statement_); }
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  std::string text(int column) const;
  Blob blob(int column) const;
  Cell cell(int column) const;
  Row row() const;

 private:
  sqlite3_stmt* statement_ = nullptr;
};

// BEGIN IMMEDIATE ... COMMIT; rolls back unless commit() was reached.
class Transaction {
 public:
  explicit Transaction(sqlite3* db, const char* begin = "BEGIN IMMEDIATE");
  ~Transaction();
  Transaction(const Transaction&) = delete;
  void commit();

 private:
  sqlite3* db_;
  bool is_open_ = true;
};

std::int64_t query_integer(sqlite3* db, std::string_view text);

}  // namespace moegate::ledger::sql
