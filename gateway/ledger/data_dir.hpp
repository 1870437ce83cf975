// The one directory with everything durable: made 0700, held by a lock, with the pepper all secrets derive from. One
// owner a process; derive() may be called from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "core/status.hpp"
#include "ledger/files.hpp"

namespace moegate::ledger {

class DataDir {
 public:
  // Makes what is missing (directory, lock, pepper). Errors: UNAVAILABLE (in use by another process, system errors);
  // INVALID_ARGUMENT (the pepper is readable by others, or not 32 bytes; the file is named).
  static moe::Result<DataDir> open(const std::filesystem::path& path);
  // True if another process holds the lock now (a server runs).
  static bool is_held(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path admin_socket() const { return path_ / "admin.sock"; }
  const std::vector<std::uint8_t>& pepper() const { return pepper_; }
  // HMAC-SHA-256(pepper, label): keys of different uses never meet.
  std::vector<std::uint8_t> derive(std::string_view label) const { return derive(pepper_, label); }
  static std::vector<std::uint8_t> derive(const std::vector<std::uint8_t>& pepper, std::string_view label);

 private:
  std::filesystem::path path_;
  File lock_;
  std::vector<std::uint8_t> pepper_;
};

// Label of Options::mac_key.
inline constexpr std::string_view kLedgerMacLabel = "ledger-mac";

}  // namespace moegate::ledger
