// What happens to ledger.db before the first request: settings, schema, proof of integrity, recovery of what a dead
// process left open. On the thread that opens the ledger.
#pragma once

#include <cstdint>

#include "ledger/heads.hpp"
#include "ledger/ledger.hpp"
#include "ledger/sqlite.hpp"
#include "ledger/writer.hpp"

namespace moegate::ledger {

// WAL, synchronous=FULL, foreign keys; then the schema of this program. Throws sql::Error.
void prepare_database(sqlite3* db, const std::filesystem::path& file);
// Configuration whole, records from the end; the signed head. INVALID_ARGUMENT names table and key.
moe::Status check_at_start(sqlite3* db, const Options& options, const std::optional<Head>& head);
// One terminal record `interrupted` for each request left open, with its durable counts. Returns their number.
std::uint64_t recover_interrupted(sqlite3* db, Writer& writer, std::int64_t now_us);

}  // namespace moegate::ledger
