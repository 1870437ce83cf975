// Everything the admin API and the CLI can do with tenants and usage, as one table of routes. The admin listener and the
// CLI (through admin.sock, or on the database when no server runs) call the same function: same result, same record.
#pragma once

#include <string>
#include <string_view>

#include "core/json.hpp"
#include "ledger/ledger.hpp"
#include "tenancy/tenancy.hpp"

namespace moegate::admin {

struct Call {
  std::string method, path, query;  // "/admin/v1/keys", "org=acme"
  moe::json::Value body;            // null if none
  std::string actor;                // "admin:<id>", "unix:<uid>", "cli"
};

struct Answer {
  int status = 200;
  moe::json::Value body;
  std::string text;  // used instead of body if not empty, with content_type
  std::string content_type = "application/json";
};

// POST/GET /admin/v1/orgs|projects|keys|admins, DELETE /admin/v1/keys/{id}, PATCH .../limits, GET /admin/v1/usage,
// /admin/v1/usage/records, /admin/v1/usage/reconcile. Role each route needs: route_role().
class Service {
 public:
  Service(ledger::Ledger& ledger, tenancy::Directory& directory) : ledger_(&ledger), directory_(&directory) {}
  // May wait for a commit: not on an io thread.
  Answer handle(const Call& call);
  // "" if the route does not exist.
  static std::string_view route_role(std::string_view method, std::string_view path);

 private:
  ledger::Ledger* ledger_;
  tenancy::Directory* directory_;
};

}  // namespace moegate::admin
