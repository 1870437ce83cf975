// The low-level SHA-256 context is deprecated in OpenSSL 3 but is the only one that is a plain value: no allocation for
// each digest, and a running digest can be copied.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstring>
#include <limits>
#include <stdexcept>
#include <type_traits>

namespace moe {
namespace {

static_assert(sizeof(SHA256_CTX) <= 128 && alignof(SHA256_CTX) <= 8 && std::is_trivially_copyable_v<SHA256_CTX>);

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Sha256::Sha256() {
  state_.fill(0);
  SHA256_CTX context;
  SHA256_Init(&context);
  std::memcpy(state_.data(), &context, sizeof context);
}

void Sha256::update(const void* data, std::size_t size) {
  if (size == 0) return;
  SHA256_CTX context;
  std::memcpy(&context, state_.data(), sizeof context);
  SHA256_Update(&context, data, size);
  std::memcpy(state_.data(), &context, sizeof context);
}

Digest Sha256::finish() const {
  SHA256_CTX context;
  std::memcpy(&context, state_.data(), sizeof context);
  Digest digest;
  SHA256_Final(digest.data(), &context);
  return digest;
}

Digest sha256(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.finish();
}

Digest hmac_sha256(std::span<const std::uint8_t> key, std::string_view text) {
  Digest digest;
  unsigned int size = 0;
  static constexpr unsigned char kEmpty = 0;
  const unsigned char* bytes = key.empty() ? &kEmpty : key.data();
  if (key.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      HMAC(EVP_sha256(), bytes, static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), digest.data(), &size) == nullptr) {
    throw std::runtime_error("HMAC-SHA-256 failed");
  }
  return digest;
}

bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

void random_bytes(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const std::size_t part = out.size() < 4096 ? out.size() : 4096;
    if (RAND_bytes(out.data(), static_cast<int>(part)) != 1)
      throw std::runtime_error("no random bytes from the system");
    out = out.subspan(part);
  }
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool from_hex(std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() != 2 * out.size()) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_digit(text[2 * i]);
    const int low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

}  // namespace moe
