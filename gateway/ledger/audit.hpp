// The append-only record of every change of the configuration (orgs, projects, keys, limits, admins): who, what, the
// mac of the row before and after, chained like usage. Written in the transaction of the change. Ledger thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ledger/canonical.hpp"
#include "ledger/sqlite.hpp"

namespace moegate::ledger {

struct Change {
  std::string actor;   // "admin:<id>", "unix:<uid>", "cli"
  std::string action;  // "key.create"
  std::string table;
  std::string key;  // the row's primary key, parts joined by "/"
  std::int64_t at_us = 0;
};

// Rows end in their mac; `before` is null for a new row.
void append_audit(sqlite3* db, std::span<const std::uint8_t> mac_key, const Change& change, const sql::Row* before,
                  const sql::Row& after);

// Key of a configuration row as findings and the audit name it ("acme/web").
std::string row_key(std::string_view table, const sql::Row& row);
std::string cell_text(const sql::Cell& cell);

}  // namespace moegate::ledger
