#include "text/chat_template.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <clocale>
#include <fstream>

namespace moe::text {
namespace {

std::string render(std::string_view source, const ChatRequest& request = {}) {
  const auto compiled = compile_chat_template(source, {}, 65536);
  if (!compiled.ok()) return "compile: " + compiled.status().message();
  const auto parts = (*compiled)->render(request);
  return parts.ok() ? join(*parts) : "render: " + parts.status().message();
}

TEST(ChatTemplate, f024_one_clock_of_the_request_feeds_every_date) {
  ChatRequest request;
  request.now_seconds = 1768482309;  // Thursday 2026-01-15 13:05:09 UTC
  EXPECT_EQ(render("{{ strftime_now('%d %b %Y %A %H:%M:%S %j') }}", request), "15 Jan 2026 Thursday 13:05:09 015");
  request.now_seconds = 1709251199;  // a second before 2024-03-01
  EXPECT_EQ(render("{{ strftime_now('%Y-%m-%d %j %-d %y') }}", request), "2024-02-29 060 29 24");
  request.now_seconds = -1;
  EXPECT_EQ(render("{{ strftime_now('%F %T') }}", request), "1969-12-31 23:59:59");
  const std::string zone = getenv("TZ") != nullptr ? getenv("TZ") : "";
  setenv("TZ", "Asia/Tokyo", 1);
  tzset();
  request.now_seconds = 1768521598;  // 23:59:58 UTC
  EXPECT_EQ(render("{{ strftime_now('%d %b %Y') }}{{ strftime_now('%H') }}", request), "15 Jan 202623");
  zone.empty() ? unsetenv("TZ") : setenv("TZ", zone.c_str(), 1);
  tzset();
}

TEST(ChatTemplate, f025_the_templates_own_sentence_reaches_the_caller) {
  const auto compiled = load_chat_template(MOE_DEMO, 4096);
  ASSERT_TRUE(compiled.ok());
  ChatRequest request;
  request.messages = *json::parse(R"([{"role": "tool", "content": "x"}])");
  const auto parts = (*compiled)->render(request);
  ASSERT_FALSE(parts.ok());
  EXPECT_EQ(parts.status().code(), Code::invalid_argument);
  EXPECT_EQ(parts.status().message(), "this demo model supports only the roles system, user and assistant");
  EXPECT_EQ(parts.status().param(), "messages");
  request.messages = *json::parse(R"([{"role": "user", "content": "x"}])");
  EXPECT_TRUE((*compiled)->render(request).ok());
}

TEST(ChatTemplate, f018_tools_reach_the_model_byte_for_byte) {
  ChatRequest request;
  request.tools = *json::parse(
      R"([{"z":1,"a":{"minimum":1.0,"maximum":1e2,"multipleOf":0.10,"default":12345678901234567890},"m":"naïve <b> & 'x' a/b 数"}])");
  EXPECT_EQ(render("{{ tools | tojson }}", request),
            "[{\"z\": 1, \"a\": {\"minimum\": 1.0, \"maximum\": 100.0, \"multipleOf\": 0.1, \"default\": "
            "12345678901234567890}, \"m\": \"naïve <b> & 'x' a/b 数\"}]");
}

TEST(ChatTemplate, f071_a_comma_locale_changes_no_number) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* name : {"de_DE.UTF-8", "tr_TR.UTF-8"}) {
    std::setlocale(LC_ALL, name);
    EXPECT_EQ(
        render("{{ 0.5 }} {{ '%.2f' % 1.25 }} {{ 'TITLE' | lower }} {{ '1.5' | float }} {{ strftime_now('%B') }}"),
        "0.5 1.25 title 1.5 January");
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST(ChatTemplate, absent_tools_are_none_and_reserved_names_are_refused) {
  EXPECT_EQ(render("{{ tools is none }}{{ documents is none }}{{ tools is defined }}"), "TrueTrueTrue");
  ChatRequest request;
  request.template_kwargs = *json::parse(R"({"messages": []})");
  EXPECT_NE(render("x", request).find("messages is reserved"), std::string::npos);
}

TEST(ChatTemplate, syntax_errors_name_their_line) {
  const std::pair<const char*, const char*> cases[] = {{"a\nb\n{% if %}", "line 3"},
                                                       {"{{ 1 +", "line 1"},
                                                       {"\n{% for x in y %}", "line 2"},
                                                       {"{% endif %}", "unknown tag 'endif'"},
                                                       {"{% include 'x' %}", "include"},
                                                       {"{{ 'a }}", "unexpected char"},
                                                       {"{{ (1 }}", "unexpected '}'"},
                                                       {"{% set 1 = 2 %}", "name"},
                                                       {"{# x", "comment"},
                                                       {"{% raw %}", "raw"},
                                                       {"{{ a b }}", "end of print"},
                                                       {"{{ }}", "Expected an expression"},
                                                       {"\xff", "UTF-8"}};
  for (const auto& [source, expected] : cases) {
    const std::string message = render(source);
    EXPECT_TRUE(message.starts_with("compile: chat template: ")) << message;
    EXPECT_NE(message.find(expected), std::string::npos) << message;
  }
}

TEST(ChatTemplate, the_file_wins_over_the_configuration_and_lists_have_a_default) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("moe_template_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  EXPECT_EQ(load_chat_template(folder, 100).status().code(), Code::not_found);
  const auto rendered = [&] { return join(*(*load_chat_template(folder, 100))->render({})); };
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"bos_token": {"content": "<s>"}, "chat_template": [{"name": "x", "template": "X"}, {"name": "default", "template": "D{{ bos_token }}"}]})";
  EXPECT_EQ(rendered(), "D<s>");
  std::ofstream(folder / "tokenizer_config.json") << R"({"chat_template": "C"})";
  EXPECT_EQ(rendered(), "C");
  std::ofstream(folder / "chat_template.jinja") << "F\n";
  EXPECT_EQ(rendered(), "F");
  std::ofstream(folder / "chat_template.jinja") << "{% if %}";
  EXPECT_EQ(load_chat_template(folder, 100).status().code(), Code::invalid_argument);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace moe::text
