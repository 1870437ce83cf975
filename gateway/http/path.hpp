// From the request target to the one path that decides both auth and dispatch. Refuses every spelling that another
// reader could resolve to another path: dot and empty segments, encoded slashes (but inside a model id), NUL, ';',
// backslash, doubled percent encoding, invalid UTF-8. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "core/status.hpp"

namespace moegate::http {

struct Target {
  std::string path;   // decoded once, starts with '/'
  std::string query;  // raw, without '?'
};

// `target` in origin form. Errors: INVALID_ARGUMENT that says what is wrong with the path.
moe::Result<Target> parse_target(std::string_view target);

bool is_valid_utf8(std::string_view text);  // no overlong form, no surrogate, at most U+10FFFF

// Decoded value of the first parameter of that name in "a=b&c=d"; "" if absent ('+' is a blank, bad escapes stay).
std::string query_value(std::string_view query, std::string_view name);

}  // namespace moegate::http
