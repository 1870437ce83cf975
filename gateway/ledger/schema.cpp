#include "ledger/schema.hpp"

#include <map>

namespace moegate::ledger {
namespace {

// mac: canonical.hpp. Names: org "acme", project "web" inside it; a scope_id is "acme", "acme/web" or a key's id.
// Times are UTC microseconds. Rows of the configuration are ended, never deleted.
constexpr const char* kSchema1 = R"sql(
CREATE TABLE orgs(org TEXT PRIMARY KEY, valid_from INTEGER NOT NULL, valid_to INTEGER, mac BLOB NOT NULL) STRICT;
CREATE TABLE projects(org TEXT NOT NULL REFERENCES orgs(org), project TEXT NOT NULL, valid_from INTEGER NOT NULL,
  valid_to INTEGER, mac BLOB NOT NULL, PRIMARY KEY(org, project)) STRICT;
CREATE TABLE keys(key_id TEXT PRIMARY KEY, org TEXT NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL,
  secret_hmac BLOB NOT NULL, models TEXT, expires_at INTEGER, valid_from INTEGER NOT NULL, valid_to INTEGER,
  mac BLOB NOT NULL, FOREIGN KEY(org, project) REFERENCES projects(org, project)) STRICT;
CREATE TABLE limits(limit_id INTEGER PRIMARY KEY, scope TEXT NOT NULL, scope_id TEXT NOT NULL,
  requests_per_minute INTEGER NOT NULL, concurrent_requests INTEGER NOT NULL, valid_from INTEGER NOT NULL,
  valid_to INTEGER, mac BLOB NOT NULL) STRICT;
CREATE TABLE admins(admin_id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, secret_hmac BLOB NOT NULL,
  expires_at INTEGER, valid_from INTEGER NOT NULL, valid_to INTEGER, mac BLOB NOT NULL) STRICT;
CREATE TABLE audit(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
  target_table TEXT NOT NULL, target_key TEXT NOT NULL, old_digest BLOB, new_digest BLOB, prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL, mac BLOB NOT NULL) STRICT;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;

CREATE TABLE requests(request_id TEXT PRIMARY KEY, org TEXT NOT NULL, project TEXT NOT NULL, key_id TEXT NOT NULL,
  model TEXT NOT NULL, asked_model TEXT NOT NULL, api TEXT NOT NULL, mode TEXT NOT NULL, build_id TEXT NOT NULL,
  counts TEXT NOT NULL, end_user TEXT NOT NULL, admitted_at INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL,
  hold_tokens INTEGER NOT NULL, seed INTEGER NOT NULL, choices INTEGER NOT NULL, mac BLOB NOT NULL) STRICT;
CREATE TRIGGER requests_no_update BEFORE UPDATE ON requests BEGIN SELECT RAISE(ABORT, 'requests are written once'); END;
CREATE TRIGGER requests_no_delete BEFORE DELETE ON requests BEGIN SELECT RAISE(ABORT, 'requests are written once'); END;

CREATE TABLE progress(request_id TEXT PRIMARY KEY REFERENCES requests(request_id), input INTEGER NOT NULL,
  cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
  mac BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE usage(seq INTEGER PRIMARY KEY, kind TEXT NOT NULL,
  request_id TEXT NOT NULL REFERENCES requests(request_id), corrects INTEGER, org TEXT NOT NULL,
  project TEXT NOT NULL, key_id TEXT NOT NULL, model TEXT NOT NULL, asked_model TEXT NOT NULL, api TEXT NOT NULL,
  mode TEXT NOT NULL, end_user TEXT NOT NULL, outcome TEXT NOT NULL, billable INTEGER NOT NULL,
  input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, output INTEGER NOT NULL,
  reasoning INTEGER NOT NULL, counts TEXT NOT NULL, admitted_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
  queue_us INTEGER NOT NULL, ttft_us INTEGER NOT NULL, duration_us INTEGER NOT NULL, price_id TEXT,
  route_digests BLOB NOT NULL, prev_hash BLOB NOT NULL, hash BLOB NOT NULL, mac BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX usage_one_terminal ON usage(request_id) WHERE kind = 'usage';
CREATE TRIGGER usage_no_update BEFORE UPDATE ON usage BEGIN SELECT RAISE(ABORT, 'usage is append-only'); END;
CREATE TRIGGER usage_no_delete BEFORE DELETE ON usage BEGIN SELECT RAISE(ABORT, 'usage is append-only'); END;
)sql";

// last_used is a convenience for operators, refreshed rarely and outside of every proof: no mac.
constexpr const char* kSchema2 = R"sql(
CREATE TABLE key_seen(key_id TEXT PRIMARY KEY REFERENCES keys(key_id), last_used_at INTEGER NOT NULL) STRICT;
)sql";

constexpr const char* kSteps[kSchemaVersion] = {kSchema1, kSchema2};

std::map<std::string, std::string> objects(sqlite3* db) {
  std::map<std::string, std::string> found;
  sql::Statement statement(db, "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_master");
  while (statement.step()) found[statement.text(0)] = statement.text(1);
  return found;
}

}  // namespace

void migrate(sqlite3* db, const std::filesystem::path& file, std::int64_t target) {
  const std::int64_t version = sql::query_integer(db, "PRAGMA user_version");
  if (version > kSchemaVersion || version < 0) {
    throw sql::Error(SQLITE_NOTADB, "ledger.db has schema " + std::to_string(version) + ", this program knows up to " +
                                        std::to_string(kSchemaVersion) + ": start the newer program that wrote it");
  }
  if (version > 0 && version < target) {
    const std::string copy = file.string() + ".schema-" + std::to_string(version);
    std::error_code ignored;
    std::filesystem::remove(copy, ignored);  // left by a migration that did not end
    sql::Statement(db, "VACUUM INTO ?1").bind(1, std::string_view(copy)).run();
    std::filesystem::permissions(copy, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  for (std::int64_t next = version; next < target; ++next) {
    sql::Transaction transaction(db);
    sql::execute(db, kSteps[next]);
    sql::execute(db, "PRAGMA user_version = " + std::to_string(next + 1));
    transaction.commit();
  }
}

std::vector<std::string> wrong_schema_objects(sqlite3* db) {
  sql::Connection model(":memory:", sql::Connection::Mode::read_write);
  for (const char* step : kSteps) sql::execute(model.get(), step);
  std::map<std::string, std::string> expected = objects(model.get());
  std::vector<std::string> wrong;
  for (const auto& [name, text] : objects(db)) {
    const auto place = expected.find(name);
    if (place == expected.end() || place->second != text) wrong.push_back(name);
    if (place != expected.end()) expected.erase(place);
  }
  for (const auto& [name, text] : expected) wrong.push_back(name);
  return wrong;
}

}  // namespace moegate::ledger
