#include "http/router.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "http/path.hpp"

namespace moegate::http {
namespace {

Router make_router() {
  Router router;
  for (const auto& [method, pattern, name] :
       {std::tuple{"GET", "/v1/models", "models"}, std::tuple{"GET", "/v1/models/{id...}", "model"},
        std::tuple{"POST", "/v1/chat/completions", "chat"}, std::tuple{"POST", "/v1/messages", "messages"},
        std::tuple{"DELETE", "/admin/v1/keys/{id}", "keys"}, std::tuple{"PATCH", "/admin/v1/keys/{id}", "keys"},
        std::tuple{"GET", "/", "page"}}) {
    router.add({method, pattern, name, "key", {}});
  }
  return router;
}
std::string name_of(const Router& router, std::string_view method, std::string_view path) {
  const auto match = router.match(method, path);
  return match.route != nullptr ? match.route->name : std::string();
}

TEST(Router, patterns_match_whole_paths) {
  const Router router = make_router();
  EXPECT_EQ(name_of(router, "GET", "/v1/models"), "models");
  EXPECT_EQ(name_of(router, "GET", "/"), "page");
  EXPECT_EQ(router.match("GET", "/v1/models/org/name").parameters, std::vector<std::string>{"org/name"});
  EXPECT_EQ(router.match("DELETE", "/admin/v1/keys/k1").parameters, std::vector<std::string>{"k1"});
  for (const char* path : {"/v1/models/", "/v1/models/a/", "/v1/modelsx", "/V1/models", "/v1", "/v1/chat/completions/",
                           "/v1/chat/completions/x", "/admin/v1/keys", "/admin/v1/keys/", "/admin/v1/keys/a/b", ""}) {
    for (const char* method : {"GET", "POST", "DELETE"}) EXPECT_EQ(name_of(router, method, path), "") << path;
  }
}

TEST(Router, head_is_answered_by_get) { EXPECT_EQ(name_of(make_router(), "HEAD", "/v1/models"), "models"); }

TEST(Router, an_unknown_route_is_404_and_a_wrong_method_405_with_allow) {
  const Router router = make_router();
  EXPECT_EQ(Router::refusal(router.match("GET", "/nothing")).status, 404);
  const auto response = Router::refusal(router.match("GET", "/admin/v1/keys/k1"));
  EXPECT_EQ(response.status, 405);
  ASSERT_EQ(response.headers.size(), 1U);
  EXPECT_EQ(response.headers[0].name, "allow");
  EXPECT_EQ(response.headers[0].value, "DELETE, PATCH");
  EXPECT_EQ(Router::refusal(router.match("POST", "/v1/models")).headers[0].value, "GET, HEAD");
  EXPECT_EQ(Router::refusal(router.match("get", "/v1/models")).status, 405);
}

TEST(Router, a_route_cannot_be_listed_twice_or_malformed) {
  Router router = make_router();
  EXPECT_THROW(router.add({"GET", "/v1/models", "again", "", {}}), std::logic_error);
  EXPECT_THROW(router.add({"GET", "v1", "x", "", {}}), std::logic_error);
  EXPECT_THROW(router.add({"GET", "/{a...}/b", "x", "", {}}), std::logic_error);
}

// H8: what the path parser accepts reaches a route by its one spelling only.
TEST(Router, no_variant_of_a_path_reaches_a_route_that_its_plain_form_does_not_name) {
  const Router router = make_router();
  const std::vector<std::string> inserts = {"/",   "//",     "/.",        "/..", "%2e", "%2f", "%2F", ";", ";x",
                                            "%00", "%5c",    "\\",        "%20", "%",   "%25", "#",   "?", "??",
                                            "%3f", "%c0%af", "%ef%bc%8f", ".",   "..",  "%09", "%0a"};
  int tried = 0;
  for (const auto& route : router.routes()) {
    if (route->pattern.find('{') != std::string::npos) continue;
    for (const auto& insert : inserts) {
      for (std::size_t at = 0; at <= route->pattern.size(); ++at) {
        const std::string raw = std::string(route->pattern).insert(at, insert);
        const auto target = parse_target(raw);
        ++tried;
        if (!target.ok()) continue;
        const auto match = router.match(route->method, target->path);
        if (match.route == nullptr || !match.parameters.empty()) continue;
        EXPECT_EQ(target->path, match.route->pattern) << raw;
        EXPECT_TRUE(target->path == raw.substr(0, raw.find('?'))) << raw;
      }
    }
  }
  EXPECT_GT(tried, 1000);
}

TEST(Router, F032_a_query_string_does_not_change_the_route) {
  const Router router = make_router();
  for (const char* query : {"?beta=true", "?api-version=2024-10-21", "?", "?a=b&a=c", "?key=mgk_x"}) {
    const auto target = parse_target(std::string("/v1/messages") + query);
    ASSERT_TRUE(target.ok());
    EXPECT_EQ(name_of(router, "POST", target->path), "messages") << query;
  }
}

}  // namespace
}  // namespace moegate::http
