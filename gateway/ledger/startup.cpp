#include "ledger/startup.hpp"

#include <algorithm>

#include "ledger/integrity.hpp"
#include "ledger/schema.hpp"

namespace moegate::ledger {
namespace {

// Records checked at start, from the end: what a crash or a bad copy can have touched last. The rest is
// `moegate usage verify`'s. About 0.2 s on one core.
constexpr std::int64_t kCheckedAtStart = 20000;

Hash hash_before(sqlite3* db, std::int64_t seq) {
  Hash hash{};
  sql::Statement row(db, "SELECT hash FROM usage WHERE seq = ?");
  row.bind(1, seq - 1);
  if (row.step()) {
    const sql::Blob blob = row.blob(0);
    if (blob.size() == hash.size()) std::copy(blob.begin(), blob.end(), hash.begin());
  }
  return hash;
}

}  // namespace

void prepare_database(sqlite3* db, const std::filesystem::path& file) {
  sql::Statement mode(db, "PRAGMA journal_mode = WAL");
  if (!mode.step() || mode.text(0) != "wal") {
    throw sql::Error(SQLITE_CANTOPEN, "ledger.db cannot use a write-ahead log here: choose a local file system");
  }
  mode.reset();
  sql::execute(db,
               "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0;"
               "PRAGMA journal_size_limit = 4194304; PRAGMA cell_size_check = ON");
  migrate(db, file);
}

moe::Status check_at_start(sqlite3* db, const Options& options, const std::optional<Head>& head) {
  Verification result;
  Integrity integrity(db, options.mac_key, &result);
  integrity.check_schema();
  if (head.has_value()) integrity.check_head(*head);
  if (integrity.is_clean()) {
    integrity.check_configuration();
    const std::int64_t last = sql::query_integer(db, "SELECT coalesce(max(seq), 0) FROM usage");
    const std::int64_t from = std::max<std::int64_t>(1, last - kCheckedAtStart + 1);
    Hash prev = hash_before(db, from);
    integrity.check_usage(from, last, &prev);
    const std::int64_t last_request = sql::query_integer(db, "SELECT coalesce(max(rowid), 0) FROM requests");
    integrity.check_requests(last_request - kCheckedAtStart + 1, last_request);
    integrity.check_progress();
  }
  if (integrity.is_clean()) return {};
  return moe::invalid("ledger.db: " + summary(result.findings) + " (moegate usage verify lists everything)");
}

std::uint64_t recover_interrupted(sqlite3* db, Writer& writer, std::int64_t now_us) {
  std::vector<std::pair<Admission, Counts>> left;
  sql::Statement rows(db,
                      "SELECT r.*, p.input, p.cache_read, p.cache_write, p.output, p.reasoning FROM progress p "
                      "JOIN requests r ON r.request_id = p.request_id ORDER BY r.rowid");
  while (rows.step()) {
    const auto count = [&](int column) { return static_cast<std::uint64_t>(rows.integer(column)); };
    left.emplace_back(admission_of(rows.row()), Counts{count(17), count(18), count(19), count(20), count(21)});
  }
  rows.reset();
  if (left.empty()) return 0;
  sql::Transaction transaction(db);
  for (const auto& [admission, counts] : left) {
    Terminal terminal;
    terminal.request_id = admission.request_id;
    terminal.counts = counts;
    terminal.outcome = Outcome::interrupted;
    terminal.ended_at_us = now_us;
    writer.recover(admission, terminal);
  }
  transaction.commit();
  writer.committed();
  return left.size();
}

}  // namespace moegate::ledger
