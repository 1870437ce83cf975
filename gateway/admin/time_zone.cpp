#include "admin/time_zone.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace moegate::admin {
namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::size_t kMaxFileBytes = 64 * 1024;
constexpr std::size_t kHeaderBytes = 44;

std::int64_t big_endian(std::string_view bytes) {
  std::uint64_t value = (bytes[0] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return static_cast<std::int64_t>(value);
}

int digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return text.empty() ? -1 : value;
}

bool is_zone_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name[0] != '/' && name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' ||
                  c == '-' || c == '+';
         });
}

// Counts of a TZif header, in its order.
struct Header {
  std::int64_t utc_flags = 0, wall_flags = 0, leaps = 0, changes = 0, types = 0, letters = 0;
  std::int64_t data_bytes(std::int64_t time_bytes) const {
    return changes * (time_bytes + 1) + types * 6 + letters + leaps * (time_bytes + 4) + wall_flags + utc_flags;
  }
};

bool read_header(std::string_view bytes, Header* header) {
  if (bytes.size() < kHeaderBytes || bytes.substr(0, 4) != "TZif" || bytes[4] < '2') return false;
  std::int64_t* fields[] = {&header->utc_flags, &header->wall_flags, &header->leaps,
                            &header->changes,   &header->types,      &header->letters};
  for (std::size_t i = 0; i < std::size(fields); ++i) {
    *fields[i] = big_endian(bytes.substr(20 + 4 * i, 4));
    if (*fields[i] < 0 || *fields[i] > static_cast<std::int64_t>(kMaxFileBytes)) return false;
  }
  return header->types > 0;
}

}  // namespace

// Reads the POSIX TZ text behind the tables: CET-1CEST,M3.5.0,M10.5.0/3
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : rest_(text) {}
  bool name() {
    std::size_t n = 0;
    if (rest_.starts_with('<')) {
      n = rest_.find('>');
      if (n == std::string_view::npos) return false;
      ++n;
    } else {
      while (n < rest_.size() && ((rest_[n] | 32) >= 'a' && (rest_[n] | 32) <= 'z')) ++n;
    }
    rest_.remove_prefix(n);
    return n >= 3;
  }
  // [+-]h[:mm[:ss]]
  bool time(std::int64_t* seconds) {
    std::int64_t sign = 1;
    if (rest_.starts_with('-') || rest_.starts_with('+')) {
      if (rest_[0] == '-') sign = -1;
      rest_.remove_prefix(1);
    }
    std::int64_t part = 0, total = 0, unit = 3600;
    do {
      if (!number(&part)) return false;
      total += part * unit;
      unit /= 60;
    } while (unit > 0 && take(':'));
    *seconds = sign * total;
    return true;
  }
  bool change(TimeZone::Change* change) {
    std::int64_t month = 0, week = 0, weekday = 0;
    if (!take(',') || !take('M') || !number(&month) || !take('.') || !number(&week) || !take('.') ||
        !number(&weekday)) {
      return false;
    }
    if (month < 1 || month > 12 || week < 1 || week > 5 || weekday > 6) return false;
    *change = {static_cast<int>(month), static_cast<int>(week), static_cast<int>(weekday), 7200};
    return !take('/') || time(&change->time_s);
  }
  bool is_at_end() const { return rest_.empty(); }
  bool is_at(char c) const { return rest_.starts_with(c); }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool number(std::int64_t* value) {
    std::size_t n = 0;
    while (n < rest_.size() && n < 3 && rest_[n] >= '0' && rest_[n] <= '9') ++n;
    *value = digits(rest_.substr(0, n));
    rest_.remove_prefix(n);
    return n > 0;
  }
  std::string_view rest_;
};

bool TimeZone::read_rule(std::string_view text) {
  RuleReader reader(text);
  std::int64_t west_s = 0;
  if (!reader.name() || !reader.time(&west_s)) return false;
  rule_.standard_s = -west_s;
  if (reader.is_at_end()) return true;
  rule_.has_summer_time = true;
  rule_.summer_s = rule_.standard_s + 3600;
  if (!reader.name()) return false;
  if (!reader.is_at(',')) {
    if (!reader.time(&west_s)) return false;
    rule_.summer_s = -west_s;
  }
  return reader.change(&rule_.to_summer) && reader.change(&rule_.to_standard) && reader.is_at_end();
}

moe::Status TimeZone::read_file(const std::string& bytes) {
  const auto broken = moe::invalid("the zone file of " + name_ + " cannot be read");
  Header old, header;
  if (!read_header(bytes, &old)) return broken;
  const std::size_t second = kHeaderBytes + static_cast<std::size_t>(old.data_bytes(4));
  if (second > bytes.size()) return broken;
  const std::string_view part = std::string_view(bytes).substr(second);
  if (!read_header(part, &header)) return broken;
  const std::size_t end = kHeaderBytes + static_cast<std::size_t>(header.data_bytes(8));
  if (end + 2 > part.size()) return broken;

  const std::size_t n = static_cast<std::size_t>(header.changes);
  const std::string_view types = part.substr(kHeaderBytes + 9 * n, 6 * static_cast<std::size_t>(header.types));
  const auto offset_of = [&](std::size_t type) { return big_endian(types.substr(6 * type, 4)); };
  first_offset_s_ = offset_of(0);
  for (std::size_t i = 0; i < n; ++i) {
    const auto type = static_cast<unsigned char>(part[kHeaderBytes + 8 * n + i]);
    if (type >= header.types) return broken;
    changes_utc_s_.push_back(big_endian(part.substr(kHeaderBytes + 8 * i, 8)));
    offsets_s_.push_back(offset_of(type));
  }
  if (!std::is_sorted(changes_utc_s_.begin(), changes_utc_s_.end())) return broken;
  const std::string_view footer = part.substr(end + 1, part.size() - end - 2);
  return part[end] == '\n' && part.back() == '\n' && read_rule(footer) ? moe::Status() : broken;
}

