#include "http/raw_head.hpp"

#include <algorithm>
#include <array>

#include "http/origin.hpp"

namespace moegate::http {
namespace {

using Outcome = std::optional<Refusal>;

Outcome refuse(std::string message, int status = 400) { return Refusal{status, std::move(message)}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Headers that decide framing, identity or money: a second one, or one spelt with '_' (which many proxies and CGI-like
// layers fold into '-'), would let two readers disagree.
constexpr std::array<std::string_view, 11> kSingletons = {"host",
                                                          "content-length",
                                                          "transfer-encoding",
                                                          "authorization",
                                                          "x-api-key",
                                                          "content-type",
                                                          "idempotency-key",
                                                          "expect",
                                                          "content-encoding",
                                                          "origin",
                                                          "upgrade"};
constexpr std::array<std::string_view, 6> kOthersNotToShadow = {"connection",        "te",          "trailer", "cookie",
                                                                "anthropic-version", "x-request-id"};

std::string_view trim(std::string_view value) {
  const auto first = value.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return value.substr(first, value.find_last_not_of(" \t") - first + 1);
}

std::string printable(std::string_view name) {
  std::string text;
  for (char c : name.substr(0, 64)) text += is_token_char(c) ? c : '?';
  return text;
}

// A byte that is in no head. Bytes from 0x80 on are allowed in values only; the line checks see to names and targets.
Outcome check_byte(std::string_view bytes, std::size_t i) {
  const auto c = static_cast<unsigned char>(bytes[i]);
  const auto at = [i] { return " at byte " + std::to_string(i) + " of the request head"; };
  if (c == '\n' && (i == 0 || bytes[i - 1] != '\r')) return refuse("bare LF" + at());
  if (i > 0 && bytes[i - 1] == '\r' && c != '\n') return refuse("bare CR" + at());
  if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f) return refuse("control character" + at());
  return {};
}

Outcome check_version(std::string_view version, bool& is_1_0) {
  if (version == "HTTP/1.1" || version == "HTTP/1.0") {
    is_1_0 = version.back() == '0';
    return {};
  }
  const bool well_formed = version.size() == 8 && version.substr(0, 5) == "HTTP/" && is_digit(version[5]) &&
                           version[6] == '.' && is_digit(version[7]);
  if (well_formed) return refuse("request line: only HTTP/1.1 and HTTP/1.0 are spoken here", 505);
  return refuse("request line: malformed HTTP version");
}

Outcome check_target(std::string_view target, const HeadLimits& limits) {
  if (target.size() > limits.max_target_bytes) return refuse("request line: target too long", 414);
  if (target.front() != '/') return refuse("request line: the target must be in origin form (start with '/')");
  for (char c : target) {
    if (c < 0x21 || c > 0x7e || c == '#') return refuse("request line: character in the target that is not allowed");
  }
  return {};
}

Outcome check_request_line(std::string_view line, const HeadLimits& limits, bool& is_1_0) {
  const auto first = line.find(' ');
  const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || line.find(' ', second + 1) != std::string_view::npos) {
    return refuse("request line: expected method, target and version with one blank between");
  }
  const auto method = line.substr(0, first);
  const auto target = line.substr(first + 1, second - first - 1);
  if (method.empty() || method.size() > 32 || !std::all_of(method.begin(), method.end(), is_token_char)) {
    return refuse("request line: malformed method");
  }
  if (auto refusal = check_version(line.substr(second + 1), is_1_0)) return refusal;
  if (target.empty()) return refuse("request line: empty target");
  return check_target(target, limits);
}

struct Seen {
  std::array<bool, kSingletons.size()> singleton{};
  bool host = false, content_length = false, transfer_encoding = false;
};

bool shadows_known_header(const std::string& name) {
  if (name.find('_') == std::string::npos) return false;
  std::string dashed = name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  const auto is_it = [&](std::string_view known) { return known == dashed; };
  return std::any_of(kSingletons.begin(), kSingletons.end(), is_it) ||
         std::any_of(kOthersNotToShadow.begin(), kOthersNotToShadow.end(), is_it);
}

Outcome check_value(std::string_view name, std::string_view value, const std::string& place, bool is_1_0, Seen& seen) {
  if (name == "host") {
    seen.host = true;
    if (!is_well_formed_host(value)) return refuse(place + ": malformed host");
  } else if (name == "content-length") {
    seen.content_length = true;
    // 18 digits always fit 64 bits.
    if (value.empty() || value.size() > 18 || !std::all_of(value.begin(), value.end(), is_digit)) {
      return refuse(place + ": expected one decimal number");
    }
  } else if (name == "transfer-encoding") {
    seen.transfer_encoding = true;
    if (is_1_0) return refuse(place + ": not allowed on HTTP/1.0");
    if (!equal_ignoring_case(value, "chunked")) return refuse(place + ": only \"chunked\" is accepted");
  }
  return {};
}

Outcome check_header(std::string_view line, std::size_t number, bool is_1_0, Seen& seen) {
  std::string place = "header " + std::to_string(number);
  if (line.front() == ' ' || line.front() == '\t') return refuse(place + ": folded lines are not accepted");
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return refuse(place + ": no colon");
  const auto raw_name = line.substr(0, colon);
  place += " (" + printable(raw_name) + ")";
  if (raw_name.empty() || !std::all_of(raw_name.begin(), raw_name.end(), is_token_char)) {
    return refuse(place + ": malformed name");
  }
  const std::string name = to_lower(raw_name);
  if (shadows_known_header(name)) return refuse(place + ": '_' in the name of a header that decides something");
  const auto* known = std::find(kSingletons.begin(), kSingletons.end(), name);
  if (known != kSingletons.end()) {
    bool& was_seen = seen.singleton[static_cast<std::size_t>(known - kSingletons.begin())];
    if (was_seen) return refuse(place + ": given more than once");
    was_seen = true;
  }
  return check_value(name, trim(line.substr(colon + 1)), place, is_1_0, seen);
}

}  // namespace

bool is_token_char(char c) {
  if (is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

HeadScan find_head_end(std::string_view bytes, std::size_t& scanned, const HeadLimits& limits) {
  const std::size_t end = std::min(bytes.size(), limits.max_bytes);
  for (; scanned < end; ++scanned) {
    if (auto refusal = check_byte(bytes, scanned)) return {0, std::move(refusal)};
    const bool is_end = scanned >= 3 && bytes[scanned] == '\n' && bytes[scanned - 2] == '\n';
    if (is_end) return {scanned + 1, {}};
    if (scanned == 1 && bytes[1] == '\n') return {0, Refusal{400, "request line: empty"}};
  }
  if (bytes.size() >= limits.max_bytes) return {0, Refusal{431, "request head: larger than the limit"}};
  return {};
}

std::optional<Refusal> check_raw_head(std::string_view head, const HeadLimits& limits) {
  if (head.size() > limits.max_bytes) return refuse("request head: larger than the limit", 431);
  if (head.size() < 4 || head.substr(head.size() - 4) != "\r\n\r\n") return refuse("request head: not complete");
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (auto refusal = check_byte(head, i)) return refusal;
  }
  std::string_view rest = head.substr(0, head.size() - 2);  // lines, each with its CRLF
  Seen seen;
  bool is_1_0 = false;
  for (std::size_t number = 0; !rest.empty(); ++number) {
    const auto end = rest.find("\r\n");
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (line.empty()) return refuse(number == 0 ? "request line: empty" : "request head: empty line inside");
    if (number > limits.max_headers) return refuse("request head: too many headers", 431);
    auto refusal = number == 0 ? check_request_line(line, limits, is_1_0) : check_header(line, number, is_1_0, seen);
    if (refusal) return refusal;
  }
  if (!is_1_0 && !seen.host) return refuse("header Host: missing");
  if (seen.content_length && seen.transfer_encoding) {
    return refuse("headers Content-Length and Transfer-Encoding: not both");
  }
  return {};
}

}  // namespace moegate::http
