#include "telemetry/metrics.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>

namespace moegate::telemetry {
namespace {

MetricsOptions options() { return {{"demo"}, {"chat_completions"}, 20'000, "0", "b"}; }

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, counters_read_back_exactly) {
  Metrics metrics(options());
  metrics.requests.add(1, "demo", "chat", "stream", "completed");
  metrics.requests.add(2, "demo", "chat", "stream", "completed");
  EXPECT_TRUE(has_line(metrics.registry.render(),
                       R"(moegate_requests_total{api="chat",mode="stream",model="demo",outcome="completed"} 3)"));
}

TEST(Metrics, known_series_exist_from_the_start) {
  Metrics metrics(options());
  const auto text = metrics.registry.render();
  EXPECT_TRUE(
      has_line(text, R"(moegate_requests_total{api="completions",mode="oneshot",model="demo",outcome="shed"} 0)"));
  EXPECT_TRUE(has_line(text, R"(moegate_prompt_tokens_total{model="demo",source="cached"} 0)"));
  EXPECT_TRUE(has_line(text, "moegate_meter_unsynced_tokens 0"));
}

TEST(Metrics, o1_a_value_outside_its_domain_is_counted_as_other) {
  Metrics metrics(options());
  const auto before = metrics.registry.series();
  for (int i = 0; i < 1000; ++i)
    metrics.requests.add(1, "client-model-" + std::to_string(i), "chat", "stream", "completed");
  EXPECT_LE(metrics.registry.series(), before + 1);
  EXPECT_TRUE(
      has_line(metrics.registry.render(),
               R"(moegate_requests_total{api="chat",mode="stream",model="__other__",outcome="completed"} 1000)"));
}

TEST(Metrics, f055_the_series_cap_holds_under_25000_label_sets) {
  Metrics metrics({{"demo"}, {"r"}, 2000, "0", "b"});
  for (int i = 0; i < 25'000; ++i) metrics.layer_entropy.set(1, "demo", std::to_string(i));
  EXPECT_LE(metrics.registry.series(), 2010U);
  const auto text = metrics.registry.render();
  EXPECT_NE(text.find(R"(moegate_metrics_series_dropped_total{family="moegate_moe_layer_entropy_ratio"})"),
            std::string::npos);
  EXPECT_TRUE(has_line(text, R"(moegate_moe_layer_entropy_ratio{layer="__other__",model="__other__"} 1)"));
}

TEST(Metrics, f055_a_failing_update_is_dropped_and_counted) {
  Metrics metrics(options());
  for (std::uint64_t n = 1; n < 5; ++n) {
    metrics.registry.fail_every(n);
    const auto before = metrics.registry.failed_updates();
    for (int i = 0; i < 20; ++i) {
      metrics.prompt_tokens.add(1, "demo", "computed");
      metrics.ttft.observe(0.1, "demo");
      metrics.engine_up.set(1, "demo");
    }
    EXPECT_EQ(metrics.registry.failed_updates() - before, (60 + n - 1) / n);
  }
  metrics.registry.fail_every(0);
  EXPECT_FALSE(metrics.registry.render().empty());
}

TEST(Metrics, f055_odd_numbers_are_dropped) {
  Metrics metrics(options());
  metrics.prompt_tokens.add(-1, "demo", "computed");
  metrics.prompt_tokens.add(std::nan(""), "demo", "computed");
  metrics.ttft.observe(std::numeric_limits<double>::infinity(), "demo");
  metrics.ttft.observe(-5, "demo");  // a clock that went back
  EXPECT_EQ(metrics.registry.failed_updates(), 3U);
  const auto text = metrics.registry.render();
  EXPECT_TRUE(has_line(text, R"(moegate_prompt_tokens_total{model="demo",source="computed"} 0)"));
  EXPECT_TRUE(has_line(text, R"(moegate_time_to_first_token_seconds_count{model="demo"} 1)"));
}

TEST(Metrics, a_counter_that_follows_a_total_never_falls) {
  Metrics metrics(options());
  metrics.engine_steps.rise_to(10, "demo");
  metrics.engine_steps.rise_to(7, "demo");
  EXPECT_TRUE(has_line(metrics.registry.render(), R"(moegate_engine_steps_total{model="demo"} 10)"));
}

TEST(Metrics, f056_labels_are_escaped_and_families_described_once) {
  Metrics metrics({{"a\"b\\c\nd"}, {"r"}, 20'000, "0", "b"});
  const auto text = metrics.registry.render();
  EXPECT_NE(text.find(R"(model="a\"b\\c\nd")"), std::string::npos);
  std::set<std::string> helps;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# HELP ")) continue;
    const auto name = line.substr(7, line.find(' ', 7) - 7);
    EXPECT_TRUE(helps.insert(name).second) << name;
  }
  EXPECT_GT(helps.size(), 40U);
}

TEST(Metrics, f071_numbers_print_with_a_point_in_every_locale) {
  const char* before = std::setlocale(LC_ALL, nullptr);
  const std::string saved = before != nullptr ? before : "C";
  std::setlocale(LC_ALL, "de_DE.UTF-8");
  Metrics metrics(options());
  metrics.engine_load_seconds.set(1.5, "demo");
  EXPECT_TRUE(has_line(metrics.registry.render(), R"(moegate_engine_load_seconds{model="demo"} 1.5)"));
  std::setlocale(LC_ALL, saved.c_str());
}

TEST(Metrics, every_outcome_has_a_class) {
  EXPECT_EQ(outcome_class("completed"), "completed");
  EXPECT_EQ(outcome_class("length"), "completed");
  EXPECT_EQ(outcome_class("disconnected"), "cut");
  EXPECT_EQ(outcome_class("engine_error"), "failed");
  EXPECT_EQ(outcome_class("rejected_rate"), "rejected");
  EXPECT_EQ(status_class(429), "4xx");
}

}  // namespace
}  // namespace moegate::telemetry
