#include "text/jinja/text_ops.hpp"

#include <utf8proc.h>

#include <algorithm>

#include "text/unicode.hpp"

namespace moe::text::jinja {
namespace {

utf8proc_category_t category(char32_t point) { return utf8proc_category(static_cast<utf8proc_int32_t>(point)); }

template <typename F>
void each_point(std::string_view text, F&& take) {
  for (std::size_t pos = 0; pos < text.size();) {
    const CodePoint point = decode_utf8(text, pos);
    take(point.value);
    pos += point.size;
  }
}

// Letters whose upper case is more than one code point and that occur in text.
std::string_view wide_upper(char32_t point) {
  switch (point) {
    case 0xDF:
      return "SS";
    case 0x149:
      return "ʼN";
    case 0xFB00:
      return "FF";
    case 0xFB01:
      return "FI";
    case 0xFB02:
      return "FL";
    case 0xFB03:
      return "FFI";
    case 0xFB04:
      return "FFL";
    case 0xFB05:
    case 0xFB06:
      return "ST";
    default:
      return {};
  }
}

void append_upper(std::string& out, char32_t point) {
  if (const std::string_view wide = wide_upper(point); !wide.empty()) {
    out += wide;
  } else {
    append_utf8(out, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(point))));
  }
}

void append_title(std::string& out, char32_t point) {
  if (const std::string_view wide = wide_upper(point); !wide.empty()) {
    out += wide[0];
    out += lower(Str(std::string(wide.substr(1)))).text();
  } else {
    append_utf8(out, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(point))));
  }
}

void append_lower(std::string& out, char32_t point) {
  std::string one;
  append_utf8(one, point);
  out += to_lower(one);
}

bool cased(char32_t point) {
  const auto kind = category(point);
  return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT;
}

bool in_set(std::string_view set, char32_t point) {
  bool found = false;
  each_point(set, [&](char32_t member) { found |= member == point; });
  return found;
}

}  // namespace

Str upper(const Str& text) {
  std::string out;
  each_point(text.text(), [&](char32_t point) { append_upper(out, point); });
  return text.rewritten(std::move(out));
}

Str lower(const Str& text) { return text.rewritten(to_lower(text.text())); }

Str capitalize(const Str& text) {
  std::string out;
  bool first = true;
  each_point(text.text(), [&](char32_t point) {
    first ? append_title(out, point) : append_lower(out, point);
    first = false;
  });
  return text.rewritten(std::move(out));
}

Str title(const Str& text) {
  std::string out;
  bool inside = false;
  each_point(text.text(), [&](char32_t point) {
    inside ? append_lower(out, point) : append_title(out, point);
    inside = cased(point);
  });
  return text.rewritten(std::move(out));
}

Str title_words(const Str& text) {
  std::string out;
  bool start = true;
  each_point(text.text(), [&](char32_t point) {
    start ? append_upper(out, point) : append_lower(out, point);
    start = is_space(point) ||
            (point < 0x80 && std::string_view("-([{<").find(static_cast<char>(point)) != std::string_view::npos);
  });
  return text.rewritten(std::move(out));
}

Str strip(const Str& text, std::optional<std::string_view> chars, bool left, bool right) {
  const std::string_view all = text.text();
  const auto strips = [&](char32_t point) { return chars ? in_set(*chars, point) : is_space(point); };
  std::size_t begin = 0, end = all.size();
  while (left && begin < end) {
    const CodePoint point = decode_utf8(all, begin);
    if (!strips(point.value)) break;
    begin += point.size;
  }
  while (right && begin < end) {
    const CodePoint point = decode_utf8_before(all, end);
    if (!strips(point.value)) break;
    end -= point.size;
  }
  return text.substr(begin, end);
}

Str replace(const Str& text, const Str& from, const Str& to, std::int64_t count) {
  const std::string& all = text.text();
  Str out;
  std::size_t done = 0;
  for (std::size_t from_pos = 0; count != 0;) {
    std::size_t at = 0;
    if (from.empty()) {  // between all code points
      if (from_pos > all.size()) break;
      at = from_pos;
      from_pos += at < all.size() ? decode_utf8(all, at).size : 1;
    } else {
      at = all.find(from.text(), from_pos);
      if (at == std::string::npos) break;
      from_pos = at + from.size();
    }
    if (at > done) out.append(text, done, at);
    out.append(to);
    done = at + from.size();
    if (count > 0) --count;
  }
  if (done < all.size()) out.append(text, done, all.size());
  return out;
}

