// SHA-256 and HMAC-SHA-256 over libcrypto, hex, constant-time compare, random bytes. Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace moe {

using Digest = std::array<std::uint8_t, 32>;

// Incremental SHA-256; copyable, so that a running digest can be forked (choices of one prompt).
class Sha256 {
 public:
  Sha256();
  void update(const void* data, std::size_t size);
  void update(std::string_view text) { update(text.data(), text.size()); }
  Digest finish() const;  // digest so far; more may be added afterwards

 private:
  alignas(8) std::array<unsigned char, 128> state_;  // an SHA256_CTX
};

Digest sha256(std::string_view text);
Digest hmac_sha256(std::span<const std::uint8_t> key, std::string_view text);
bool equal_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);
void random_bytes(std::span<std::uint8_t> out);  // throws std::runtime_error if the system has none
std::string to_hex(std::span<const std::uint8_t> bytes);
bool from_hex(std::string_view text, std::span<std::uint8_t> out);  // false unless exactly 2 x out.size() hex digits

}  // namespace moe
