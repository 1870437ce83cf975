// Sums and records of the usage table. Everything is added as exact integers; the table is walked in short snapshots of
// rows up to one fixed seq, so a report is of one moment and never holds a reader open. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/query.hpp"
#include "admin/time_zone.hpp"
#include "core/json.hpp"
#include "ledger/ledger.hpp"

namespace moegate::admin {

// Which rows; empty = every.
struct Filter {
  std::string org, project, key, model, request_id;
};

struct ReportQuery {
  Filter filter;
  std::optional<std::int64_t> first_day, last_day;  // in the zone, both included, by the moment of admission
  std::vector<std::string> group_by;                // org, project, key, model, api, outcome, day, month
  TimeZone zone;
};
moe::Result<ReportQuery> parse_report_query(const QueryMap& query);

// {"object":"usage_report","tz":..,"group_by":[..],"last_seq":..,"data":[{group.., "requests":{outcome: n, "total": n},
// "input","cache_read","cache_write","output","reasoning"}],"total":{..}}
moe::Result<moe::json::Value> usage_report(const ledger::Ledger& ledger, const ReportQuery& query);
// {"object":"list","data":[record..],"last_seq": of the last row looked at,"has_more":bool}
moe::Result<moe::json::Value> usage_records(const ledger::Ledger& ledger, const Filter& filter, std::int64_t after_seq,
                                            std::int64_t limit);
// Sums per model over all rows, as the report makes them.
moe::Result<std::map<std::string, ledger::Counts>> report_totals(const ledger::Ledger& ledger);

}  // namespace moegate::admin
