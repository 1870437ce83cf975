#include "web/page.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace moegate::web {
namespace {

std::string file_text(const std::string& name) {
  std::ifstream file(std::string(MOE_TEST_SOURCE_DIR) + "/gateway/web/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Page, embedded_bytes_are_the_files) {
  for (const char* name : {"index.html", "app.css", "app.js"}) {
    const auto asset = find_asset("/" + std::string(name));
    ASSERT_TRUE(asset.has_value()) << name;
    EXPECT_EQ(asset->body, file_text(name));
    EXPECT_FALSE(asset->body.empty());
  }
  EXPECT_EQ(find_asset("/")->body, find_asset("/index.html")->body);
}

TEST(Page, content_types_say_what_the_browser_must_believe) {
  EXPECT_EQ(find_asset("/")->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(find_asset("/app.css")->content_type, "text/css; charset=utf-8");
  EXPECT_EQ(find_asset("/app.js")->content_type, "text/javascript; charset=utf-8");
}

TEST(Page, other_paths_are_not_found) {
  for (const char* path : {"", "//", "/app.js/", "/../app.js", "/app.JS", "/README.md", "/page.hpp"}) {
    EXPECT_FALSE(find_asset(path).has_value()) << path;
  }
}

TEST(Page, the_policy_allows_no_inline_code_and_the_page_has_none) {
  EXPECT_EQ(kContentSecurityPolicy.find("unsafe"), std::string_view::npos);
  EXPECT_NE(kContentSecurityPolicy.find("default-src 'none'"), std::string_view::npos);
  EXPECT_NE(kContentSecurityPolicy.find("frame-ancestors 'none'"), std::string_view::npos);
  const std::string_view html = find_asset("/")->body;
  for (const char* inline_code : {"<style", " style=", "onclick", "onload", "javascript:", "http://", "https://"}) {
    EXPECT_EQ(html.find(inline_code), std::string_view::npos) << inline_code;
  }
  std::size_t scripts = 0;
  for (std::size_t at = html.find("<script"); at != std::string_view::npos; at = html.find("<script", at + 1)) {
    EXPECT_EQ(html.substr(at, 20), "<script src=\"/app.js");
    ++scripts;
  }
  EXPECT_EQ(scripts, 1U);
}

TEST(Page, the_script_builds_no_html_from_text) {
  const std::string_view script = find_asset("/app.js")->body;
  for (const char* sink : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"}) {
    EXPECT_EQ(script.find(sink), std::string_view::npos) << sink;
  }
}

}  // namespace
}  // namespace moegate::web
