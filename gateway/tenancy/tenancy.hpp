// Tenants: organisation > project > key. Rows live in the ledger's database; authentication reads an immutable snapshot
// in memory, which every change replaces at once (revocation holds from the next request on).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.hpp"
#include "core/status.hpp"
#include "ledger/ledger.hpp"

namespace moegate::tenancy {

struct KeyLimits {
  std::uint64_t requests_per_minute = 0;  // 0 = none
  std::uint64_t concurrent_requests = 0;  // 0 = none
};

// Who is asking, as far as the data listener is concerned.
struct Principal {
  std::string org, project, key_id, key_name;
  std::vector<std::string> models;  // allow-list, empty = every model
  KeyLimits key_limits, project_limits, org_limits;
  bool may_use(std::string_view model) const;
};

enum class AuthFailure : std::uint8_t { missing, unknown, revoked, expired, conflict };

class Directory {
 public:
  // `pepper` 32 bytes. Reads and checks every configuration row (mac).
  static moe::Result<std::unique_ptr<Directory>> open(ledger::Ledger& ledger, std::vector<std::uint8_t> pepper);
  virtual ~Directory() = default;

  // authorization / x-api-key header values (empty = absent). now_us decides expiry. Constant-time compare; unknown and
  // revoked keys cost the same. Any thread, does not block on the disk.
  virtual std::optional<Principal> authenticate(std::string_view authorization, std::string_view x_api_key,
                                                std::int64_t now_us, AuthFailure* why) const = 0;
  // The HMAC that salts a project's prefix cache ("kv" | project), 32 bytes.
  virtual std::vector<std::uint8_t> isolation_key(std::string_view org, std::string_view project) const = 0;

  // Requests admitted in the last two minutes and their age, for limits::Limiter::restore() at start.
  virtual std::vector<std::pair<Principal, std::int64_t>> recent_admissions(std::int64_t now_us) const = 0;
  // Writes when each key was last used (kept in memory by authenticate). Rarely; also done at close.
  virtual void flush_last_used() = 0;

  // Admin operations; each is one transaction with its audit record ("admin:<id>", "unix:<uid>", "cli" as actor) and
  // replaces the snapshot before it returns. Names: [a-z0-9][a-z0-9._-]{0,62}. What exists already is INVALID_ARGUMENT.
  virtual moe::Result<moe::json::Value> create_org(const moe::json::Value& body, std::string_view actor = "cli") = 0;
  virtual moe::Result<moe::json::Value> create_project(const moe::json::Value& body,
                                                       std::string_view actor = "cli") = 0;
  // {"org","project","name","models":[..]?,"expires_at"?,"requests_per_minute"?,"concurrent_requests"?,"create":bool?}
  // -> the key object with "key" = "secret" ("mgk_<id>_<secret>"), shown this once. expires_at: UTC seconds.
  virtual moe::Result<moe::json::Value> create_key(const moe::json::Value& body, std::string_view actor = "cli") = 0;
  virtual moe::Result<moe::json::Value> revoke_key(std::string_view key_id, std::string_view actor = "cli") = 0;
  // kind: org, project, key; id: "acme", "acme/web", the key's id. {"requests_per_minute"?, "concurrent_requests"?}, 0
  // = none.
  virtual moe::Result<moe::json::Value> update_limits(std::string_view kind, std::string_view id,
                                                      const moe::json::Value& body, std::string_view actor = "cli") = 0;
  virtual moe::json::Value list_orgs() const = 0;
  virtual moe::json::Value list_projects(std::string_view org) const = 0;  // "" = of all
  virtual moe::json::Value list_keys(std::string_view org, std::string_view project) const = 0;

  // Admin keys ("mga_<id>_<secret>"), roles metrics < auditor < operator < admin. {"name"?, "role", "expires_at"?}
  virtual moe::Result<moe::json::Value> create_admin(const moe::json::Value& body, std::string_view actor = "cli") = 0;
  virtual moe::Result<moe::json::Value> revoke_admin(std::string_view admin_id, std::string_view actor = "cli") = 0;
  virtual moe::json::Value list_admins() const = 0;
  // The role; `admin_id` (may be null) receives the public id, for the audit's actor.
  virtual std::optional<std::string> authenticate_admin(std::string_view authorization, std::int64_t now_us,
                                                        std::string* admin_id = nullptr) const = 0;
};

// True if `role` may do what needs `needed`.
bool role_covers(std::string_view role, std::string_view needed);

}  // namespace moegate::tenancy
