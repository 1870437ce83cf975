#include "tenancy/tenancy.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <shared_mutex>

#include "core/digest.hpp"
#include "ledger/data_dir.hpp"
#include "tenancy/credentials.hpp"
#include "tenancy/fields.hpp"
#include "tenancy/snapshot.hpp"
#include "tenancy/store.hpp"

namespace moegate::tenancy {
namespace {

using moe::json::Value;

constexpr std::int64_t kMicro = 1'000'000;
constexpr std::int64_t kMaxExpirySeconds = std::int64_t{253'402'300'799};  // the year 9999
constexpr std::string_view kRoles[] = {"metrics", "auditor", "operator", "admin"};

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Value seconds_or_null(const std::optional<std::int64_t>& time_us) {
  return time_us ? Value::integer(*time_us / kMicro) : Value();
}

Value limits_json(const KeyLimits& limits) {
  return Value::object()
      .set("requests_per_minute", Value::integer(static_cast<std::int64_t>(limits.requests_per_minute)))
      .set("concurrent_requests", Value::integer(static_cast<std::int64_t>(limits.concurrent_requests)));
}

Value org_json(const Snapshot& snapshot, const OrgRow& row) {
  return Value::object()
      .set("org", Value::string(row.org))
      .set("created_at", Value::integer(row.valid_from / kMicro))
      .set("limits", limits_json(snapshot.limits_of("org", row.org)));
}

Value project_json(const Snapshot& snapshot, const ProjectRow& row) {
  return Value::object()
      .set("org", Value::string(row.org))
      .set("project", Value::string(row.project))
      .set("created_at", Value::integer(row.valid_from / kMicro))
      .set("limits", limits_json(snapshot.limits_of("project", row.org + "/" + row.project)));
}

Value key_json(const KeyEntry& entry) {
  const KeyRow& row = entry.row;
  Value models = Value::array();
  for (const std::string& model : row.models) models.push(Value::string(model));
  const std::int64_t last_used = entry.last_used_us->load(std::memory_order_relaxed);
  return Value::object()
      .set("id", Value::string(row.key_id))
      .set("org", Value::string(row.org))
      .set("project", Value::string(row.project))
      .set("name", Value::string(row.name))
      .set("models", row.models.empty() ? Value() : models)
      .set("created_at", Value::integer(row.valid_from / kMicro))
      .set("expires_at", seconds_or_null(row.expires_at))
      .set("revoked_at", seconds_or_null(row.valid_to))
      .set("last_used_at", last_used > 0 ? Value::integer(last_used / kMicro) : Value())
      .set("limits", limits_json(entry.principal.key_limits));
}

Value admin_json(const AdminRow& row) {
  return Value::object()
      .set("id", Value::string(row.admin_id))
      .set("name", Value::string(row.name))
      .set("role", Value::string(row.role))
      .set("created_at", Value::integer(row.valid_from / kMicro))
      .set("expires_at", seconds_or_null(row.expires_at))
      .set("revoked_at", seconds_or_null(row.valid_to));
}

class SqlDirectory final : public Directory {
 public:
  SqlDirectory(ledger::Ledger& ledger, std::vector<std::uint8_t> pepper)
      : ledger_(ledger),
        pepper_(std::move(pepper)),
        hash_key_(ledger::DataDir::derive(pepper_, "key-secret")),
        unknown_key_hmac_(32) {
    moe::random_bytes(unknown_key_hmac_);
  }
  ~SqlDirectory() override { flush_last_used(); }

  moe::Status load();
  std::optional<Principal> authenticate(std::string_view authorization, std::string_view x_api_key, std::int64_t now_us,
                                        AuthFailure* why) const override;
  std::vector<std::uint8_t> isolation_key(std::string_view org, std::string_view project) const override;
  std::vector<std::pair<Principal, std::int64_t>> recent_admissions(std::int64_t now_us) const override;
  void flush_last_used() override;
  moe::Result<Value> create_org(const Value& body, std::string_view actor) override;
  moe::Result<Value> create_project(const Value& body, std::string_view actor) override;
  moe::Result<Value> create_key(const Value& body, std::string_view actor) override;
  moe::Result<Value> revoke_key(std::string_view key_id, std::string_view actor) override;
  moe::Result<Value> update_limits(std::string_view kind, std::string_view id, const Value& body,
                                   std::string_view actor) override;
  Value list_orgs() const override;
  Value list_projects(std::string_view org) const override;
  Value list_keys(std::string_view org, std::string_view project) const override;
  moe::Result<Value> create_admin(const Value& body, std::string_view actor) override;
  moe::Result<Value> revoke_admin(std::string_view admin_id, std::string_view actor) override;
  Value list_admins() const override;
  std::optional<std::string> authenticate_admin(std::string_view authorization, std::int64_t now_us,
                                                std::string* admin_id) const override;

 private:
  std::shared_ptr<const Snapshot> snapshot() const {
    const std::shared_lock lock(snapshot_mutex_);
    return snapshot_;
  }
  void publish(Tables tables);
  // Runs `change` on a pen and a copy of the tables; the copy becomes the snapshot when the transaction is durable.
  moe::Status change(std::string_view actor, const std::function<void(const Pen&, Tables&)>& work);
  // True if `secret` is the one behind `stored` (null: of an unknown id). Costs the same in every case.
  bool secret_matches(std::string_view secret, const Blob* stored) const;
  moe::Status needs_org(const Snapshot& snapshot, const std::string& org) const;

  ledger::Ledger& ledger_;
  const std::vector<std::uint8_t> pepper_, hash_key_;
  std::vector<std::uint8_t> unknown_key_hmac_;
  mutable std::shared_mutex snapshot_mutex_;  // guards the pointer
  std::shared_ptr<const Snapshot> snapshot_;
  std::mutex change_mutex_;                      // one change at a time
  std::map<std::string, std::int64_t> flushed_;  // guarded by change_mutex_
};

moe::Status SqlDirectory::load() {
  Tables tables;
  std::map<std::string, std::int64_t> seen;
  auto status = ledger_.read([&](sqlite3* db) {
    tables = read_tables(db, ledger_.mac_key());
    ledger::sql::Statement rows(db, "SELECT key_id, last_used_at FROM key_seen");
    while (rows.step()) seen[rows.text(0)] = rows.integer(1);
    return moe::Status();
  });
  if (!status.ok()) return status;
  publish(std::move(tables));
  const auto current = snapshot();
  for (const auto& [key_id, at] : seen) {
    if (const auto place = current->keys.find(key_id); place != current->keys.end()) *place->second.last_used_us = at;
  }
  flushed_ = std::move(seen);
  return {};
}

void SqlDirectory::publish(Tables tables) {
  const auto previous = snapshot();
  auto next = build_snapshot(std::move(tables), previous.get());
  const std::unique_lock lock(snapshot_mutex_);
  snapshot_ = std::move(next);
}

moe::Status SqlDirectory::change(std::string_view actor, const std::function<void(const Pen&, Tables&)>& work) {
  Tables tables = snapshot()->tables;
  auto status = ledger_.transact([&](sqlite3* db) {
    work({db, ledger_.mac_key(), std::string(actor), now_us()}, tables);
    return moe::Status();
  });
  if (status.ok()) publish(std::move(tables));
  return status;
}

bool SqlDirectory::secret_matches(std::string_view secret, const Blob* stored) const {
  const moe::Digest given = secret_hmac(hash_key_, secret);
  const bool is_equal = moe::equal_constant_time(given, stored != nullptr ? *stored : unknown_key_hmac_);
  return is_equal && stored != nullptr;
}

std::optional<Principal> SqlDirectory::authenticate(std::string_view authorization, std::string_view x_api_key,
                                                    std::int64_t now_us, AuthFailure* why) const {
  const auto refuse = [&](AuthFailure failure) -> std::optional<Principal> {
    if (why != nullptr) *why = failure;
    return std::nullopt;
  };
  if (authorization.empty() && x_api_key.empty()) return refuse(AuthFailure::missing);
  const std::string_view bearer = bearer_token(authorization);
  if (!authorization.empty() && !x_api_key.empty() && bearer != x_api_key) return refuse(AuthFailure::conflict);
  const auto credential = parse_credential(kTenantPrefix, authorization.empty() ? x_api_key : bearer);
  const auto current = snapshot();
  const auto place = credential ? current->keys.find(credential->id) : current->keys.end();
  const KeyEntry* entry = place != current->keys.end() ? &place->second : nullptr;
  if (!secret_matches(credential ? credential->secret : "", entry != nullptr ? &entry->row.secret_hmac : nullptr)) {
    return refuse(AuthFailure::unknown);
  }
  if (entry->row.valid_to) return refuse(AuthFailure::revoked);
  if (entry->row.expires_at && now_us >= *entry->row.expires_at) return refuse(AuthFailure::expired);
  entry->last_used_us->store(now_us, std::memory_order_relaxed);
  return entry->principal;
}

std::vector<std::uint8_t> SqlDirectory::isolation_key(std::string_view org, std::string_view project) const {
  return ledger::DataDir::derive(pepper_, "kv|" + std::string(org) + "/" + std::string(project));
}

std::vector<std::pair<Principal, std::int64_t>> SqlDirectory::recent_admissions(std::int64_t now_us) const {
  constexpr std::int64_t kSpanUs = 120 * kMicro;  // twice the window: rows lie nearly, not exactly, in order of time
  std::vector<std::pair<Principal, std::int64_t>> recent;
  const auto current = snapshot();
  // A failure leaves the windows empty, which admits more than the limit for a minute at most; the requests are billed.
  const auto ignored = ledger_.read([&](sqlite3* db) {
    ledger::sql::Statement rows(db, "SELECT key_id, admitted_at FROM requests ORDER BY rowid DESC");
    while (rows.step() && rows.integer(1) > now_us - kSpanUs) {
      const auto place = current->keys.find(rows.text(0));
      if (place == current->keys.end()) continue;
      recent.emplace_back(place->second.principal, std::max<std::int64_t>(0, now_us - rows.integer(1)));
    }
    return moe::Status();
  });
  (void)ignored;
  return recent;
}

void SqlDirectory::flush_last_used() {
  const std::lock_guard lock(change_mutex_);
  const auto current = snapshot();
  if (current == nullptr) return;
  std::map<std::string, std::int64_t> fresh;
  for (const auto& [key_id, entry] : current->keys) {
    const std::int64_t at = entry.last_used_us->load(std::memory_order_relaxed);
    if (at > 0 && flushed_[key_id] != at) fresh[key_id] = at;
  }
  if (fresh.empty()) return;
  const auto status = ledger_.transact([&](sqlite3* db) {
    ledger::sql::Statement upsert(db, "INSERT OR REPLACE INTO key_seen VALUES(?, ?)");
    for (const auto& [key_id, at] : fresh) upsert.bind(1, std::string_view(key_id)).bind(2, at).run();
    return moe::Status();
  });
  if (!status.ok()) return;  // tried again at the next call
  for (const auto& [key_id, at] : fresh) flushed_[key_id] = at;
}

// ---- changes -----------------------------------------------------------------------------------------------------

moe::Result<Value> SqlDirectory::create_org(const Value& body, std::string_view actor) {
  Fields fields(body, {"org"});
  const std::string org = fields.name("org");
  if (!fields.status().ok()) return fields.status();
  const std::lock_guard lock(change_mutex_);
  if (snapshot()->org(org) != nullptr) {
    return moe::invalid("organisation " + org + " exists already").with_param("org");
  }
  auto status = change(actor, [&](const Pen& pen, Tables& tables) {
    tables.orgs.push_back({org, pen.now_us, {}});
    insert(pen, tables.orgs.back());
  });
  if (!status.ok()) return status;
  const auto current = snapshot();
  return org_json(*current, *current->org(org));
}

moe::Status SqlDirectory::needs_org(const Snapshot& snapshot, const std::string& org) const {
  if (snapshot.org(org) != nullptr) return {};
  return moe::Status(moe::Code::not_found, "organisation " + org + " does not exist").with_param("org");
}

moe::Result<Value> SqlDirectory::create_project(const Value& body, std::string_view actor) {
  Fields fields(body, {"org", "project"});
  const std::string org = fields.name("org");
  const std::string project = fields.name("project");
  if (!fields.status().ok()) return fields.status();
  const std::lock_guard lock(change_mutex_);
  if (auto status = needs_org(*snapshot(), org); !status.ok()) return status;
  if (snapshot()->project(org, project) != nullptr) {
    return moe::invalid("project " + org + "/" + project + " exists already").with_param("project");
  }
  auto status = change(actor, [&](const Pen& pen, Tables& tables) {
    tables.projects.push_back({org, project, pen.now_us, {}});
    insert(pen, tables.projects.back());
  });
  if (!status.ok()) return status;
  const auto current = snapshot();
  return project_json(*current, *current->project(org, project));
}

moe::Result<Value> SqlDirectory::create_key(const Value& body, std::string_view actor) {
  Fields fields(
      body, {"org", "project", "name", "models", "expires_at", "requests_per_minute", "concurrent_requests", "create"});
  KeyRow row;
  row.org = fields.name("org");
  row.project = fields.name("project");
  row.name = fields.name("name", false);
  row.models = fields.texts("models");
  const auto expires_at = fields.integer("expires_at", 1, kMaxExpirySeconds);
  const auto per_minute = fields.integer("requests_per_minute", 0, kMaxLimit);
  const auto concurrent = fields.integer("concurrent_requests", 0, kMaxLimit);
  const bool may_create = fields.flag("create");
  if (!fields.status().ok()) return fields.status();
  if (expires_at) row.expires_at = *expires_at * kMicro;

  const std::lock_guard lock(change_mutex_);
  const auto before = snapshot();
  const bool has_project = before->project(row.org, row.project) != nullptr;
  if (!may_create) {
    if (auto status = needs_org(*before, row.org); !status.ok()) return status;
    if (!has_project) {
      return moe::Status(moe::Code::not_found, "project " + row.org + "/" + row.project + " does not exist")
          .with_param("project");
    }
  }
  const Credential credential = make_credential();
  const moe::Digest hmac = secret_hmac(hash_key_, credential.secret);
  row.key_id = credential.id;
  row.secret_hmac.assign(hmac.begin(), hmac.end());
  auto status = change(actor, [&](const Pen& pen, Tables& tables) {
    if (before->org(row.org) == nullptr) insert(pen, tables.orgs.emplace_back(OrgRow{row.org, pen.now_us, {}}));
    if (!has_project) {
      insert(pen, tables.projects.emplace_back(ProjectRow{row.org, row.project, pen.now_us, {}}));
    }
    row.valid_from = pen.now_us;
    insert(pen, tables.keys.emplace_back(row));
    if (per_minute.value_or(0) > 0 || concurrent.value_or(0) > 0) {
      LimitRow limit{0, "key", row.key_id, per_minute.value_or(0), concurrent.value_or(0), pen.now_us, {}};
      limit.limit_id = replace_limit(pen, std::nullopt, limit);
      tables.limits.push_back(limit);
    }
  });
  if (!status.ok()) return status;
  const auto current = snapshot();
  const std::string secret = credential.text(kTenantPrefix);
  return key_json(current->keys.find(row.key_id)->second)
      .set("key", Value::string(secret))
      .set("secret", Value::string(secret));
}

moe::Result<Value> SqlDirectory::revoke_key(std::string_view key_id, std::string_view actor) {
  const std::lock_guard lock(change_mutex_);
  const auto before = snapshot();
  const auto place = before->keys.find(key_id);
  if (place == before->keys.end()) return moe::Status(moe::Code::not_found, "there is no key with this id");
  if (place->second.row.valid_to) return key_json(place->second);  // revoked before: the same answer
  auto status = change(actor, [&](const Pen& pen, Tables& tables) {
    end_key(pen, place->second.row);
    for (KeyRow& row : tables.keys) {
      if (row.key_id == key_id) row.valid_to = pen.now_us;
    }
  });
  if (!status.ok()) return status;
  return key_json(snapshot()->keys.find(key_id)->second);
}

moe::Result<Value> SqlDirectory::update_limits(std::string_view kind, std::string_view id, const Value& body,
                                               std::string_view actor) {
  Fields fields(body, {"requests_per_minute", "concurrent_requests"});
  const auto per_minute = fields.integer("requests_per_minute", 0, kMaxLimit);
  const auto concurrent = fields.integer("concurrent_requests", 0, kMaxLimit);
  if (!fields.status().ok()) return fields.status();

  const std::lock_guard lock(change_mutex_);
  const auto before = snapshot();
  const std::size_t slash = std::min(id.find('/'), id.size());
  const bool exists = kind == "org" ? before->org(id) != nullptr
                      : kind == "project"
                          ? slash < id.size() && before->project(id.substr(0, slash), id.substr(slash + 1)) != nullptr
                          : kind == "key" && before->keys.contains(id);
  if (!exists) return moe::Status(moe::Code::not_found, "there is no " + std::string(kind) + " with this id");
  const KeyLimits old = before->limits_of(kind, id);
  LimitRow limit{0,
                 std::string(kind),
                 std::string(id),
                 per_minute.value_or(static_cast<std::int64_t>(old.requests_per_minute)),
                 concurrent.value_or(static_cast<std::int64_t>(old.concurrent_requests)),
                 0,
                 {}};
  auto status = change(actor, [&](const Pen& pen, Tables& tables) {
    const auto place = std::find_if(tables.limits.begin(), tables.limits.end(),
                                    [&](const LimitRow& row) { return row.scope == kind && row.scope_id == id; });
    std::optional<LimitRow> in_force;
    if (place != tables.limits.end()) {
      in_force = *place;
      tables.limits.erase(place);
    }
    limit.valid_from = pen.now_us;
    limit.limit_id = replace_limit(pen, in_force, limit);
    tables.limits.push_back(limit);
  });
  if (!status.ok()) return status;
  return Value::object()
      .set("kind", Value::string(std::string(kind)))
      .set("id", Value::string(std::string(id)))
      .set("limits", limits_json(snapshot()->limits_of(kind, id)));
}

Value SqlDirectory::list_orgs() const {
  const auto current = snapshot();
  Value list = Value::array();
  for (const OrgRow& row : current->tables.orgs) list.push(org_json(*current, row));
  return list;
}

Value SqlDirectory::list_projects(std::string_view org) const {
  const auto current = snapshot();
  Value list = Value::array();
  for (const ProjectRow& row : current->tables.projects) {
    if (org.empty() || row.org == org) list.push(project_json(*current, row));
  }
  return list;
}

Value SqlDirectory::list_keys(std::string_view org, std::string_view project) const {
  const auto current = snapshot();
  Value list = Value::array();
  for (const KeyRow& row : current->tables.keys) {
    if ((!org.empty() && row.org != org) || (!project.empty() && row.project != project)) continue;
    list.push(key_json(current->keys.find(row.key_id)->second));
  }
  return list;
}

// ---- admin keys --------------------------------------------------------------------------------------------------

moe::Result<Value> SqlDirectory::create_admin(const Value& body, std::string_view actor) {
  Fields fields(body, {"name", "role", "expires_at"});
  AdminRow row;
  row.name = fields.name("name", false);
  row.role = fields.name("role");
  const auto expires_at = fields.integer("expires_at", 1, kMaxExpirySeconds);
  if (!fields.status().ok()) return fields.status();
  if (std::find(std::begin(kRoles), std::end(kRoles), row.role) == std::end(kRoles)) {
    return moe::invalid("role must be metrics, auditor, operator or admin").with_param("role");
  }
  if (expires_at) row.expires_at = *expires_at * kMicro;
  const Credential credential = make_credential();
  const moe::Digest hmac = secret_hmac(hash_key_, credential.secret);
  row.admin_id = credential.id;
  row.secret_hmac.assign(hmac.begin(), hmac.end());
  const std::lock_guard lock(change_mutex_);
  auto status = change(actor, [&](const Pen& pen, Tables& tables) {
    row.valid_from = pen.now_us;
    insert(pen, tables.admins.emplace_back(row));
  });
  if (!status.ok()) return status;
  const std::string secret = credential.text(kAdminPrefix);
  return admin_json(row).set("key", Value::string(secret)).set("secret", Value::string(secret));
}

moe::Result<Value> SqlDirectory::revoke_admin(std::string_view admin_id, std::string_view actor) {
  const std::lock_guard lock(change_mutex_);
  const auto before = snapshot();
  const auto place = before->admins.find(admin_id);
  if (place == before->admins.end()) return moe::Status(moe::Code::not_found, "there is no admin key with this id");
  if (place->second->valid_to) return admin_json(*place->second);
  auto status = change(actor, [&](const Pen& pen, Tables& tables) {
    end_admin(pen, *place->second);
    for (AdminRow& row : tables.admins) {
      if (row.admin_id == admin_id) row.valid_to = pen.now_us;
    }
  });
  if (!status.ok()) return status;
  return admin_json(*snapshot()->admins.find(admin_id)->second);
}

Value SqlDirectory::list_admins() const {
  Value list = Value::array();
  for (const AdminRow& row : snapshot()->tables.admins) list.push(admin_json(row));
  return list;
}

std::optional<std::string> SqlDirectory::authenticate_admin(std::string_view authorization, std::int64_t now_us,
                                                            std::string* admin_id) const {
  const auto credential = parse_credential(kAdminPrefix, bearer_token(authorization));
  const auto current = snapshot();
  const auto place = credential ? current->admins.find(credential->id) : current->admins.end();
  const AdminRow* row = place != current->admins.end() ? place->second : nullptr;
  if (!secret_matches(credential ? credential->secret : "", row != nullptr ? &row->secret_hmac : nullptr)) {
    return std::nullopt;
  }
  if (row->valid_to || (row->expires_at && now_us >= *row->expires_at)) return std::nullopt;
  if (admin_id != nullptr) *admin_id = row->admin_id;
  return row->role;
}

}  // namespace

bool Principal::may_use(std::string_view model) const {
  return models.empty() || std::find(models.begin(), models.end(), model) != models.end();
}

bool role_covers(std::string_view role, std::string_view needed) {
  const auto rank = [](std::string_view name) { return std::find(std::begin(kRoles), std::end(kRoles), name); };
  return rank(role) != std::end(kRoles) && rank(needed) != std::end(kRoles) && rank(role) >= rank(needed);
}

moe::Result<std::unique_ptr<Directory>> Directory::open(ledger::Ledger& ledger, std::vector<std::uint8_t> pepper) {
  if (pepper.size() != 32) return moe::Status(moe::Code::internal, "tenancy: the pepper must have 32 bytes");
  auto directory = std::make_unique<SqlDirectory>(ledger, std::move(pepper));
  if (auto status = directory->load(); !status.ok()) return status;
  return std::unique_ptr<Directory>(std::move(directory));
}

}  // namespace moegate::tenancy
