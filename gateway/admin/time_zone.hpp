// Offsets of a time zone from UTC: "UTC", a fixed offset "+05:30", or a name of the system's zone database (TZif files
// under $TZDIR or /usr/share/zoneinfo). Immutable after load; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"

namespace moegate::admin {

class TimeZone {
 public:
  // INVALID_ARGUMENT for a name that is none.
  static moe::Result<TimeZone> load(std::string_view name);
  std::int64_t offset_s(std::int64_t utc_s) const;
  const std::string& name() const { return name_; }

 private:
  // A recurring change of clocks of a POSIX TZ rule: day `weekday` of week `week` (5 = last) of `month`, at `time_s`.
  struct Change {
    int month = 0, week = 0, weekday = 0;
    std::int64_t time_s = 7200;
  };
  struct Rule {
    bool has_summer_time = false;
    std::int64_t standard_s = 0, summer_s = 0;
    Change to_summer, to_standard;
  };
  moe::Status read_file(const std::string& bytes);
  bool read_rule(std::string_view text);
  static std::int64_t change_utc(const Change& change, int year, std::int64_t offset_before_s);
  std::int64_t rule_offset(std::int64_t utc_s) const;
  friend class RuleReader;

  std::string name_ = "UTC";
  std::int64_t first_offset_s_ = 0;
  std::vector<std::int64_t> changes_utc_s_, offsets_s_;  // from changes[i] on, offsets[i]
  Rule rule_;                                            // behind the last change
};

// "2026-11-25" of a day counted from 1970-01-01, and back; -1 months etc. never occur.
std::string day_text(std::int64_t day);
moe::Result<std::int64_t> parse_day(std::string_view text);
std::int64_t floor_div(std::int64_t a, std::int64_t b);
// "2026-11-25T10:38:00.000001Z"
std::string instant_text(std::int64_t utc_us);

}  // namespace moegate::admin
