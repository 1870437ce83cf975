// The page of the admin listener, embedded. Static data; any thread.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace moegate::web {

struct Asset {
  std::string_view content_type;
  std::string_view body;
};

// "/", "/index.html", "/app.css", "/app.js"; nothing else.
std::optional<Asset> find_asset(std::string_view path);

// The page's own files only: no inline script, no other origin, no framing. Embedded images for the empty icon.
inline constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Every header that belongs on an asset's answer, beside its content type.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> page_headers() {
  return {{{"content-security-policy", kContentSecurityPolicy},
           {"x-content-type-options", "nosniff"},
           {"referrer-policy", "no-referrer"},
           {"cross-origin-opener-policy", "same-origin"},
           {"cache-control", "no-cache"}}};
}

}  // namespace moegate::web
