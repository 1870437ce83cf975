// Prints answers of the admin API for people: tables of a list, a report, lines of an object. Pure.
#pragma once

#include <iosfwd>
#include <string>

#include "core/json.hpp"

namespace moegate::cli {

// Picks the form by the answer's "object" member.
void print_answer(const moe::json::Value& answer, std::ostream& out);
// One line of CSV (RFC 4180) of the members of `record`; `as_header` prints their names.
std::string csv_line(const moe::json::Value& record, bool as_header);

}  // namespace moegate::cli
