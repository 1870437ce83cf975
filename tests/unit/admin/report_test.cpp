#include "admin/report.hpp"

#include <cstdlib>

#include "fixture.hpp"

namespace moegate::admin {
namespace {

constexpr std::int64_t kHour = 3'600'000'000;
constexpr std::int64_t kMs = 1000;

std::int64_t midnight(const char* day) { return *parse_day(day) * 24 * kHour; }

class Report : public AdminTest {
 protected:
  Report() { ::setenv("TZDIR", MOE_TEST_ZONES, 1); }
  Value report(const std::string& query) {
    const Answer answer = call("GET", "/admin/v1/usage", query);
    EXPECT_EQ(answer.status, 200) << moe::json::write(answer.body);
    return answer.body;
  }
  static std::map<std::string, std::int64_t> outputs(const Value& report, const char* group) {
    std::map<std::string, std::int64_t> sums;
    for (const Value& line : report.find("data")->items()) sums[text(line, group)] = number(line, "output");
    return sums;
  }
};

TEST_F(Report, sums_four_tiers_and_reasoning_by_every_group) {
  add_record("r1", midnight("2026-11-25"), {10, 16, 3, 5, 2});
  add_record("r2", midnight("2026-11-25"), {20, 0, 0, 7, 0}, ledger::Outcome::cancelled, "web", "other");
  add_record("r3", midnight("2026-11-26"), {1, 0, 0, 100, 100}, ledger::Outcome::length, "batch");
  const Value all = report("");
  const Value& total = *all.find("total");
  EXPECT_EQ(number(total, "input"), 31);
  EXPECT_EQ(number(total, "cache_read"), 16);
  EXPECT_EQ(number(total, "cache_write"), 3);
  EXPECT_EQ(number(total, "output"), 112);
  EXPECT_EQ(number(total, "reasoning"), 102);
  EXPECT_EQ(number(*total.find("requests"), "total"), 3);
  EXPECT_EQ(number(*total.find("requests"), "cancelled"), 1);
  EXPECT_EQ(outputs(report("group_by=project"), "project"),
            (std::map<std::string, std::int64_t>{{"batch", 100}, {"web", 12}}));
  EXPECT_EQ(outputs(report("group_by=model"), "model"),
            (std::map<std::string, std::int64_t>{{"demo", 105}, {"other", 7}}));
  EXPECT_EQ(outputs(report("group_by=outcome&project=web"), "outcome"),
            (std::map<std::string, std::int64_t>{{"cancelled", 7}, {"completed", 5}}));
  EXPECT_EQ(outputs(report("group_by=day"), "day"),
            (std::map<std::string, std::int64_t>{{"2026-11-25", 12}, {"2026-11-26", 100}}));
  EXPECT_EQ(outputs(report("group_by=month"), "month"), (std::map<std::string, std::int64_t>{{"2026-11", 112}}));
  EXPECT_EQ(number(*report("day=2026-11-26").find("total"), "output"), 100);
  EXPECT_EQ(number(*report("to=2026-11-25").find("total"), "output"), 12);
  EXPECT_EQ(report("group_by=org,project,key").find("data")->items().size(), 2u);
}

TEST_F(Report, F049_every_record_lies_in_exactly_one_day_of_every_zone) {
  int n = 0;
  const auto add = [&](std::int64_t at) { add_record("r" + std::to_string(n++), at, {1, 0, 0, 1, 0}); };
  for (const std::int64_t edge : {midnight("2026-11-25"), midnight("2026-11-25") - 5 * kHour - kHour / 2,
                                  midnight("2026-11-25") + 3 * kHour + kHour / 2}) {
    add(edge - kMs);
    add(edge);
  }
  for (const char* day : {"2026-03-29", "2026-10-25"}) {  // 23 hours and 25 hours in Berlin: one record every half hour
    for (int half = -4; half < 56; ++half) add(midnight(day) - 2 * kHour + half * kHour / 2);
  }
  for (const std::string zone : {"", "UTC", "%2B05:30", "-03:30", "Europe/Berlin"}) {
    const Value by_day = report("group_by=day&tz=" + zone);
    std::int64_t sum = 0;
    for (const auto& [day, output] : outputs(by_day, "day")) {
      sum += output;
      EXPECT_EQ(number(*report("day=" + day + "&tz=" + zone).find("total"), "output"), output) << day << " " << zone;
    }
    EXPECT_EQ(sum, n) << zone;
  }
  EXPECT_EQ(text(report(""), "tz"), "UTC");
  const auto berlin = outputs(report("group_by=day&tz=Europe/Berlin"), "day");
  EXPECT_EQ(berlin.at("2026-03-29"), 2 * 23);
  EXPECT_EQ(berlin.at("2026-10-25"), 2 * 25);
  const auto india = outputs(report("group_by=day&tz=%2B05:30&from=2026-11-24&to=2026-11-25"), "day");
  EXPECT_EQ(india.at("2026-11-24"), 1);
  EXPECT_EQ(india.at("2026-11-25"), 5);
}

TEST_F(Report, F050_a_record_of_a_cut_stream_has_every_field_of_a_completed_one) {
  add_record("r1", midnight("2026-11-25"), {10, 0, 0, 5, 0});
  add_record("r2", midnight("2026-11-25"), {10, 0, 0, 3, 0}, ledger::Outcome::disconnected);
  const auto records = call("GET", "/admin/v1/usage/records").body.find("data")->items();
  ASSERT_EQ(records.size(), 2u);
  for (std::size_t i = 0; i < records[0].members().size(); ++i) {
    EXPECT_EQ(records[0].members()[i].first, records[1].members()[i].first);
  }
  EXPECT_EQ(text(records[1], "outcome"), "disconnected");
  EXPECT_EQ(text(records[1], "asked_model"), "fast");
  EXPECT_EQ(text(records[1], "admitted_at"), "2026-11-25T00:00:00.000000Z");
  EXPECT_EQ(records[1].find("route_digests")->items().size(), 2u);
}

TEST_F(Report, records_come_in_pages_without_gap_or_repeat) {
  for (int i = 0; i < 25; ++i) add_record("r" + std::to_string(i), midnight("2026-11-25"), {1, 0, 0, 1, 0});
  std::vector<std::int64_t> seen;
  std::int64_t after = 0;
  for (bool has_more = true; has_more;) {
    const Value page = call("GET", "/admin/v1/usage/records", "limit=10&after_seq=" + std::to_string(after)).body;
    for (const Value& record : page.find("data")->items()) seen.push_back(number(record, "seq"));
    after = number(page, "last_seq");
    has_more = page.find("has_more")->as_bool();
  }
  ASSERT_EQ(seen.size(), 25u);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<std::int64_t>(i) + 1);
}

TEST_F(Report, wrong_parameters_are_named) {
  const auto refused = [&](const std::string& path, const std::string& query, const std::string& param) {
    const Answer answer = call("GET", path, query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_EQ(answer.body.find("error")->find("param")->as_string(), param) << query;
  };
  refused("/admin/v1/usage", "group_by=galaxy", "group_by");
  refused("/admin/v1/usage", "tz=Mars", "tz");
  refused("/admin/v1/usage", "day=yesterday", "day");
  refused("/admin/v1/usage", "orgg=acme", "orgg");
  refused("/admin/v1/usage", "org=a&org=b", "org");
  refused("/admin/v1/usage/records", "limit=0", "limit");
  refused("/admin/v1/usage/records", "limit=1001", "limit");
  refused("/admin/v1/usage/records", "after_seq=-1", "after_seq");
  refused("/admin/v1/usage/records", "after_seq=x", "after_seq");
}

}  // namespace
}  // namespace moegate::admin
