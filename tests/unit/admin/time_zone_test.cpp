#include "admin/time_zone.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace moegate::admin {
namespace {

std::int64_t utc(std::string_view day, std::int64_t hour, std::int64_t minute = 0) {
  return *parse_day(day) * 86400 + hour * 3600 + minute * 60;
}

TimeZone zone(const char* name) {
  ::setenv("TZDIR", MOE_TEST_ZONES, 1);
  auto zone = TimeZone::load(name);
  EXPECT_TRUE(zone.ok()) << zone.status().message();
  return *zone;
}

TEST(TimeZone, fixed_offsets_and_utc) {
  EXPECT_EQ(zone("UTC").offset_s(0), 0);
  EXPECT_EQ(zone("").name(), "UTC");
  EXPECT_EQ(zone("+05:30").offset_s(12345), 19800);
  EXPECT_EQ(zone("-03:30").offset_s(12345), -12600);
}

TEST(TimeZone, what_is_no_zone_is_refused) {
  ::setenv("TZDIR", MOE_TEST_ZONES, 1);
  for (const char* name : {"Mars/Olympus", "../Europe/Berlin", "/etc/passwd", "Europe", "+5:30", "+05:60", "+15:00",
                           "+0530", "Europe/Berlin ", "+-1:00"}) {
    EXPECT_FALSE(TimeZone::load(name).ok()) << name;
  }
}

TEST(TimeZone, berlin_changes_its_clocks_in_march_and_october) {
  const TimeZone berlin = zone("Europe/Berlin");
  EXPECT_EQ(berlin.offset_s(utc("2026-03-29", 0, 59)), 3600);
  EXPECT_EQ(berlin.offset_s(utc("2026-03-29", 1, 0)), 7200);
  EXPECT_EQ(berlin.offset_s(utc("2026-10-25", 0, 59)), 7200);
  EXPECT_EQ(berlin.offset_s(utc("2026-10-25", 1, 0)), 3600);
  // Behind the table the rule goes on.
  EXPECT_EQ(berlin.offset_s(utc("2060-07-01", 0)), 7200);
  EXPECT_EQ(berlin.offset_s(utc("2060-03-28", 0, 59)), 3600);
  EXPECT_EQ(berlin.offset_s(utc("2060-03-28", 1, 0)), 7200);
  EXPECT_EQ(berlin.offset_s(utc("2060-10-31", 0, 59)), 7200);
  EXPECT_EQ(berlin.offset_s(utc("2060-10-31", 1, 0)), 3600);
}

TEST(TimeZone, half_hours_and_the_southern_summer) {
  EXPECT_EQ(zone("America/St_Johns").offset_s(utc("2026-01-15", 12)), -12600);
  EXPECT_EQ(zone("America/St_Johns").offset_s(utc("2060-07-15", 12)), -9000);
  EXPECT_EQ(zone("Australia/Lord_Howe").offset_s(utc("2060-01-15", 12)), 39600);
  EXPECT_EQ(zone("Australia/Lord_Howe").offset_s(utc("2060-07-15", 12)), 37800);
}

TEST(TimeZone, days_and_instants_are_written_and_read) {
  EXPECT_EQ(day_text(*parse_day("2028-02-29")), "2028-02-29");
  EXPECT_EQ(day_text(-1), "1969-12-31");
  for (const char* text : {"2026-02-29", "2026-13-01", "2026-00-10", "26-01-01", "2026-1-1", "2026-01-00", "1969-12-31",
                           "2026-01-01x", "", "2026/01/01"}) {
    EXPECT_FALSE(parse_day(text).ok()) << text;
  }
  EXPECT_EQ(instant_text(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(instant_text(1'795'603'408'000'001), "2026-11-25T10:43:28.000001Z");
  EXPECT_EQ(instant_text(-1), "1969-12-31T23:59:59.999999Z");
}

}  // namespace
}  // namespace moegate::admin