namespace {

std::vector<Str> split_at(const Str& text, std::string_view separator, std::int64_t limit, bool from_right) {
  std::vector<std::size_t> cuts;
  const std::string& all = text.text();
  if (!from_right) {
    for (std::size_t at = all.find(separator); at != std::string::npos && limit != 0;
         at = all.find(separator, at + separator.size())) {
      cuts.push_back(at);
      if (limit > 0) --limit;
    }
  } else {
    for (std::size_t end = all.size(); limit != 0 && end >= separator.size();) {
      const std::size_t at = all.rfind(separator, end - separator.size());
      if (at == std::string::npos) break;
      cuts.push_back(at);
      end = at;
      if (limit > 0) --limit;
    }
    std::reverse(cuts.begin(), cuts.end());
  }
  std::vector<Str> out;
  std::size_t begin = 0;
  for (std::size_t cut : cuts) {
    out.push_back(text.substr(begin, cut));
    begin = cut + separator.size();
  }
  out.push_back(text.substr(begin, all.size()));
  return out;
}

std::vector<Str> split_space(const Str& text, std::int64_t limit, bool from_right) {
  std::vector<Str::Span> words;
  const std::string& all = text.text();
  for (std::size_t pos = 0; pos < all.size();) {
    const CodePoint point = decode_utf8(all, pos);
    if (!is_space(point.value)) {
      if (words.empty() || words.back().end != pos) words.push_back({pos, pos});
      words.back().end = pos + point.size;
    }
    pos += point.size;
  }
  const auto most = limit < 0 ? words.size() : static_cast<std::size_t>(limit);
  if (words.size() > most + 1) {
    // What is beyond the limit stays one piece, with the white space inside of it.
    const std::size_t rest = words.size() - most - 1;
    if (from_right) {
      words[rest].begin = words[0].begin;
      words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(rest));
      words[0].begin = 0;
    } else {
      words[most].end = all.size();
      words.resize(most + 1);
    }
  }
  std::vector<Str> out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    Str word = text.substr(words[i].begin, words[i].end);
    if (i == 0 && from_right) word = strip(word, std::nullopt, true, false);
    out.push_back(std::move(word));
  }
  return out;
}

}  // namespace

std::vector<Str> split(const Str& text, std::optional<std::string_view> separator, std::int64_t limit,
                       bool from_right) {
  return separator ? split_at(text, *separator, limit, from_right) : split_space(text, limit, from_right);
}

std::vector<Str> split_lines(const Str& text, bool keep_ends) {
  const std::string& all = text.text();
  std::vector<Str> out;
  std::size_t begin = 0;
  for (std::size_t pos = 0; pos < all.size();) {
    const CodePoint point = decode_utf8(all, pos);
    const bool breaks = (point.value >= 0x0A && point.value <= 0x0D) || (point.value >= 0x1C && point.value <= 0x1E) ||
                        point.value == 0x85 || point.value == 0x2028 || point.value == 0x2029;
    std::size_t next = pos + point.size;
    if (breaks) {
      if (point.value == '\r' && next < all.size() && all[next] == '\n') ++next;
      out.push_back(text.substr(begin, keep_ends ? next : pos));
      begin = next;
    }
    pos = next;
  }
  if (begin < all.size()) out.push_back(text.substr(begin, all.size()));
  return out;
}

bool is_lower(std::string_view text) {
  bool any = false, other = false;
  each_point(text, [&](char32_t point) {
    any |= category(point) == UTF8PROC_CATEGORY_LL;
    other |= category(point) == UTF8PROC_CATEGORY_LU || category(point) == UTF8PROC_CATEGORY_LT;
  });
  return any && !other;
}

bool is_upper(std::string_view text) {
  bool any = false, other = false;
  each_point(text, [&](char32_t point) {
    any |= category(point) == UTF8PROC_CATEGORY_LU;
    other |= category(point) == UTF8PROC_CATEGORY_LL || category(point) == UTF8PROC_CATEGORY_LT;
  });
  return any && !other;
}

bool is_digit(char32_t point) { return category(point) == UTF8PROC_CATEGORY_ND; }

bool is_alphabetic(char32_t point) {
  const auto kind = category(point);
  return cased(point) || kind == UTF8PROC_CATEGORY_LM || kind == UTF8PROC_CATEGORY_LO;
}

}  // namespace moe::text::jinja
