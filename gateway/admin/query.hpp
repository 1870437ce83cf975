// The query part of an admin address: decoded pairs; unknown and repeated names are refused. Pure.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/status.hpp"

namespace moegate::admin {

using QueryMap = std::map<std::string, std::string>;
moe::Result<QueryMap> parse_query(std::string_view query, std::initializer_list<std::string_view> known);
std::string query_value(const QueryMap& query, const std::string& name);
// "" = `fallback`; empty result: not a number from least to most.
std::optional<std::int64_t> query_integer(const QueryMap& query, const std::string& name, std::int64_t fallback,
                                          std::int64_t least, std::int64_t most);
std::string percent_encode(std::string_view text);

}  // namespace moegate::admin
