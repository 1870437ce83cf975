// Configuration rows of tenants as they lie in the database, and the ways to read and change them. A change seals the
// row (mac) and writes its audit record in the caller's transaction. Throws ledger::sql::Error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/audit.hpp"
#include "ledger/sqlite.hpp"

namespace moegate::tenancy {

using ledger::sql::Blob;
using ledger::sql::Row;

struct OrgRow {
  std::string org;
  std::int64_t valid_from = 0;
  std::optional<std::int64_t> valid_to;
};

struct ProjectRow {
  std::string org, project;
  std::int64_t valid_from = 0;
  std::optional<std::int64_t> valid_to;
};

struct KeyRow {
  std::string key_id, org, project, name;
  Blob secret_hmac;
  std::vector<std::string> models;  // empty = all
  std::optional<std::int64_t> expires_at;
  std::int64_t valid_from = 0;
  std::optional<std::int64_t> valid_to;  // revoked then
};

struct LimitRow {
  std::int64_t limit_id = 0;
  std::string scope, scope_id;
  std::int64_t requests_per_minute = 0, concurrent_requests = 0;
  std::int64_t valid_from = 0;
  std::optional<std::int64_t> valid_to;
};

struct AdminRow {
  std::string admin_id, name, role;
  Blob secret_hmac;
  std::optional<std::int64_t> expires_at;
  std::int64_t valid_from = 0;
  std::optional<std::int64_t> valid_to;
};

struct Tables {
  std::vector<OrgRow> orgs;
  std::vector<ProjectRow> projects;
  std::vector<KeyRow> keys;
  std::vector<LimitRow> limits;  // valid ones
  std::vector<AdminRow> admins;
};

// Everything; each row's mac is checked: a wrong one throws with SQLITE_NOTADB, table and key named.
Tables read_tables(sqlite3* db, const std::vector<std::uint8_t>& mac_key);

// Who changes, when, and the key that seals.
struct Pen {
  sqlite3* db = nullptr;
  const std::vector<std::uint8_t>& mac_key;
  std::string actor;
  std::int64_t now_us = 0;
};

void insert(const Pen& pen, const OrgRow& row);
void insert(const Pen& pen, const ProjectRow& row);
void insert(const Pen& pen, const KeyRow& row);
void insert(const Pen& pen, const AdminRow& row);
// Sets valid_to of a key or an admin.
void end_key(const Pen& pen, const KeyRow& row);
void end_admin(const Pen& pen, const AdminRow& row);
// Ends the limit in force for the scope, if any, and writes the new one; returns its limit_id.
std::int64_t replace_limit(const Pen& pen, const std::optional<LimitRow>& in_force, LimitRow row);

}  // namespace moegate::tenancy
