#include "admin/http_guard.hpp"

#include <unistd.h>

#include <array>

#include "core/digest.hpp"
#include "http/error_map.hpp"
#include "http/origin.hpp"

namespace moegate::admin {
namespace {

using http::Problem;

std::string random_token() {
  std::array<std::uint8_t, 32> bytes{};
  moe::random_bytes(bytes);
  return moe::to_hex(bytes);
}

std::string digest(std::string_view token) { return moe::to_hex(moe::sha256(token)); }

bool refuse(middleware::ObservedExchange& exchange, Problem problem, std::string_view message) {
  exchange.respond(http::error_response(problem, message));
  return false;
}

bool is_loopback(std::string_view peer) {
  return peer.starts_with("127.") || peer.starts_with("[::1]") || peer.starts_with("::1");
}

}  // namespace

Role role_of(std::string_view name) {
  if (name == "metrics") return Role::metrics;
  if (name == "auditor") return Role::auditor;
  if (name == "operator") return Role::operator_;
  return name == "admin" ? Role::admin : Role::none;
}

std::string_view cookie(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const auto end = header.find(';');
    auto pair = header.substr(0, end);
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') {
      return pair.substr(name.size() + 1);
    }
    header = end == std::string_view::npos ? std::string_view{} : header.substr(end + 1);
  }
  return {};
}

void Sessions::add(Tokens& tokens, const std::string& token, Clock::time_point end, Clock::time_point now) {
  std::erase_if(tokens, [now](const auto& entry) { return entry.second <= now; });
  if (tokens.size() >= kMax) tokens.erase(tokens.begin());
  tokens[digest(token)] = end;
}

std::string Sessions::make_login(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  auto token = random_token();
  add(logins_, token, now + std::chrono::minutes(5), now);
  return token;
}

std::string Sessions::begin(std::string_view login, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto found = logins_.find(digest(login));
  if (found == logins_.end()) return {};
  const bool is_fresh = found->second > now;
  logins_.erase(found);
  if (!is_fresh) return {};
  auto session = random_token();
  add(sessions_, session, now + std::chrono::hours(12), now);
  return session;
}

bool Sessions::is_valid(std::string_view session, Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(digest(session));
  return found != sessions_.end() && found->second > now;
}

Role HttpGuard::caller(middleware::ObservedExchange& exchange, bool is_socket) const {
  const auto& request = exchange.request();
  auto& context = exchange.context;
  if (is_socket) {
    // The kernel says who is at the other end.
    const auto own = "unix:" + std::to_string(geteuid());
    if (request.peer != own && request.peer != "unix:0") return Role::none;
    context.actor = request.peer;
    return Role::admin;
  }
  if (request.has_header("authorization")) {
    std::string id;
    const auto role = options_.directory->authenticate_admin(request.header("authorization"), context.now_us, &id);
    if (!role) return Role::none;
    context.actor = "admin:" + id;
    return role_of(*role);
  }
  const auto session = cookie(request.header("cookie"), kSessionCookie);
  if (!session.empty() && sessions_.is_valid(session, Sessions::Clock::now())) {
    context.actor = "page";
    return Role::auditor;  // the page only reads
  }
  return Role::none;
}

bool HttpGuard::admit(middleware::ObservedExchange& exchange, const http::Route& route, bool is_socket) {
  const auto& request = exchange.request();
  if (!http::is_same_origin(request)) {
    return refuse(exchange, Problem::misdirected_request, "Requests from other sites are refused.");
  }
  const bool changes = request.method != "GET" && request.method != "HEAD";
  if (changes && request.method != "DELETE" && !http::is_json_content_type(request.header("content-type"))) {
    return refuse(exchange, Problem::unsupported_media_type, "Content-Type must be application/json.");
  }
  if (changes && request.method == "DELETE" && request.has_header("content-type") &&
      !http::is_json_content_type(request.header("content-type"))) {
    return refuse(exchange, Problem::unsupported_media_type, "Content-Type must be application/json.");
  }
  if (route.role == "metrics" && options_.public_metrics_on_loopback && is_loopback(request.peer)) return true;
  const auto wanted = route.role == kServiceRole ? options_.service_role(request.method, request.path) : route.role;
  const auto role = caller(exchange, is_socket);
  if (role == Role::none) {
    return refuse(exchange, Problem::invalid_api_key,
                  "An admin key or a session of the page is needed (moegate admin login).");
  }
  if (wanted.empty()) return refuse(exchange, Problem::not_found, "There is no such route.");
  const auto least = role_of(wanted);
  if (least == Role::none || role < least) {
    return refuse(exchange, Problem::insufficient_scope, "This needs the role " + std::string(wanted) + ".");
  }
  return true;
}

}  // namespace moegate::admin