moe::Result<TimeZone> TimeZone::load(std::string_view name) {
  TimeZone zone;
  if (name.empty() || name == "UTC" || name == "Z") return zone;
  zone.name_ = name;
  if (name[0] == '+' || name[0] == '-') {
    const int hours = name.size() == 6 && name[3] == ':' ? digits(name.substr(1, 2)) : -1;
    const int minutes = hours >= 0 ? digits(name.substr(4, 2)) : -1;
    if (minutes < 0 || hours > 14 || minutes > 59) return moe::invalid("a fixed time zone is written as +05:30");
    zone.rule_.standard_s = zone.first_offset_s_ = (name[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return zone;
  }
  const char* folder = std::getenv("TZDIR");
  const std::filesystem::path file = std::filesystem::path(folder != nullptr ? folder : "/usr/share/zoneinfo") / name;
  std::error_code error;
  if (!is_zone_name(name) || !std::filesystem::is_regular_file(file, error)) {
    return moe::invalid(
        "there is no time zone of this name here: use UTC, an offset (+05:30) or a name like Europe/Berlin");
  }
  std::ifstream in(file, std::ios::binary);
  std::string bytes(kMaxFileBytes + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  if (bytes.size() > kMaxFileBytes) return moe::invalid("the zone file of " + zone.name_ + " is too large");
  if (auto status = zone.read_file(bytes); !status.ok()) return status;
  return zone;
}

std::int64_t TimeZone::change_utc(const Change& change, int year, std::int64_t offset_before_s) {
  using namespace std::chrono;
  const auto month_of_year = std::chrono::year(year) / month(static_cast<unsigned>(change.month));
  const weekday day_of_week(static_cast<unsigned>(change.weekday));
  const sys_days day = change.week == 5 ? sys_days(month_of_year / day_of_week[last])
                                        : sys_days(month_of_year / day_of_week[static_cast<unsigned>(change.week)]);
  return day.time_since_epoch().count() * kDay + change.time_s - offset_before_s;
}

std::int64_t TimeZone::rule_offset(std::int64_t utc_s) const {
  if (!rule_.has_summer_time) return rule_.standard_s;
  const std::int64_t local_day = floor_div(utc_s + rule_.standard_s, kDay);
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(local_day))};
  const int year = static_cast<int>(date.year());
  const std::int64_t summer = change_utc(rule_.to_summer, year, rule_.standard_s);
  const std::int64_t standard = change_utc(rule_.to_standard, year, rule_.summer_s);
  // South of the equator summer time spans the new year.
  const bool is_summer = summer < standard ? utc_s >= summer && utc_s < standard : utc_s >= summer || utc_s < standard;
  return is_summer ? rule_.summer_s : rule_.standard_s;
}

std::int64_t TimeZone::offset_s(std::int64_t utc_s) const {
  const auto next = std::upper_bound(changes_utc_s_.begin(), changes_utc_s_.end(), utc_s);
  if (next == changes_utc_s_.end()) return rule_offset(utc_s);
  if (next == changes_utc_s_.begin()) return first_offset_s_;
  return offsets_s_[static_cast<std::size_t>(next - changes_utc_s_.begin()) - 1];
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a % b < 0) != (b < 0) ? 1 : 0);
}

std::string day_text(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()));
  return text;
}

moe::Result<std::int64_t> parse_day(std::string_view text) {
  const bool has_form = text.size() == 10 && text[4] == '-' && text[7] == '-';
  const int year = has_form ? digits(text.substr(0, 4)) : -1;
  const int month = has_form ? digits(text.substr(5, 2)) : -1;
  const int day = has_form ? digits(text.substr(8, 2)) : -1;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 1970 || month < 1 || day < 1 || !date.ok()) return moe::invalid("a day is written as 2026-11-25");
  return std::int64_t{std::chrono::sys_days(date).time_since_epoch().count()};
}

std::string instant_text(std::int64_t utc_us) {
  const std::int64_t seconds = floor_div(utc_us, 1'000'000);
  const std::int64_t day = floor_div(seconds, kDay);
  const std::int64_t in_day = seconds - day * kDay;
  char text[32];
  std::snprintf(text, sizeof text, "T%02d:%02d:%02d.%06dZ", static_cast<int>(in_day / 3600),
                static_cast<int>(in_day / 60 % 60), static_cast<int>(in_day % 60),
                static_cast<int>(utc_us - seconds * 1'000'000));
  return day_text(day) + text;
}

}  // namespace moegate::admin
