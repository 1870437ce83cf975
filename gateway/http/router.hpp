// One table of routes: method and path pattern -> handler, with the name that metrics use and the role it needs. Auth
// and dispatch read the same match of the same decoded path. Filled before the server starts, then read by any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace moegate::http {

struct Route;

struct Match {
  const Route* route = nullptr;           // nullptr: no such path, or no such method on it
  std::vector<std::string> parameters;    // in the order of the pattern
  std::vector<std::string_view> allowed;  // methods of this path, when route is nullptr and the path exists
};

using RouteHandler = std::function<void(std::shared_ptr<Exchange>, const Match&)>;

struct Route {
  std::string method;   // "GET" answers HEAD too
  std::string pattern;  // "/v1/models/{id...}": {x} is one segment, a last {x...} the rest of the path with its slashes
  std::string name;     // label of metrics: "models"
  std::string role;     // who may call it: "" anyone, "key" an API key, else an admin role
  RouteHandler handler;
};

class Router {
 public:
  // Precondition: a well-formed pattern and no route of the same method and pattern yet (throws std::logic_error).
  // Routes are tried in the order they were added.
  void add(Route route);
  Match match(std::string_view method, std::string_view path) const;
  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }

  // Matches and calls the handler; else answers 404, or 405 with Allow, as JSON.
  void dispatch(const std::shared_ptr<Exchange>& exchange) const;
  // The answer to a match without a route.
  static Response refusal(const Match& match);

 private:
  std::vector<std::unique_ptr<Route>> routes_;
};

}  // namespace moegate::http
