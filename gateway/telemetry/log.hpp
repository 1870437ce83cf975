// Lines for operators on stderr: text for people, one JSON object a request for the access log. Never content, keys or
// names of other tenants. Thread-safe.
#pragma once

#include <string_view>

namespace moegate::telemetry::log {

// "error" | "warning" | "info" | "debug"; also switches the access log.
void configure(std::string_view level, bool access);
void error(std::string_view text);
void warning(std::string_view text);
void info(std::string_view text);
void debug(std::string_view text);
// `json` is one complete object on one line.
void access(std::string_view json);

}  // namespace moegate::telemetry::log
