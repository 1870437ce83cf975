#include "ledger/audit.hpp"

#include <algorithm>

#include "core/digest.hpp"

namespace moegate::ledger {

std::string cell_text(const sql::Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return std::to_string(*integer);
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* blob = std::get_if<sql::Blob>(&cell)) return moe::to_hex(*blob);
  return "NULL";
}

std::string row_key(std::string_view table, const sql::Row& row) {
  if (row.empty()) return {};
  if (table == "projects" && row.size() > 1) return cell_text(row[0]) + "/" + cell_text(row[1]);
  return cell_text(row[0]);
}

void append_audit(sqlite3* db, std::span<const std::uint8_t> mac_key, const Change& change, const sql::Row* before,
                  const sql::Row& after) {
  std::int64_t seq = 0;
  Hash prev{};
  sql::Statement last(db, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1");
  if (last.step()) {
    seq = last.integer(0);
    const sql::Blob hash = last.blob(1);
    if (hash.size() == prev.size()) std::copy(hash.begin(), hash.end(), prev.begin());
  }
  last.reset();
  sql::Row row{seq + 1,
               change.at_us,
               change.actor,
               change.action,
               change.table,
               change.key,
               before != nullptr ? before->back() : sql::Cell{},
               after.back()};
  append_link("audit", row, prev, mac_key);
  sql::Statement(db, "INSERT INTO audit VALUES(?,?,?,?,?,?,?,?,?,?,?)").bind_row(row).run();
}

}  // namespace moegate::ledger
