#include "tenancy/credentials.hpp"

#include <algorithm>

namespace moegate::tenancy {
namespace {

constexpr std::size_t kIdLength = 12;
constexpr std::size_t kSecretLength = 40;
constexpr std::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kBase62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// Every character is equally likely: bytes beyond the last whole multiple of the alphabet are drawn again.
std::string random_text(std::string_view alphabet, std::size_t length) {
  const unsigned usable = 256 / static_cast<unsigned>(alphabet.size()) * static_cast<unsigned>(alphabet.size());
  std::string text;
  std::array<std::uint8_t, 64> bytes{};
  while (text.size() < length) {
    moe::random_bytes(bytes);
    for (const std::uint8_t byte : bytes) {
      if (byte < usable && text.size() < length) text += alphabet[byte % alphabet.size()];
    }
  }
  return text;
}

bool consists_of(std::string_view text, std::string_view alphabet) {
  return text.find_first_not_of(alphabet) == std::string_view::npos;
}

}  // namespace

Credential make_credential() { return {random_text(kBase32, kIdLength), random_text(kBase62, kSecretLength)}; }

std::optional<Credential> parse_credential(std::string_view prefix, std::string_view text) {
  if (text.size() != prefix.size() + kIdLength + kSecretLength + 2 || !text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  if (text[0] != '_' || text[kIdLength + 1] != '_') return std::nullopt;
  const std::string_view id = text.substr(1, kIdLength);
  const std::string_view secret = text.substr(kIdLength + 2);
  if (!consists_of(id, kBase32) || !consists_of(secret, kBase62)) return std::nullopt;
  return Credential{std::string(id), std::string(secret)};
}

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  const auto equal_folded = [](char given, char wanted) {
    return (given >= 'A' && given <= 'Z' ? given + 32 : given) == wanted;
  };
  if (!std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                  [&](char wanted, char given) { return equal_folded(given, wanted); })) {
    return {};
  }
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  while (authorization.ends_with(' ')) authorization.remove_suffix(1);
  return authorization;
}

moe::Digest secret_hmac(std::span<const std::uint8_t> hash_key, std::string_view secret) {
  return moe::hmac_sha256(hash_key, secret);
}

}  // namespace moegate::tenancy
