#include "http/router.hpp"

#include <algorithm>
#include <stdexcept>

#include "http/error_map.hpp"

namespace moegate::http {
namespace {

// Next segment of a path or pattern behind its '/', removed from `rest`.
std::string_view take_segment(std::string_view& rest) {
  rest.remove_prefix(1);
  const auto end = std::min(rest.find('/'), rest.size());
  const auto segment = rest.substr(0, end);
  rest.remove_prefix(end);
  return segment;
}

bool is_parameter(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}
bool is_rest(std::string_view segment) { return is_parameter(segment) && segment.ends_with("...}"); }

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& parameters) {
  parameters.clear();
  while (!pattern.empty() && !path.empty()) {
    std::string_view whole = path.substr(1);
    const auto expected = take_segment(pattern);
    if (is_rest(expected)) {
      parameters.emplace_back(whole);
      return !whole.empty() && whole.back() != '/';
    }
    const auto found = take_segment(path);
    if (is_parameter(expected)) {
      if (found.empty()) return false;
      parameters.emplace_back(found);
    } else if (expected != found) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

void check_pattern(std::string_view pattern) {
  if (pattern.empty() || pattern.front() != '/') throw std::logic_error("route pattern must start with '/'");
  while (!pattern.empty()) {
    const auto segment = take_segment(pattern);
    if (is_rest(segment) && !pattern.empty()) throw std::logic_error("route pattern: {x...} must come last");
  }
}

bool answers(const Route& route, std::string_view method) {
  return route.method == method || (method == "HEAD" && route.method == "GET");
}

}  // namespace

void Router::add(Route route) {
  check_pattern(route.pattern);
  for (const auto& other : routes_) {
    if (other->method == route.method && other->pattern == route.pattern) {
      throw std::logic_error("route given twice: " + route.method + " " + route.pattern);
    }
  }
  routes_.push_back(std::make_unique<Route>(std::move(route)));
}

Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  if (path.empty() || path.front() != '/') return match;
  std::vector<std::string> parameters;
  for (const auto& route : routes_) {
    if (!matches(route->pattern, path, parameters)) continue;
    if (answers(*route, method)) return {route.get(), std::move(parameters), {}};
    const auto known = std::find(match.allowed.begin(), match.allowed.end(), route->method);
    if (known == match.allowed.end()) match.allowed.push_back(route->method);
  }
  return match;
}

Response Router::refusal(const Match& match) {
  if (match.allowed.empty()) return error_response(Problem::not_found, "There is no such route.");
  Response response = error_response(Problem::method_not_allowed, "This route does not take this method.");
  std::string allow;
  for (const auto method : match.allowed) {
    allow.append(allow.empty() ? "" : ", ").append(method);
    if (method == "GET") allow.append(", HEAD");
  }
  response.headers.push_back({"allow", std::move(allow)});
  return response;
}

void Router::dispatch(const std::shared_ptr<Exchange>& exchange) const {
  const Request& request = exchange->request();
  const Match found = match(request.method, request.path);
  if (found.route == nullptr) {
    exchange->respond(refusal(found));
  } else {
    found.route->handler(exchange, found);
  }
}

}  // namespace moegate::http
