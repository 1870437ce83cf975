// Everything the admin API and the CLI can do with tenants and usage, as one table of routes. The admin listener and
// the CLI (through admin.sock, or on the database when no server runs) call the same function: same result, same
// record. Thread-safe; handle() may wait for a commit: not on an io thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

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

// What a backend counted since this process started; compared with what the ledger gained since then.
struct EngineCounters {
  std::string model;
  std::uint64_t prompt_computed = 0, prompt_cached = 0, generated = 0;
};

//   POST GET       /admin/v1/orgs                           GET is {"object":"list","data":[..]}
//   POST GET       /admin/v1/projects[?org]
//   POST GET       /admin/v1/keys[?org&project]             POST answers the key once, as "key"
//   DELETE         /admin/v1/keys/{id}                      revokes
//   POST GET       /admin/v1/admins      DELETE /admin/v1/admins/{id}
//   PATCH          /admin/v1/orgs/{org}/limits | projects/{org}/{project}/limits | keys/{id}/limits
//   GET            /admin/v1/usage?org&project&key&model&day&from&to&group_by&tz      report.hpp
//   GET            /admin/v1/usage/records?after_seq&limit&org&project&key&model&request_id
//   GET            /admin/v1/usage/reconcile    ledger = report = engine counters, to the token, when nothing runs
//   GET            /admin/v1/usage/verify       chains, macs, references, indexes; names table and key
class Service {
 public:
  Service(ledger::Ledger& ledger, tenancy::Directory& directory) : ledger_(&ledger), directory_(&directory) {}
  // Before the first call; without one, reconcile compares the ledger with its own report only.
  void set_engine_counters(std::function<std::vector<EngineCounters>()> counters) { counters_ = std::move(counters); }
  Answer handle(const Call& call);
  // Least role that may use the route; "" if the route does not exist.
  static std::string_view route_role(std::string_view method, std::string_view path);

 private:
  friend struct Routes;
  ledger::Ledger* ledger_;
  tenancy::Directory* directory_;
  std::function<std::vector<EngineCounters>()> counters_;
};

// Status and error object of openai-style answers ({"error":{"message","type","param","code"}}).
Answer error_answer(const moe::Status& status);

}  // namespace moegate::admin
