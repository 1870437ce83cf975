#include "http/origin.hpp"

#include <algorithm>
#include <optional>

#include "http/raw_head.hpp"

namespace moegate::http {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_port(std::string_view port) { return port.size() <= 5 && std::all_of(port.begin(), port.end(), is_digit); }

struct HostParts {
  std::string_view name, port;
  bool is_bracketed = false;
};

std::optional<HostParts> split_host(std::string_view host) {
  HostParts parts;
  if (!host.empty() && host.front() == '[') {
    const auto end = host.find(']');
    if (end == std::string_view::npos) return {};
    parts = {host.substr(1, end - 1), host.substr(end + 1), true};
  } else {
    const auto colon = std::min(host.find(':'), host.size());
    parts = {host.substr(0, colon), host.substr(colon), false};
  }
  if (!parts.port.empty() && parts.port.front() != ':') return {};
  if (!parts.port.empty()) parts.port.remove_prefix(1);
  return parts;
}

bool is_ipv4(std::string_view text) {
  int dots = 0;
  std::size_t digits = 0;
  int value = 0;
  for (char c : text) {
    if (c == '.') {
      if (digits == 0 || ++dots > 3) return false;
      digits = 0;
      value = 0;
    } else if (is_digit(c) && ++digits <= 3) {
      value = value * 10 + (c - '0');
      if (value > 255) return false;
    } else {
      return false;
    }
  }
  return dots == 3 && digits > 0;
}

}  // namespace

bool is_well_formed_host(std::string_view host) {
  const auto parts = split_host(host);
  if (!parts || host.size() > 255 || !is_port(parts->port)) return false;
  const auto name = parts->name;
  if (parts->is_bracketed) {
    return name.size() >= 2 &&
           std::all_of(name.begin(), name.end(), [](char c) { return is_hex(c) || c == ':' || c == '.'; });
  }
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

std::string host_name(std::string_view host) {
  const auto parts = split_host(host);
  return parts ? to_lower(parts->name) : std::string();
}

bool is_allowed_host(std::string_view host, std::span<const std::string> names) {
  if (!is_well_formed_host(host)) return false;
  const std::string name = host_name(host);
  if (host.front() == '[' || is_ipv4(name) || name == "localhost") return true;
  return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return equal_ignoring_case(n, name); });
}

bool is_same_origin(const Request& request) {
  const auto site = request.header("sec-fetch-site");
  if (!site.empty() && site != "same-origin" && site != "none") return false;
  if (!request.has_header("origin")) return true;
  const auto origin = request.header("origin");
  const std::string expected =
      std::string(request.is_tls ? "https://" : "http://") + std::string(request.header("host"));
  return request.has_header("host") && equal_ignoring_case(origin, expected);
}

bool is_json_content_type(std::string_view content_type) {
  auto media_type = content_type.substr(0, content_type.find(';'));
  while (!media_type.empty() && (media_type.back() == ' ' || media_type.back() == '\t')) media_type.remove_suffix(1);
  if (equal_ignoring_case(media_type, "application/json")) return true;
  return media_type.size() > 5 && equal_ignoring_case(media_type.substr(media_type.size() - 5), "+json");
}

}  // namespace moegate::http
