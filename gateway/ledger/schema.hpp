// The tables of ledger.db and the way from one schema to the next (PRAGMA user_version). Ledger thread or tests.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ledger/sqlite.hpp"

namespace moegate::ledger {

inline constexpr std::int64_t kSchemaVersion = 2;

// Brings the schema to `target`, one transaction a step. A file that already holds an older schema is copied to
// <file>.schema-<version> first. Throws sql::Error; SQLITE_NOTADB with a sentence if the schema is newer.
void migrate(sqlite3* db, const std::filesystem::path& file, std::int64_t target = kSchemaVersion);

// Names of tables, indexes and triggers whose definition is not the one this program makes (damage, tampering).
std::vector<std::string> wrong_schema_objects(sqlite3* db);

}  // namespace moegate::ledger
