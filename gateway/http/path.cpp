#include "http/path.hpp"

#include <algorithm>
#include <optional>

namespace moegate::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<char> escaped_byte(std::string_view text, std::size_t percent) {
  if (percent + 2 >= text.size()) return {};
  const int high = hex_value(text[percent + 1]);
  const int low = hex_value(text[percent + 2]);
  if (high < 0 || low < 0) return {};
  return static_cast<char>(high * 16 + low);
}

// A model id is the rest of such a path, slashes included, and clients that build URLs escape them ("org%2Fmodel").
// Below this prefix a slash is data of one route, so the two spellings cannot name two things; everywhere else they
// could.
constexpr std::string_view kIdPrefix = "/v1/models/";

// What is wrong with a byte that was written as an escape after `before`; nullptr if it may be there.
const char* refused_escape(char c, std::string_view before) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte == 0) return "path: encoded NUL";
  if (byte < 0x20 || byte == 0x7f) return "path: encoded control character";
  if (c == '\\' || (c == '/' && !before.starts_with(kIdPrefix))) return "path: encoded slash";
  if (c == '%') return "path: doubled percent encoding";
  if (c == ';') return "path: ';' is not accepted";
  return nullptr;
}

const char* refused_raw(char c) {
  if (c < 0x21 || c > 0x7e || c == '#') return "path: character that is not allowed";
  if (c == ';') return "path: ';' is not accepted";
  if (c == '\\') return "path: backslash is not accepted";
  return nullptr;
}

moe::Result<std::string> decode(std::string_view raw) {
  std::string path;
  path.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '%') {
      if (const char* why = refused_raw(raw[i])) return moe::invalid(why);
      path += raw[i];
      continue;
    }
    const auto byte = escaped_byte(raw, i);
    if (!byte) return moe::invalid("path: malformed percent encoding");
    if (const char* why = refused_escape(*byte, path)) return moe::invalid(why);
    path += *byte;
    i += 2;
  }
  return path;
}

moe::Status check_segments(std::string_view path) {
  for (std::size_t begin = 1; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const auto segment = path.substr(begin, end - begin);
    if (segment == "." || segment == "..") return moe::invalid("path: dot segments are not accepted");
    if (segment.empty() && end != path.size()) return moe::invalid("path: empty segments are not accepted");
    begin = end + 1;
  }
  return {};
}

// Length of the well-formed UTF-8 sequence at the start of `text`, 0 if there is none (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                             : (lead & 0xf0) == 0xe0        ? 3
                             : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  unsigned low = 0x80, high = 0xbf;  // of the second byte
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  if (at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

std::string decode_form(std::string_view text) {
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? escaped_byte(text, i) : std::nullopt;
    value += byte ? *byte : text[i] == '+' ? ' ' : text[i];
    if (byte) i += 2;
  }
  return value;
}

}  // namespace

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

moe::Result<Target> parse_target(std::string_view target) {
  const auto question = target.find('?');
  const auto raw = target.substr(0, question);
  if (raw.empty() || raw.front() != '/') return moe::invalid("path: must start with '/'");
  auto path = decode(raw);
  if (!path) return path.status();
  if (!is_valid_utf8(*path)) return moe::invalid("path: invalid UTF-8");
  if (auto status = check_segments(*path); !status.ok()) return status;
  Target result{std::move(*path), {}};
  if (question != std::string_view::npos) result.query = target.substr(question + 1);
  return result;
}

std::string query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = std::min(pair.find('='), pair.size());
    if (decode_form(pair.substr(0, equals)) != name) continue;
    return equals == pair.size() ? std::string() : decode_form(pair.substr(equals + 1));
  }
  return {};
}

}  // namespace moegate::http
