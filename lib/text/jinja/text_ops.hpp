// Python's string operations on Str, shared by methods and filters. All keep what came from the request.
#pragma once

#include <optional>
#include <vector>

#include "text/jinja/str.hpp"

namespace moe::text::jinja {

Str upper(const Str& text);
Str lower(const Str& text);
Str capitalize(const Str& text);
Str title(const Str& text);        // str.title
Str title_words(const Str& text);  // Jinja's title filter
// Removes white space, or the code points of `chars`, from the sides asked for.
Str strip(const Str& text, std::optional<std::string_view> chars, bool left, bool right);
Str replace(const Str& text, const Str& from, const Str& to, std::int64_t count);
// At white space if there is no separator. `limit` < 0: everywhere. `from_right`: the limit counts from the end.
std::vector<Str> split(const Str& text, std::optional<std::string_view> separator, std::int64_t limit, bool from_right);
std::vector<Str> split_lines(const Str& text, bool keep_ends);

// Case of all letters, as Python's islower, isupper: at least one, and none of the other case.
bool is_lower(std::string_view text);
bool is_upper(std::string_view text);
bool is_digit(char32_t point);
bool is_alphabetic(char32_t point);

}  // namespace moe::text::jinja
