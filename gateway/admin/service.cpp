#include "admin/service.hpp"

#include <algorithm>
#include <map>

#include "admin/query.hpp"
#include "admin/report.hpp"
#include "http/error_map.hpp"

namespace moegate::admin {

using moe::json::Value;

// A path as matched: {id} parts in order.
using Parts = std::vector<std::string>;

// The handlers; a friend of Service, so that the table below stays out of the header.
struct Routes {
  using Handler = Answer (*)(Service&, const Call&, const Parts&);
  struct Route {
    std::string_view method, path, role;
    Handler handler;
  };
  static const std::vector<Route>& table();

  static Answer list(Value data) {
    return {
        200, Value::object().set("object", Value::string("list")).set("data", std::move(data)), {}, "application/json"};
  }
  static Answer answer(moe::Result<Value> result, int status = 200) {
    if (!result) return error_answer(result.status());
    return {status, std::move(*result), {}, "application/json"};
  }

  static Answer create_org(Service& s, const Call& call, const Parts&) {
    return answer(s.directory_->create_org(call.body, call.actor), 201);
  }
  static Answer list_orgs(Service& s, const Call&, const Parts&) { return list(s.directory_->list_orgs()); }
  static Answer create_project(Service& s, const Call& call, const Parts&) {
    return answer(s.directory_->create_project(call.body, call.actor), 201);
  }
  static Answer list_projects(Service& s, const Call& call, const Parts&) {
    const auto query = parse_query(call.query, {"org"});
    if (!query) return error_answer(query.status());
    return list(s.directory_->list_projects(query_value(*query, "org")));
  }
  static Answer create_key(Service& s, const Call& call, const Parts&) {
    return answer(s.directory_->create_key(call.body, call.actor), 201);
  }
  static Answer list_keys(Service& s, const Call& call, const Parts&) {
    const auto query = parse_query(call.query, {"org", "project"});
    if (!query) return error_answer(query.status());
    return list(s.directory_->list_keys(query_value(*query, "org"), query_value(*query, "project")));
  }
  static Answer revoke_key(Service& s, const Call& call, const Parts& parts) {
    return answer(s.directory_->revoke_key(parts[0], call.actor));
  }
  static Answer create_admin(Service& s, const Call& call, const Parts&) {
    return answer(s.directory_->create_admin(call.body, call.actor), 201);
  }
  static Answer list_admins(Service& s, const Call&, const Parts&) { return list(s.directory_->list_admins()); }
  static Answer revoke_admin(Service& s, const Call& call, const Parts& parts) {
    return answer(s.directory_->revoke_admin(parts[0], call.actor));
  }
  static Answer limit_org(Service& s, const Call& call, const Parts& parts) {
    return answer(s.directory_->update_limits("org", parts[0], call.body, call.actor));
  }
  static Answer limit_project(Service& s, const Call& call, const Parts& parts) {
    return answer(s.directory_->update_limits("project", parts[0] + "/" + parts[1], call.body, call.actor));
  }
  static Answer limit_key(Service& s, const Call& call, const Parts& parts) {
    return answer(s.directory_->update_limits("key", parts[0], call.body, call.actor));
  }
  static Answer report(Service& s, const Call& call, const Parts&) {
    const auto query =
        parse_query(call.query, {"org", "project", "key", "model", "day", "from", "to", "group_by", "tz"});
    if (!query) return error_answer(query.status());
    const auto parsed = parse_report_query(*query);
    if (!parsed) return error_answer(parsed.status());
    return answer(usage_report(*s.ledger_, *parsed));
  }
  static Answer records(Service& s, const Call& call, const Parts&) {
    constexpr std::int64_t kMaxRecords = 1000;
    const auto query = parse_query(call.query, {"after_seq", "limit", "org", "project", "key", "model", "request_id"});
    if (!query) return error_answer(query.status());
    const auto after = query_integer(*query, "after_seq", 0, 0, INT64_MAX - 1);
    const auto limit = query_integer(*query, "limit", 100, 1, kMaxRecords);
    if (!after || !limit) {
      return error_answer(
          moe::invalid(after ? "limit must be an integer from 1 to 1000" : "after_seq must be an integer")
              .with_param(after ? "limit" : "after_seq"));
    }
    const Filter filter{query_value(*query, "org"), query_value(*query, "project"), query_value(*query, "key"),
                        query_value(*query, "model"), query_value(*query, "request_id")};
    return answer(usage_records(*s.ledger_, filter, *after, *limit));
  }
  static Answer reconcile(Service& s, const Call&, const Parts&);
  static Answer verify(Service& s, const Call&, const Parts&);
};

namespace {

// One comparison of the ledger with another count of the same tokens.
Value check(std::string_view name, std::string_view model, std::uint64_t ledger, std::uint64_t other, bool* is_equal) {
  *is_equal = *is_equal && ledger == other;
  return Value::object()
      .set("check", Value::string(std::string(name)))
      .set("model", Value::string(std::string(model)))
      .set("ledger", Value::integer(static_cast<std::int64_t>(ledger)))
      .set("other", Value::integer(static_cast<std::int64_t>(other)))
      .set("delta", Value::integer(static_cast<std::int64_t>(ledger - other)));
}

ledger::Counts counts_of(const std::map<std::string, ledger::Counts>& by_model, const std::string& model) {
  const auto place = by_model.find(model);
  return place == by_model.end() ? ledger::Counts{} : place->second;
}

}  // namespace

Answer Routes::reconcile(Service& s, const Call&, const Parts&) {
  const ledger::Stats stats = s.ledger_->stats();
  const auto report = report_totals(*s.ledger_);
  if (!report) return error_answer(report.status());
  const std::vector<EngineCounters> engines = s.counters_ ? s.counters_() : std::vector<EngineCounters>();
  bool is_equal = true;
  Value checks = Value::array();
  for (const auto& [model, totals] : stats.model_totals) {
    const ledger::Counts other = counts_of(*report, model);
    checks.push(check("report.prompt", model, totals.input + totals.cache_read + totals.cache_write,
                      other.input + other.cache_read + other.cache_write, &is_equal));
    checks.push(check("report.generation", model, totals.output, other.output, &is_equal));
  }
  for (const EngineCounters& engine : engines) {
    const ledger::Counts now = counts_of(stats.model_totals, engine.model);
    const ledger::Counts start = counts_of(stats.model_totals_at_start, engine.model);
    checks.push(check("engine.prompt_computed", engine.model,
                      now.input + now.cache_write - start.input - start.cache_write, engine.prompt_computed,
                      &is_equal));
    checks.push(check("engine.prompt_cached", engine.model, now.cache_read - start.cache_read, engine.prompt_cached,
                      &is_equal));
    checks.push(check("engine.generation", engine.model, now.output - start.output, engine.generated, &is_equal));
  }
  return {200,
          Value::object()
              .set("object", Value::string("reconciliation"))
              .set("ok", Value::boolean(is_equal))
              .set("unsynced_batches", Value::integer(static_cast<std::int64_t>(stats.unsynced_batches)))
              .set("checks", std::move(checks)),
          {},
          "application/json"};
}

Answer Routes::verify(Service& s, const Call&, const Parts&) {
  const auto result = s.ledger_->verify();
  if (!result) return error_answer(result.status());
  Value findings = Value::array();
  for (const ledger::Finding& finding : result->findings) {
    findings.push(Value::object()
                      .set("table", Value::string(finding.table))
                      .set("key", Value::string(finding.key))
                      .set("what", Value::string(finding.what)));
  }
  const auto count = [](std::uint64_t n) { return Value::integer(static_cast<std::int64_t>(n)); };
  return {200,
          Value::object()
              .set("object", Value::string("verification"))
              .set("ok", Value::boolean(result->findings.empty()))
              .set("usage_rows", count(result->usage_rows))
              .set("request_rows", count(result->request_rows))
              .set("configuration_rows", count(result->configuration_rows))
              .set("audit_rows", count(result->audit_rows))
              .set("last_seq", Value::integer(result->last_seq))
              .set("last_hash", Value::string(result->last_hash))
              .set("findings", std::move(findings)),
          {},
          "application/json"};
}

const std::vector<Routes::Route>& Routes::table() {
  // Every route with the least role that may use it; {} stands for one part of the path.
  static const std::vector<Route> routes = {
      {"POST", "/admin/v1/orgs", "operator", create_org},
      {"GET", "/admin/v1/orgs", "auditor", list_orgs},
      {"PATCH", "/admin/v1/orgs/{}/limits", "operator", limit_org},
      {"POST", "/admin/v1/projects", "operator", create_project},
      {"GET", "/admin/v1/projects", "auditor", list_projects},
      {"PATCH", "/admin/v1/projects/{}/{}/limits", "operator", limit_project},
      {"POST", "/admin/v1/keys", "operator", create_key},
      {"GET", "/admin/v1/keys", "auditor", list_keys},
      {"DELETE", "/admin/v1/keys/{}", "operator", revoke_key},
      {"PATCH", "/admin/v1/keys/{}/limits", "operator", limit_key},
      {"POST", "/admin/v1/admins", "admin", create_admin},
      {"GET", "/admin/v1/admins", "admin", list_admins},
      {"DELETE", "/admin/v1/admins/{}", "admin", revoke_admin},
      {"GET", "/admin/v1/usage", "auditor", report},
      {"GET", "/admin/v1/usage/records", "auditor", records},
      {"GET", "/admin/v1/usage/reconcile", "auditor", reconcile},
      {"GET", "/admin/v1/usage/verify", "auditor", verify},
  };
  return routes;
}

namespace {

bool path_matches(std::string_view pattern, std::string_view path, Parts* parts) {
  parts->clear();
  while (!pattern.empty() && !path.empty()) {
    pattern.remove_prefix(1);  // both begin with a slash
    if (path[0] != '/') return false;
    path.remove_prefix(1);
    const std::string_view wanted = pattern.substr(0, pattern.find('/'));
    const std::string_view given = path.substr(0, path.find('/'));
    if (wanted == "{}" ? given.empty() : wanted != given) return false;
    if (wanted == "{}") parts->emplace_back(given);
    pattern.remove_prefix(wanted.size());
    path.remove_prefix(given.size());
  }
  return pattern.empty() && path.empty();
}

Value error_object(std::string_view message, const http::ErrorInfo& info, const std::string& param) {
  return Value::object().set("error", Value::object()
                                          .set("message", Value::string(std::string(message)))
                                          .set("type", Value::string(std::string(info.type)))
                                          .set("param", param.empty() ? Value() : Value::string(param))
                                          .set("code", Value::string(std::string(info.code))));
}

Answer problem_answer(http::Problem problem, std::string_view message, const std::string& param = {}) {
  const http::ErrorInfo info = http::error_info(problem);
  return {info.status, error_object(message, info, param), {}, "application/json"};
}

}  // namespace

// The admin API speaks to the operator: unlike on the data listener, texts of 503 are passed on.
Answer error_answer(const moe::Status& status) {
  switch (status.code()) {
    case moe::Code::invalid_argument:
    case moe::Code::out_of_range:
      return problem_answer(http::Problem::invalid_value, status.message(), status.param());
    case moe::Code::not_found:
      return problem_answer(http::Problem::not_found, status.message(), status.param());
    case moe::Code::unavailable:
    case moe::Code::resource_exhausted:
    case moe::Code::deadline_exceeded:
      return problem_answer(http::Problem::engine_overloaded, status.message());
    default:
      return problem_answer(http::Problem::internal_error, "an internal error; the server's log has more");
  }
}

Answer Service::handle(const Call& call) {
  Parts parts;
  bool has_path = false;
  for (const Routes::Route& route : Routes::table()) {
    if (!path_matches(route.path, call.path, &parts)) continue;
    has_path = true;
    if (route.method == call.method) return route.handler(*this, call, parts);
  }
  if (has_path) return problem_answer(http::Problem::method_not_allowed, "this route has no such method");
  return problem_answer(http::Problem::not_found, "there is no such route");
}

std::string_view Service::route_role(std::string_view method, std::string_view path) {
  Parts parts;
  for (const Routes::Route& route : Routes::table()) {
    if (route.method == method && path_matches(route.path, path, &parts)) return route.role;
  }
  return {};
}

}  // namespace moegate::admin
