// The canonical form of a row, its mac and the links of the two chains (usage, audit). Pure functions, any thread.
//
// Canonical form of a row: the table's name as a text, then every column in declared order up to, not including, the
// ones named below, each as one cell, nothing between them:
//   NULL     n
//   integer  i<decimal>;          i-7;
//   text     t<bytes>:<UTF-8>     t4:acme
//   blob     b<bytes>:<bytes>
// hash = SHA-256 over the row without `hash` and `mac` (so `prev_hash`, which comes last, is inside);
// mac  = the first 16 bytes of HMAC-SHA-256 under the ledger's mac key over the row without `mac`.
// The first row of a chain has 32 zero bytes as prev_hash. `hash` and `mac` are the last columns of their tables.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ledger/sqlite.hpp"

namespace moegate::ledger {

using Hash = std::array<std::uint8_t, 32>;
inline constexpr std::size_t kMacBytes = 16;

std::string canonical_form(std::string_view table, std::span<const sql::Cell> cells);

// Appends the mac of all cells so far.
void append_mac(std::string_view table, sql::Row& row, std::span<const std::uint8_t> mac_key);
// The last cell is the mac of the others.
bool mac_holds(std::string_view table, const sql::Row& row, std::span<const std::uint8_t> mac_key);

// Appends prev_hash, hash and mac; returns the hash.
Hash append_link(std::string_view table, sql::Row& row, const Hash& prev_hash, std::span<const std::uint8_t> mac_key);
// A row that ends in prev_hash, hash, mac: prev_hash is `expected_prev` and hash is right. `hash` receives the row's.
bool link_holds(std::string_view table, const sql::Row& row, const Hash& expected_prev, Hash* hash);

}  // namespace moegate::ledger
