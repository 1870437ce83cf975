#include "admin/report.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include "core/digest.hpp"
#include "ledger/sqlite.hpp"
#include "ledger/writer.hpp"

namespace moegate::admin {
namespace {

using ledger::Counts;
using moe::json::Value;

constexpr std::int64_t kRowsPerSnapshot = 20000;
constexpr std::int64_t kDaySeconds = 86400;
constexpr std::string_view kGroups[] = {"org", "project", "key", "model", "api", "outcome", "day", "month"};

Value integer(std::uint64_t value) { return Value::integer(static_cast<std::int64_t>(value)); }

void set_counts(Value& target, const Counts& counts) {
  target.set("input", integer(counts.input))
      .set("cache_read", integer(counts.cache_read))
      .set("cache_write", integer(counts.cache_write))
      .set("output", integer(counts.output))
      .set("reasoning", integer(counts.reasoning));
}

// What a report needs of a row.
struct UsageRow {
  std::int64_t seq = 0;
  std::string kind, org, project, key, model, api, outcome;
  std::int64_t admitted_at_us = 0;
  Counts counts;
};

UsageRow read_row(const ledger::sql::Statement& row) {
  const auto count = [&](int column) { return static_cast<std::uint64_t>(row.integer(column)); };
  return {
      row.integer(0), row.text(1), row.text(2), row.text(3),    row.text(4),
      row.text(5),    row.text(6), row.text(7), row.integer(8), {count(9), count(10), count(11), count(12), count(13)}};
}

bool matches(const Filter& filter, const UsageRow& row) {
  const auto fits = [](const std::string& wanted, const std::string& value) {
    return wanted.empty() || wanted == value;
  };
  return fits(filter.org, row.org) && fits(filter.project, row.project) && fits(filter.key, row.key) &&
         fits(filter.model, row.model);
}

// Every row up to the last one of now, in order, in snapshots of at most kRowsPerSnapshot.
moe::Status for_each_row(const ledger::Ledger& ledger, std::int64_t* last_seq,
                         const std::function<moe::Status(const UsageRow&)>& take) {
  auto status = ledger.read([&](sqlite3* db) {
    *last_seq = ledger::sql::query_integer(db, "SELECT coalesce(max(seq), 0) FROM usage");
    return moe::Status();
  });
  for (std::int64_t from = 0; status.ok() && from < *last_seq; from += kRowsPerSnapshot) {
    status = ledger.read([&](sqlite3* db) {
      ledger::sql::Statement rows(db,
                                  "SELECT seq, kind, org, project, key_id, model, api, outcome, admitted_at, input, "
                                  "cache_read, cache_write, output, reasoning FROM usage WHERE seq > ? AND seq <= ? "
                                  "ORDER BY seq");
      rows.bind(1, from).bind(2, std::min(from + kRowsPerSnapshot, *last_seq));
      while (rows.step()) {
        if (auto taken = take(read_row(rows)); !taken.ok()) return taken;
      }
      return moe::Status();
    });
  }
  return status;
}

struct Sums {
  Counts counts;
  std::map<std::string, std::uint64_t> requests;  // by outcome

  moe::Status add(const UsageRow& row) {
    if (!ledger::add_counts(&counts, row.counts)) {
      return {moe::Code::out_of_range, "a sum of tokens leaves 63 bits: ask for fewer days at once"};
    }
    // Corrections and replays change tokens, they are no requests.
    if (row.kind == "usage") ++requests[row.outcome];
    return {};
  }
  void write(Value& target) const {
    Value by_outcome = Value::object();
    std::uint64_t total = 0;
    for (const auto& [outcome, n] : requests) {
      by_outcome.set(outcome, integer(n));
      total += n;
    }
    target.set("requests", by_outcome.set("total", integer(total)));
    set_counts(target, counts);
  }
};

std::string group_value(const std::string& group, const UsageRow& row, std::int64_t day) {
  if (group == "org") return row.org;
  if (group == "project") return row.project;
  if (group == "key") return row.key;
  if (group == "model") return row.model;
  if (group == "api") return row.api;
  if (group == "outcome") return row.outcome;
  return group == "day" ? day_text(day) : day_text(day).substr(0, 7);
}

moe::Status add_days(const QueryMap& query, ReportQuery* out) {
  for (const char* name : {"from", "to", "day"}) {
    const std::string text = query_value(query, name);
    if (text.empty()) continue;
    const auto day = parse_day(text);
    if (!day) return std::move(day.status()).with_param(name);
    if (name != std::string_view("to")) out->first_day = *day;
    if (name != std::string_view("from")) out->last_day = *day;
  }
  return {};
}

}  // namespace

moe::Result<ReportQuery> parse_report_query(const QueryMap& query) {
  ReportQuery out;
  out.filter = {query_value(query, "org"), query_value(query, "project"), query_value(query, "key"),
                query_value(query, "model"), ""};
  auto zone = TimeZone::load(query_value(query, "tz"));
  if (!zone) return std::move(zone.status()).with_param("tz");
  out.zone = std::move(*zone);
  if (auto status = add_days(query, &out); !status.ok()) return status;
  std::string names = query_value(query, "group_by");
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(','), names.size());
    const std::string name = names.substr(0, end);
    names.erase(0, end + 1);
    if (std::find(std::begin(kGroups), std::end(kGroups), name) == std::end(kGroups)) {
      return moe::invalid("group_by takes org, project, key, model, api, outcome, day, month, separated by commas")
          .with_param("group_by");
    }
    out.group_by.push_back(name);
  }
  return out;
}

