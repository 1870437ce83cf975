#include "ledger/sqlite.hpp"

#include <utility>

namespace moegate::ledger::sql {

void fail(sqlite3* db, std::string_view doing) {
  throw Error(db != nullptr ? sqlite3_extended_errcode(db) : SQLITE_NOMEM,
              std::string(doing) + ": " + (db != nullptr ? sqlite3_errmsg(db) : "out of memory"));
}

Connection::Connection(const std::filesystem::path& file, Mode mode) {
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                    (mode == Mode::read_write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
  if (sqlite3_open_v2(file.c_str(), &db_, flags, nullptr) != SQLITE_OK) {
    const Error error(db_ != nullptr ? sqlite3_extended_errcode(db_) : SQLITE_NOMEM,
                      file.filename().string() + ": " + (db_ != nullptr ? sqlite3_errmsg(db_) : "out of memory"));
    close();
    throw error;
  }
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);  // the ledger thread decides when
  sqlite3_busy_timeout(db_, 100);
}

Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(db_, other.db_);
  return *this;
}

void Connection::close() {
  sqlite3_close_v2(db_);
  db_ = nullptr;
}

void execute(sqlite3* db, const std::string& text) {
  if (sqlite3_exec(db, text.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail(db, text.substr(0, 40));
}

Statement::Statement(sqlite3* db, std::string_view text) {
  if (sqlite3_prepare_v3(db, text.data(), static_cast<int>(text.size()), SQLITE_PREPARE_PERSISTENT, &statement_,
                         nullptr) != SQLITE_OK) {
    fail(db, text.substr(0, 40));
  }
}

namespace {

void check_bound(sqlite3_stmt* statement, int result) {
  if (result != SQLITE_OK) fail(sqlite3_db_handle(statement), "binding a value");
}

}  // namespace

Statement& Statement::bind(int position, std::int64_t value) {
  check_bound(statement_, sqlite3_bind_int64(statement_, position, value));
  return *this;
}

Statement& Statement::bind(int position, std::string_view text) {
  // A view without data would bind NULL.
  const char* data = text.data() != nullptr ? text.data() : "";
  check_bound(statement_, sqlite3_bind_text64(statement_, position, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(int position, std::span<const std::uint8_t> bytes) {
  const void* data = bytes.empty() ? static_cast<const void*>("") : bytes.data();
  check_bound(statement_, sqlite3_bind_blob64(statement_, position, data, bytes.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind(int position, const Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return bind(position, *integer);
  if (const auto* text = std::get_if<std::string>(&cell)) return bind(position, std::string_view(*text));
  if (const auto* blob = std::get_if<Blob>(&cell)) return bind(position, std::span<const std::uint8_t>(*blob));
  check_bound(statement_, sqlite3_bind_null(statement_, position));
  return *this;
}

Statement& Statement::bind_row(const Row& row) {
  for (std::size_t i = 0; i < row.size(); ++i) bind(static_cast<int>(i) + 1, row[i]);
  return *this;
}

bool Statement::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  sqlite3* db = sqlite3_db_handle(statement_);
  const Error error(sqlite3_extended_errcode(db), sqlite3_errmsg(db));
  sqlite3_reset(statement_);
  throw error;
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Statement::run() {
  while (step()) {
  }
  reset();
}

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Blob Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  if (data == nullptr) return {};
  return {data, data + sqlite3_column_bytes(statement_, column)};
}

Cell Statement::cell(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_INTEGER:
      return integer(column);
    case SQLITE_TEXT:
      return text(column);
    case SQLITE_BLOB:
      return blob(column);
    case SQLITE_FLOAT:
      // No column holds one: only damage can bring it here. Its digits differ from every integer's canonical form.
      return "float " + text(column);
    default:
      return {};
  }
}

Row Statement::row() const {
  Row row;
  row.reserve(static_cast<std::size_t>(columns()));
  for (int i = 0; i < columns(); ++i) row.push_back(cell(i));
  return row;
}

Transaction::Transaction(sqlite3* db, const char* begin) : db_(db) { execute(db, begin); }

Transaction::~Transaction() {
  // After some errors SQLite has rolled back by itself.
  if (is_open_ && sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  execute(db_, "COMMIT");
  is_open_ = false;
}

std::int64_t query_integer(sqlite3* db, std::string_view text) {
  Statement statement(db, text);
  return statement.step() ? statement.integer(0) : 0;
}

}  // namespace moegate::ledger::sql
