#include "tenancy/store.hpp"

#include "core/json.hpp"

namespace moegate::tenancy {
namespace {

using ledger::sql::Cell;
using ledger::sql::Error;
using ledger::sql::Statement;

Cell optional_cell(const std::optional<std::int64_t>& value) { return value ? Cell(*value) : Cell(); }

std::optional<std::int64_t> optional_integer(const Cell& cell) {
  if (const auto* value = std::get_if<std::int64_t>(&cell)) return *value;
  return std::nullopt;
}

Row to_row(const OrgRow& row) { return {row.org, row.valid_from, optional_cell(row.valid_to)}; }

Row to_row(const ProjectRow& row) { return {row.org, row.project, row.valid_from, optional_cell(row.valid_to)}; }

Row to_row(const KeyRow& row) {
  Cell models;
  if (!row.models.empty()) {
    moe::json::Value list = moe::json::Value::array();
    for (const std::string& model : row.models) list.push(moe::json::Value::string(model));
    models = moe::json::write(list);
  }
  return {row.key_id,
          row.org,
          row.project,
          row.name,
          row.secret_hmac,
          models,
          optional_cell(row.expires_at),
          row.valid_from,
          optional_cell(row.valid_to)};
}

Row to_row(const LimitRow& row) {
  return {row.limit_id,
          row.scope,
          row.scope_id,
          row.requests_per_minute,
          row.concurrent_requests,
          row.valid_from,
          optional_cell(row.valid_to)};
}

Row to_row(const AdminRow& row) {
  return {row.admin_id,
          row.name,
          row.role,
          row.secret_hmac,
          optional_cell(row.expires_at),
          row.valid_from,
          optional_cell(row.valid_to)};
}

std::vector<std::string> models_of(const Cell& cell) {
  std::vector<std::string> models;
  const auto* text = std::get_if<std::string>(&cell);
  if (text == nullptr) return models;
  const auto list = moe::json::parse(*text);
  if (!list.ok() || !list->is_array()) throw Error(SQLITE_NOTADB, "keys: a list of models cannot be read");
  for (const auto& item : list->items()) models.push_back(item.as_string());
  return models;
}

// A row that passed its mac was written by to_row(): its cells have the types given here.
const std::string& text(const Row& row, std::size_t i) { return std::get<std::string>(row[i]); }
std::int64_t integer(const Row& row, std::size_t i) { return std::get<std::int64_t>(row[i]); }

template <typename Take>
void read_table(sqlite3* db, const std::vector<std::uint8_t>& mac_key, const std::string& table,
                const std::string& condition, const Take& take) {
  Statement rows(db, "SELECT * FROM " + table + condition);
  while (rows.step()) {
    const Row row = rows.row();
    if (!ledger::mac_holds(table, row, mac_key)) {
      throw Error(SQLITE_NOTADB,
                  table + " " + ledger::row_key(table, row) + ": its mac does not fit: the row was changed");
    }
    take(row);
  }
}

void seal_and_insert(const Pen& pen, const std::string& table, const std::string& action, Row row) {
  ledger::append_mac(table, row, pen.mac_key);
  std::string text = "INSERT INTO " + table + " VALUES(?";
  for (std::size_t i = 1; i < row.size(); ++i) text += ",?";
  Statement(pen.db, text + ")").bind_row(row).run();
  ledger::append_audit(pen.db, pen.mac_key, {pen.actor, action, table, ledger::row_key(table, row), pen.now_us},
                       nullptr, row);
}

// Every ended row has valid_to in front of its mac and its key in its first column.
void seal_and_end(const Pen& pen, const std::string& table, const std::string& key_column, const std::string& action,
                  Row row) {
  Row before = row;
  ledger::append_mac(table, before, pen.mac_key);
  row.back() = pen.now_us;
  ledger::append_mac(table, row, pen.mac_key);
  Statement update(pen.db, "UPDATE " + table + " SET valid_to = ?, mac = ? WHERE " + key_column + " = ?");
  update.bind(1, pen.now_us).bind(2, row.back()).bind(3, row[0]);
  update.run();
  if (sqlite3_changes(pen.db) != 1) throw Error(SQLITE_CONSTRAINT, table + ": the row to end is not there");
  ledger::append_audit(pen.db, pen.mac_key, {pen.actor, action, table, ledger::row_key(table, row), pen.now_us},
                       &before, row);
}

}  // namespace

Tables read_tables(sqlite3* db, const std::vector<std::uint8_t>& mac_key) {
  Tables tables;
  read_table(db, mac_key, "orgs", " ORDER BY org", [&](const Row& row) {
    tables.orgs.push_back({text(row, 0), integer(row, 1), optional_integer(row[2])});
  });
  read_table(db, mac_key, "projects", " ORDER BY org, project", [&](const Row& row) {
    tables.projects.push_back({text(row, 0), text(row, 1), integer(row, 2), optional_integer(row[3])});
  });
  read_table(db, mac_key, "keys", " ORDER BY valid_from, key_id", [&](const Row& row) {
    tables.keys.push_back({text(row, 0), text(row, 1), text(row, 2), text(row, 3), std::get<Blob>(row[4]),
                           models_of(row[5]), optional_integer(row[6]), integer(row, 7), optional_integer(row[8])});
  });
  read_table(db, mac_key, "limits", " WHERE valid_to IS NULL ORDER BY limit_id", [&](const Row& row) {
    tables.limits.push_back({integer(row, 0), text(row, 1), text(row, 2), integer(row, 3), integer(row, 4),
                             integer(row, 5), optional_integer(row[6])});
  });
  read_table(db, mac_key, "admins", " ORDER BY valid_from, admin_id", [&](const Row& row) {
    tables.admins.push_back({text(row, 0), text(row, 1), text(row, 2), std::get<Blob>(row[3]), optional_integer(row[4]),
                             integer(row, 5), optional_integer(row[6])});
  });
  return tables;
}

void insert(const Pen& pen, const OrgRow& row) { seal_and_insert(pen, "orgs", "org.create", to_row(row)); }
void insert(const Pen& pen, const ProjectRow& row) { seal_and_insert(pen, "projects", "project.create", to_row(row)); }
void insert(const Pen& pen, const KeyRow& row) { seal_and_insert(pen, "keys", "key.create", to_row(row)); }
void insert(const Pen& pen, const AdminRow& row) { seal_and_insert(pen, "admins", "admin.create", to_row(row)); }
void end_key(const Pen& pen, const KeyRow& row) { seal_and_end(pen, "keys", "key_id", "key.revoke", to_row(row)); }
void end_admin(const Pen& pen, const AdminRow& row) {
  seal_and_end(pen, "admins", "admin_id", "admin.revoke", to_row(row));
}

std::int64_t replace_limit(const Pen& pen, const std::optional<LimitRow>& in_force, LimitRow row) {
  if (in_force) seal_and_end(pen, "limits", "limit_id", "limits.end", to_row(*in_force));
  row.limit_id = ledger::sql::query_integer(pen.db, "SELECT coalesce(max(limit_id), 0) + 1 FROM limits");
  seal_and_insert(pen, "limits", "limits.set", to_row(row));
  return row.limit_id;
}

}  // namespace moegate::tenancy