moe::Result<Value> usage_report(const ledger::Ledger& ledger, const ReportQuery& query) {
  std::map<std::vector<std::string>, Sums> groups;
  Sums total;
  std::int64_t last_seq = 0;
  const auto status = for_each_row(ledger, &last_seq, [&](const UsageRow& row) {
    if (!matches(query.filter, row)) return moe::Status();
    const std::int64_t utc_s = floor_div(row.admitted_at_us, 1'000'000);
    const std::int64_t day = floor_div(utc_s + query.zone.offset_s(utc_s), kDaySeconds);
    if ((query.first_day && day < *query.first_day) || (query.last_day && day > *query.last_day)) return moe::Status();
    std::vector<std::string> key;
    for (const std::string& group : query.group_by) key.push_back(group_value(group, row, day));
    if (auto added = total.add(row); !added.ok()) return added;
    return groups[key].add(row);
  });
  if (!status.ok()) return status;
  Value names = Value::array(), data = Value::array(), sum = Value::object();
  for (const std::string& group : query.group_by) names.push(Value::string(group));
  for (const auto& [key, sums] : groups) {
    Value line = Value::object();
    for (std::size_t i = 0; i < key.size(); ++i) line.set(query.group_by[i], Value::string(key[i]));
    sums.write(line);
    data.push(std::move(line));
  }
  total.write(sum);
  return Value::object()
      .set("object", Value::string("usage_report"))
      .set("tz", Value::string(query.zone.name()))
      .set("group_by", std::move(names))
      .set("last_seq", Value::integer(last_seq))
      .set("data", std::move(data))
      .set("total", std::move(sum));
}

namespace {

Value record_json(const ledger::sql::Statement& row) {
  Value record = Value::object();
  constexpr const char* kTexts[] = {"kind",        "request_id", "org",  "project",  "key",    "model",
                                    "asked_model", "api",        "mode", "end_user", "outcome"};
  record.set("seq", Value::integer(row.integer(0)));
  int column = 1;
  for (const char* name : kTexts) record.set(name, Value::string(row.text(column++)));
  record.set("billable", Value::boolean(row.integer(column++) != 0));
  for (const char* name : {"input", "cache_read", "cache_write", "output", "reasoning"}) {
    record.set(name, Value::integer(row.integer(column++)));
  }
  record.set("counts", Value::string(row.text(column++)));
  record.set("admitted_at", Value::string(instant_text(row.integer(column++))));
  record.set("ended_at", Value::string(instant_text(row.integer(column++))));
  for (const char* name : {"queue_us", "ttft_us", "duration_us"})
    record.set(name, Value::integer(row.integer(column++)));
  record.set("seed", Value::integer(row.integer(column++)));
  record.set("build_id", Value::string(row.text(column++)));
  const std::string digests = moe::to_hex(row.blob(column++));
  Value list = Value::array();
  for (std::size_t i = 0; i + 64 <= digests.size(); i += 64) list.push(Value::string(digests.substr(i, 64)));
  record.set("route_digests", std::move(list));
  record.set("hash", Value::string(moe::to_hex(row.blob(column))));
  return record;
}

}  // namespace

moe::Result<Value> usage_records(const ledger::Ledger& ledger, const Filter& filter, std::int64_t after_seq,
                                 std::int64_t limit) {
  Value data = Value::array();
  std::int64_t last_seq = after_seq;
  bool has_more = false;
  const auto status = ledger.read([&](sqlite3* db) {
    ledger::sql::Statement rows(
        db,
        "SELECT u.seq, u.kind, u.request_id, u.org, u.project, u.key_id, u.model, u.asked_model, u.api, u.mode, "
        "u.end_user, u.outcome, u.billable, u.input, u.cache_read, u.cache_write, u.output, u.reasoning, u.counts, "
        "u.admitted_at, u.ended_at, u.queue_us, u.ttft_us, u.duration_us, r.seed, r.build_id, u.route_digests, u.hash "
        "FROM usage u LEFT JOIN requests r ON r.request_id = u.request_id WHERE u.seq > ?1 "
        "AND (?2 = '' OR u.org = ?2) AND (?3 = '' OR u.project = ?3) AND (?4 = '' OR u.key_id = ?4) "
        "AND (?5 = '' OR u.model = ?5) AND (?6 = '' OR u.request_id = ?6) ORDER BY u.seq LIMIT ?7");
    rows.bind(1, after_seq);
    int position = 2;
    for (const std::string* text : {&filter.org, &filter.project, &filter.key, &filter.model, &filter.request_id}) {
      rows.bind(position++, std::string_view(*text));
    }
    rows.bind(position, limit + 1);
    while (rows.step()) {
      if (static_cast<std::int64_t>(data.items().size()) == limit) {
        has_more = true;
        break;
      }
      last_seq = rows.integer(0);
      data.push(record_json(rows));
    }
    return moe::Status();
  });
  if (!status.ok()) return status;
  return Value::object()
      .set("object", Value::string("list"))
      .set("data", std::move(data))
      .set("last_seq", Value::integer(last_seq))
      .set("has_more", Value::boolean(has_more));
}

moe::Result<std::map<std::string, Counts>> report_totals(const ledger::Ledger& ledger) {
  std::map<std::string, Counts> totals;
  std::int64_t last_seq = 0;
  const auto status = for_each_row(ledger, &last_seq, [&](const UsageRow& row) {
    if (ledger::add_counts(&totals[row.model], row.counts)) return moe::Status();
    return moe::Status(moe::Code::out_of_range, "a sum of tokens leaves 63 bits");
  });
  if (!status.ok()) return status;
  return totals;
}

}  // namespace moegate::admin
