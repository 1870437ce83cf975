#include "admin/http_api.hpp"

#include <chrono>

#include "api/routes.hpp"
#include "core/json.hpp"
#include "http/error_map.hpp"
#include "http/path.hpp"
#include "web/page.hpp"

namespace moegate::admin {
namespace {

using http::Problem;
using moe::json::Value;

constexpr std::size_t kMaxWaiting = 64;
const auto kStarted = std::chrono::steady_clock::now();

// No data is in these files, so no session is needed for them.
void page(middleware::ObservedExchange& exchange) {
  const auto asset = web::find_asset(exchange.request().path);
  http::Response response;
  response.content_type = asset->content_type;
  response.body = asset->body;
  for (const auto& [name, value] : web::page_headers())
    response.headers.push_back({std::string(name), std::string(value)});
  exchange.respond(std::move(response));
}

http::Response json_response(const Value& value, int status = 200) {
  http::Response response;
  response.status = status;
  response.body = moe::json::write(value);
  response.headers = {{"cache-control", "no-store"}};
  return response;
}

}  // namespace

HttpApi::HttpApi(Options options) : options_(std::move(options)), worker_([this] { run(); }) {}

HttpApi::~HttpApi() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    wake_.notify_all();
  }
  worker_.join();
}

void HttpApi::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
    if (is_stopping_) return;
    {
      const auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
    }
    lock.lock();
  }
}

void HttpApi::off_strand(const api::Shared& exchange, std::function<http::Response()> work) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kMaxWaiting) {
    return exchange->respond(http::error_response(Problem::engine_overloaded, "Too many admin calls are waiting."));
  }
  queue_.push_back([exchange, work = std::move(work)] {
    auto response = std::make_shared<http::Response>(work());
    exchange->post([exchange, response] { exchange->respond(std::move(*response)); });
  });
  wake_.notify_one();
}

void HttpApi::metrics(const api::Shared& exchange) {
  off_strand(exchange, [this] {
    http::Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = options_.render_metrics();
    return response;
  });
}

void HttpApi::service(const api::Shared& exchange) {
  const auto& request = exchange->request();
  Call call{request.method, request.path, request.query, {}, exchange->context.actor};
  if (!request.body.empty()) {
    auto body = moe::json::parse(request.body);
    if (!body) {
      return exchange->respond(
          http::error_response(Problem::invalid_json, "The body is not valid JSON: " + body.status().message()));
    }
    call.body = std::move(*body);
  }
  off_strand(exchange, [this, call = std::move(call)] {
    auto answer = options_.service->handle(call);
    http::Response response;
    response.status = answer.status;
    response.content_type = answer.content_type;
    response.body = answer.text.empty() ? moe::json::write(answer.body) : std::move(answer.text);
    response.headers = {{"cache-control", "no-store"}};
    return response;
  });
}

void HttpApi::make_login(const api::Shared& exchange) {
  const auto token = options_.guard->sessions().make_login(Sessions::Clock::now());
  exchange->respond(json_response(Value::object()
                                      .set("url", Value::string(options_.address() + "/login?token=" + token))
                                      .set("expires_in", Value::integer(300))));
}

// The token is spent by the first use, so that a copied address opens nothing.
void HttpApi::login(const api::Shared& exchange) {
  const auto token = http::query_value(exchange->request().query, "token");
  const auto session = options_.guard->sessions().begin(token, Sessions::Clock::now());
  if (session.empty()) {
    return exchange->respond(http::error_response(
        Problem::invalid_api_key, "This address is used or too old: moegate admin login gives another."));
  }
  http::Response response;
  response.status = 303;
  response.headers = {{"location", "/"},
                      {"cache-control", "no-store"},
                      {"set-cookie", std::string(kSessionCookie) + "=" + session +
                                         "; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200"}};
  exchange->respond(std::move(response));
}

void HttpApi::add_routes(http::Router& router) {
  using Run = std::function<void(const api::Shared&, const http::Match&)>;
  const auto add = [&router](const char* method, const char* path, const char* name, std::string_view role, Run run) {
    router.add({method, path, name, std::string(role),
                [run = std::move(run)](const std::shared_ptr<http::Exchange>& exchange, const http::Match& match) {
                  run(std::static_pointer_cast<middleware::ObservedExchange>(exchange), match);
                }});
  };
  api::add_health_routes(router, *options_.services);
  add("GET", "/metrics", "metrics", "metrics", [this](const api::Shared& e, const http::Match&) { metrics(e); });
  for (const auto* path : {"/", "/index.html", "/app.css", "/app.js"}) {
    add("GET", path, "page", "", [](const api::Shared& e, const http::Match&) { page(*e); });
  }
  add("GET", "/login", "login", "", [this](const api::Shared& e, const http::Match&) { login(e); });
  add("POST", "/admin/v1/login", "login", "admin", [this](const api::Shared& e, const http::Match&) { make_login(e); });
  add("GET", "/admin/v1/overview", "overview", "auditor", [this](const api::Shared& e, const http::Match&) {
    e->respond(json_response(overview(*options_.services, kStarted)));
  });
  add("GET", "/admin/v1/moe/{rest...}", "moe", "auditor", [this](const api::Shared& e, const http::Match& match) {
    auto model = match.parameters.at(0);
    auto* sampler = options_.sampler();
    constexpr std::string_view kTail = "/load";
    if (sampler == nullptr || !model.ends_with(kTail)) {
      return e->respond(http::error_response(Problem::not_found, "There is no such route."));
    }
    model.resize(model.size() - kTail.size());
    e->respond(expert_load(*options_.services, *sampler, e->request(), model));
  });
  for (const auto* method : {"GET", "POST", "PATCH", "PUT", "DELETE"}) {
    add(method, "/admin/v1/{rest...}", "admin", kServiceRole,
        [this](const api::Shared& e, const http::Match&) { service(e); });
  }
}

}  // namespace moegate::admin
