// Which Host, Origin and Content-Type a listener that browsers can reach takes: the guards against DNS rebinding and
// against cross-site requests that need no preflight. Pure, thread-safe.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace moegate::http {

// "name", "name:port", "[::1]:port" without user, path or other decoration.
bool is_well_formed_host(std::string_view host);
// The name or address in it, lower-case, without port and brackets. Precondition: well formed.
std::string host_name(std::string_view host);
// localhost, literal IPv4 and IPv6 addresses, and the configured names. Not "127.0.0.1.example" and the like.
bool is_allowed_host(std::string_view host, std::span<const std::string> names);
// False if a browser sent this request from another site: Origin is present and is not http(s)://<Host>, or
// Sec-Fetch-Site is cross-site or same-site. Requests without these headers come from no browser's page.
bool is_same_origin(const Request& request);
// application/json or +json, any parameters.
bool is_json_content_type(std::string_view content_type);

}  // namespace moegate::http
