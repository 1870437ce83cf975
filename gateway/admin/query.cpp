#include "admin/query.hpp"

#include <algorithm>
#include <charconv>

namespace moegate::admin {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) return std::nullopt;
    out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    i += 2;
  }
  return out;
}

}  // namespace

moe::Result<QueryMap> parse_query(std::string_view query, std::initializer_list<std::string_view> known) {
  QueryMap map;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equal = std::min(pair.find('='), pair.size());
    const auto name = decode(pair.substr(0, equal));
    const auto value = decode(equal < pair.size() ? pair.substr(equal + 1) : std::string_view());
    if (!name || !value) return moe::invalid("the query holds a broken percent code");
    if (std::find(known.begin(), known.end(), *name) == known.end()) {
      return moe::invalid(*name + " is not a parameter of this route").with_param(*name);
    }
    if (!map.emplace(*name, *value).second) return moe::invalid(*name + " is given twice").with_param(*name);
  }
  return map;
}

std::string query_value(const QueryMap& query, const std::string& name) {
  const auto place = query.find(name);
  return place == query.end() ? std::string() : place->second;
}

std::optional<std::int64_t> query_integer(const QueryMap& query, const std::string& name, std::int64_t fallback,
                                          std::int64_t least, std::int64_t most) {
  const std::string text = query_value(query, name);
  if (text.empty()) return fallback;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) return std::nullopt;
  return value;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                          c == '.' || c == '_' || c == '~';
    if (is_plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace moegate::admin
