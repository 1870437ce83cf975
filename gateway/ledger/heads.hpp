// The signed heads of the chains: <data>/heads, one line each, appended and synced every 256 records or 10 s and at
// close. An older copy of ledger.db does not reach the last head and is refused.
//   <usage seq> <usage hash> <audit seq> <audit hash> <UTC us> <mac>\n      hashes and mac (32 bytes) in hex
// mac = HMAC-SHA-256 under the ledger's mac key over "heads " and the line up to and with the blank before it.
// Ledger thread only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/status.hpp"
#include "ledger/canonical.hpp"
#include "ledger/files.hpp"

namespace moegate::ledger {

struct Head {
  std::int64_t usage_seq = 0;
  Hash usage_hash{};
  std::int64_t audit_seq = 0;
  Hash audit_hash{};
  std::int64_t at_us = 0;
};

class Heads {
 public:
  // Reads the last head. A torn last line (a crash while appending) is cut off; any other damage is INVALID_ARGUMENT.
  static moe::Result<Heads> open(std::filesystem::path file, std::vector<std::uint8_t> mac_key);

  const std::optional<Head>& last() const { return last_; }
  // Durable when it returns OK.
  moe::Status append(const Head& head);
  // Lines that fail their mac, "line 7"; reads the whole file.
  static moe::Result<std::vector<std::string>> damaged_lines(const std::filesystem::path& file,
                                                             const std::vector<std::uint8_t>& mac_key);

 private:
  std::filesystem::path name_;
  File file_;
  std::vector<std::uint8_t> mac_key_;
  std::optional<Head> last_;
};

}  // namespace moegate::ledger
