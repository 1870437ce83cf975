#include "ledger/integrity.hpp"

#include <algorithm>

#include "ledger/audit.hpp"
#include "ledger/schema.hpp"

namespace moegate::ledger {
namespace {

constexpr std::size_t kMaxFindings = 100;
constexpr const char* kConfigurationTables[] = {"orgs", "projects", "keys", "limits", "admins"};

bool takes_hash(const sql::Cell& cell, Hash* out) {
  const auto* blob = std::get_if<sql::Blob>(&cell);
  if (blob == nullptr || blob->size() != out->size()) return false;
  std::copy(blob->begin(), blob->end(), out->begin());
  return true;
}

}  // namespace

void Integrity::report(std::string table, std::string key, std::string what) {
  if (out_->findings.size() < kMaxFindings)
    out_->findings.push_back({std::move(table), std::move(key), std::move(what)});
}

void Integrity::guarded(const std::string& table, const std::function<void()>& check) {
  try {
    check();
  } catch (const sql::Error& error) {
    if (error.primary() == SQLITE_INTERRUPT) throw;
    report(table, "", std::string("cannot be read: ") + error.what());
  }
}

void Integrity::check_schema() {
  guarded("schema", [&] {
    for (const std::string& name : wrong_schema_objects(db_)) report("schema", name, "is not as this program makes it");
  });
}

void Integrity::check_audit(std::map<std::string, sql::Cell>* newest) {
  guarded("audit", [&] {
    sql::Statement rows(db_, "SELECT * FROM audit ORDER BY seq");
    Hash prev{};
    for (std::int64_t expected = 1; rows.step(); ++expected) {
      const sql::Row row = rows.row();
      ++out_->audit_rows;
      const std::string key = row_key("audit", row);
      Hash hash;
      if (cell_text(row[0]) != std::to_string(expected)) report("audit", key, "a record before it is missing");
      if (!link_holds("audit", row, prev, &hash)) report("audit", key, "its link in the chain does not fit");
      if (!mac_holds("audit", row, mac_key_)) report("audit", key, "its mac does not fit");
      takes_hash(row[row.size() - 2], &prev);
      if (const auto* seq = std::get_if<std::int64_t>(&row[0])) expected = *seq;
      (*newest)[cell_text(row[4]) + " " + cell_text(row[5])] = row[7];
    }
  });
}

void Integrity::check_configuration() {
  std::map<std::string, sql::Cell> newest;  // "table key" -> digest after its last change
  check_audit(&newest);
  for (const std::string table : kConfigurationTables) {
    guarded(table, [&] {
      sql::Statement rows(db_, "SELECT * FROM " + table + " NOT INDEXED");
      while (rows.step()) {
        const sql::Row row = rows.row();
        ++out_->configuration_rows;
        const std::string key = row_key(table, row);
        if (!mac_holds(table, row, mac_key_)) report(table, key, "its mac does not fit: the row was changed");
        const auto place = newest.find(table + " " + key);
        if (place == newest.end()) {
          report(table, key, "no audit record knows it");
          continue;
        }
        if (place->second != row.back()) report(table, key, "is not the state its last audit record names");
        newest.erase(place);
      }
    });
  }
  for (const auto& [name, digest] : newest) {
    const std::size_t blank = name.find(' ');
    report(name.substr(0, blank), name.substr(blank + 1), "is missing, the audit knows it");
  }
}

void Integrity::check_usage(std::int64_t from, std::int64_t to, Hash* prev) {
  guarded("usage", [&] {
    sql::Statement rows(db_, "SELECT * FROM usage NOT INDEXED WHERE seq BETWEEN ? AND ? ORDER BY seq");
    sql::Statement request(db_,
                           "SELECT org, project, key_id, model, asked_model, api, mode, end_user, admitted_at, counts "
                           "FROM requests WHERE request_id = ?");
    rows.bind(1, from).bind(2, to);
    std::int64_t expected = from;
    for (; rows.step(); ++expected) {
      const sql::Row row = rows.row();
      ++out_->usage_rows;
      const std::string key = cell_text(row[0]) + " (request " + cell_text(row[2]) + ")";
      if (std::get<std::int64_t>(row[0]) != expected) {
        report("usage", std::to_string(expected), "is missing");
        expected = std::get<std::int64_t>(row[0]);
      }
      Hash hash;
      if (!link_holds("usage", row, *prev, &hash)) report("usage", key, "its link in the chain does not fit");
      if (!mac_holds("usage", row, mac_key_)) report("usage", key, "its mac does not fit: the row was changed");
      takes_hash(row[row.size() - 2], prev);
      request.bind(1, row[2]);
      if (!request.step()) {
        report("requests", cell_text(row[2]), "is missing, a usage record names it");
      } else if (request.row() !=
                 sql::Row{row[4], row[5], row[6], row[7], row[8], row[9], row[10], row[11], row[20], row[19]}) {
        report("usage", key, "contradicts its requests row");
      }
      request.reset();
    }
    if (expected <= to) report("usage", std::to_string(expected), "is missing");
  });
}

void Integrity::check_requests(std::int64_t from, std::int64_t to) {
  guarded("requests", [&] {
    sql::Statement rows(db_, "SELECT * FROM requests NOT INDEXED WHERE rowid BETWEEN ? AND ? ORDER BY rowid");
    sql::Statement ended(db_,
                         "SELECT 1 FROM usage WHERE request_id = ?1 AND kind = 'usage' "
                         "UNION ALL SELECT 1 FROM progress WHERE request_id = ?1");
    rows.bind(1, from).bind(2, to);
    while (rows.step()) {
      const sql::Row row = rows.row();
      ++out_->request_rows;
      const std::string key = row_key("requests", row);
      if (!mac_holds("requests", row, mac_key_)) report("requests", key, "its mac does not fit: the row was changed");
      ended.bind(1, row[0]);
      if (!ended.step()) report("requests", key, "has neither progress nor a terminal record");
      ended.reset();
    }
  });
}

void Integrity::check_progress() {
  guarded("progress", [&] {
    sql::Statement rows(db_, "SELECT * FROM progress");
    sql::Statement request(db_, "SELECT 1 FROM requests WHERE request_id = ?");
    while (rows.step()) {
      const sql::Row row = rows.row();
      const std::string key = row_key("progress", row);
      if (!mac_holds("progress", row, mac_key_)) report("progress", key, "its mac does not fit: the row was changed");
      request.bind(1, row[0]);
      if (!request.step()) report("requests", key, "is missing, a progress row names it");
      request.reset();
    }
  });
}

void Integrity::check_reached(const char* table, std::int64_t seq, const Hash& hash) {
  if (seq == 0) return;
  sql::Statement row(db_, std::string("SELECT hash FROM ") + table + " WHERE seq = ?");
  row.bind(1, seq);
  if (!row.step()) {
    row.reset();
    const std::int64_t last = sql::query_integer(db_, std::string("SELECT coalesce(max(seq), 0) FROM ") + table);
    report(table, std::to_string(last),
           "is the last record of ledger.db, but the file heads has signed record " + std::to_string(seq) +
               ": this is an older database; restore the newest copy of both files");
    return;
  }
  Hash found{};
  if (!takes_hash(row.cell(0), &found) || found != hash) {
    report(table, std::to_string(seq),
           "is not the record that the file heads has signed: ledger.db and heads are of "
           "different histories");
  }
}

void Integrity::check_head(const Head& head) {
  guarded("usage", [&] { check_reached("usage", head.usage_seq, head.usage_hash); });
  guarded("audit", [&] { check_reached("audit", head.audit_seq, head.audit_hash); });
}

void Integrity::check_pages() {
  guarded("ledger.db", [&] {
    sql::Statement rows(db_, "PRAGMA integrity_check(20)");
    while (rows.step()) {
      if (rows.text(0) != "ok") report("ledger.db", "", rows.text(0));
    }
  });
}

std::string summary(const std::vector<Finding>& findings) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(findings.size(), kShown); ++i) {
    const Finding& finding = findings[i];
    if (i > 0) text += "; ";
    text += finding.table + (finding.key.empty() ? "" : " " + finding.key) + ": " + finding.what;
  }
  if (findings.size() > kShown) text += "; and " + std::to_string(findings.size() - kShown) + " more";
  return text;
}

}  // namespace moegate::ledger
