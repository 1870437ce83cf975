// Keys as text: <prefix>_<id>_<secret>. The id is public (12 characters, base32); the secret (40 characters, base62,
// 238 random bits) leaves this program once and is stored as an HMAC only. Pure functions, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/digest.hpp"

namespace moegate::tenancy {

inline constexpr std::string_view kTenantPrefix = "mgk";
inline constexpr std::string_view kAdminPrefix = "mga";

struct Credential {
  std::string id, secret;
  std::string text(std::string_view prefix) const { return std::string(prefix) + "_" + id + "_" + secret; }
};

Credential make_credential();
// Empty unless `text` has exactly the form above.
std::optional<Credential> parse_credential(std::string_view prefix, std::string_view text);
// The value of an Authorization header without "Bearer " (any case); empty if it is of another scheme.
std::string_view bearer_token(std::string_view authorization);

moe::Digest secret_hmac(std::span<const std::uint8_t> hash_key, std::string_view secret);

}  // namespace moegate::tenancy
