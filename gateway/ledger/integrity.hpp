// Finds changed, missing and unreadable rows. Used at start (configuration whole, records from the end) and by
// `moegate usage verify` (everything). One connection, one thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ledger/canonical.hpp"
#include "ledger/heads.hpp"
#include "ledger/ledger.hpp"
#include "ledger/sqlite.hpp"

namespace moegate::ledger {

class Integrity {
 public:
  Integrity(sqlite3* db, const std::vector<std::uint8_t>& mac_key, Verification* out)
      : db_(db), mac_key_(mac_key), out_(out) {}

  void check_schema();
  // orgs, projects, keys, limits, admins: macs, and each row the one its last audit record names.
  void check_configuration();
  // usage rows from..to: links, macs, and the request each names. `prev` is the hash before `from`, and moves on.
  void check_usage(std::int64_t from, std::int64_t to, Hash* prev);
  // requests rows from..to (rowid): macs, and a terminal record or progress for each.
  void check_requests(std::int64_t from, std::int64_t to);
  void check_progress();
  // The database reaches the head and agrees with it. `file` names the heads file in the finding.
  void check_head(const Head& head);
  // Indexes and pages, by SQLite.
  void check_pages();

  bool is_clean() const { return out_->findings.empty(); }

 private:
  void report(std::string table, std::string key, std::string what);
  // Runs `check`; a page that cannot be read becomes a finding of `table`.
  void guarded(const std::string& table, const std::function<void()>& check);
  void check_audit(std::map<std::string, sql::Cell>* newest);
  void check_reached(const char* table, std::int64_t seq, const Hash& hash);

  sqlite3* db_;
  const std::vector<std::uint8_t>& mac_key_;
  Verification* out_;
};

// "usage 17: its mac does not fit; keys 4tz...: ..." of the first findings.
std::string summary(const std::vector<Finding>& findings);

}  // namespace moegate::ledger
