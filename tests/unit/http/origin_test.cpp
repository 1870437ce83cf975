#include "http/origin.hpp"

#include <gtest/gtest.h>

namespace moegate::http {
namespace {

TEST(Origin, F074_only_loopback_names_literal_addresses_and_configured_names_pass) {
  const std::vector<std::string> names = {"gate.example"};
  for (const char* host :
       {"localhost", "LOCALHOST:9090", "127.0.0.1:9090", "[::1]:9090", "10.0.0.7", "gate.example:1"}) {
    EXPECT_TRUE(is_allowed_host(host, names)) << host;
  }
  for (const char* host :
       {"", "evil.example:9090", "127.0.0.1.nip.example", "localhost.evil.example", "[::1].x", "[::1]x", "1.2.3",
        "1.2.3.4.5", "256.1.1.1", "xgate.example", "gate.example.", "a@localhost", "[x]",
        "127.0.0.1:"
        "9090/"}) {
    EXPECT_FALSE(is_allowed_host(host, names)) << host;
  }
}

TEST(Origin, F075_requests_that_another_site_made_are_seen) {
  const auto with = [](std::vector<Header> headers) {
    Request request;
    request.headers = std::move(headers);
    request.headers.push_back({"host", "127.0.0.1:9090"});
    return is_same_origin(request);
  };
  EXPECT_TRUE(with({}));
  EXPECT_TRUE(with({{"origin", "http://127.0.0.1:9090"}, {"sec-fetch-site", "same-origin"}}));
  EXPECT_TRUE(with({{"sec-fetch-site", "none"}}));
  EXPECT_FALSE(with({{"origin", "https://evil.example"}}));
  EXPECT_FALSE(with({{"origin", "null"}}));
  EXPECT_FALSE(with({{"origin", "https://127.0.0.1:9090"}}));
  EXPECT_FALSE(with({{"sec-fetch-site", "cross-site"}}));
  EXPECT_FALSE(with({{"sec-fetch-site", "same-site"}}));
}

TEST(Origin, F075_only_json_counts_as_json) {
  for (const char* type :
       {"application/json", "Application/JSON; charset=utf-8", "application/json ;x", "application/ld+json"}) {
    EXPECT_TRUE(is_json_content_type(type)) << type;
  }
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                           "text/plain; application/json", "+json"}) {
    EXPECT_FALSE(is_json_content_type(type)) << type;
  }
}

}  // namespace
}  // namespace moegate::http
