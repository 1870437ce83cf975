#include "http/serialize.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "http/raw_head.hpp"

namespace moegate::http {
namespace {

bool is_framing_header(const std::string& name) {
  return equal_ignoring_case(name, "content-length") || equal_ignoring_case(name, "transfer-encoding") ||
         equal_ignoring_case(name, "connection") || equal_ignoring_case(name, "content-type") ||
         equal_ignoring_case(name, "date");
}

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_headers(std::string& out, std::span<const Header> headers) {
  for (const Header& header : headers) {
    if (is_safe_header(header) && !is_framing_header(header.name)) append_line(out, header.name, header.value);
  }
}

void append_framing(std::string& out, const ResponseHead& head) {
  if (head.framing == Framing::content_length) {
    append_line(out, "content-length", std::to_string(head.content_length));
  } else if (head.framing == Framing::chunked) {
    append_line(out, "transfer-encoding", "chunked");
  }
  if (!head.keep_alive) {
    append_line(out, "connection", "close");
  } else if (head.is_http_1_0) {
    append_line(out, "connection", "keep-alive");
  }
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 102:
      return "Processing";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 529:
      return "Overloaded";
    default:
      return "Unknown";
  }
}

bool status_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

bool is_safe_header(const Header& header) {
  const auto is_safe_value_char = [](char c) { return static_cast<unsigned char>(c) >= 0x20 ? c != 0x7f : c == '\t'; };
  return !header.name.empty() && std::all_of(header.name.begin(), header.name.end(), is_token_char) &&
         std::all_of(header.value.begin(), header.value.end(), is_safe_value_char);
}

std::string serialize_head(const ResponseHead& head, std::span<const Header> first, std::span<const Header> second) {
  std::string out = "HTTP/1.1 " + std::to_string(head.status) + " ";
  out.append(reason_phrase(head.status)).append("\r\n");
  if (!head.date.empty()) append_line(out, "date", head.date);
  const Header content_type{"content-type", std::string(head.content_type)};
  if (!head.content_type.empty() && is_safe_header(content_type))
    append_line(out, content_type.name, content_type.value);
  append_headers(out, first);
  append_headers(out, second);
  append_framing(out, head);
  return out += "\r\n";
}

std::string http_date(std::int64_t unix_seconds) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t time = static_cast<std::time_t>(unix_seconds);
  std::tm tm{};
  gmtime_r(&time, &tm);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays.at(static_cast<std::size_t>(tm.tm_wday)), tm.tm_mday,
                kMonths.at(static_cast<std::size_t>(tm.tm_mon)), tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
  return text.data();
}

std::string chunk(std::string_view piece) {
  std::array<char, 16> size{};
  const auto end = std::to_chars(size.data(), size.data() + size.size(), piece.size(), 16).ptr;
  std::string out(size.data(), end);
  out.reserve(out.size() + piece.size() + 4);
  return out.append("\r\n").append(piece).append("\r\n");
}

}  // namespace moegate::http
