#include "ledger/verify.hpp"

#include <algorithm>
#include <chrono>
#include <functional>

#include "core/digest.hpp"
#include "ledger/heads.hpp"
#include "ledger/integrity.hpp"

namespace moegate::ledger {
namespace {

constexpr auto kSnapshotLimit = std::chrono::seconds(30);  // the whole file's pages are looked at in one
constexpr std::int64_t kRowsPerSnapshot = 5000;

}  // namespace

moe::Result<Verification> verify_all(Readers& readers, const std::filesystem::path& dir,
                                     const std::vector<std::uint8_t>& mac_key) {
  Verification result;
  const auto look = [&](const std::function<void(Integrity&, sqlite3*)>& check) {
    return readers.run(kSnapshotLimit, [&](sqlite3* db) {
      Integrity integrity(db, mac_key, &result);
      check(integrity, db);
      return moe::Status();
    });
  };
  std::int64_t last_request = 0;
  auto status = look([&](Integrity& integrity, sqlite3* db) {
    result.last_seq = sql::query_integer(db, "SELECT coalesce(max(seq), 0) FROM usage");
    last_request = sql::query_integer(db, "SELECT coalesce(max(rowid), 0) FROM requests");
    integrity.check_schema();
    integrity.check_configuration();
    integrity.check_progress();
  });
  Hash prev{};
  for (std::int64_t from = 1; status.ok() && from <= result.last_seq; from += kRowsPerSnapshot) {
    const std::int64_t to = std::min(from + kRowsPerSnapshot - 1, result.last_seq);
    status = look([&](Integrity& integrity, sqlite3*) { integrity.check_usage(from, to, &prev); });
  }
  for (std::int64_t from = 1; status.ok() && from <= last_request; from += kRowsPerSnapshot) {
    const std::int64_t to = std::min(from + kRowsPerSnapshot - 1, last_request);
    status = look([&](Integrity& integrity, sqlite3*) { integrity.check_requests(from, to); });
  }
  if (status.ok()) status = look([](Integrity& integrity, sqlite3*) { integrity.check_pages(); });
  if (!status.ok()) return status;
  const auto damaged = Heads::damaged_lines(dir / "heads", mac_key);
  if (!damaged) return damaged.status();
  for (const std::string& line : *damaged) result.findings.push_back({"heads", line, "its signature does not fit"});
  result.last_hash = moe::to_hex(prev);
  return result;
}

}  // namespace moegate::ledger
