#include "ledger/canonical.hpp"

#include <algorithm>

#include "core/digest.hpp"

namespace moegate::ledger {
namespace {

void append_sized(std::string& out, char letter, std::string_view bytes) {
  out += letter;
  out += std::to_string(bytes.size());
  out += ':';
  out += bytes;
}

void append_cell(std::string& out, const sql::Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) {
    out += 'i';
    out += std::to_string(*integer);
    out += ';';
  } else if (const auto* text = std::get_if<std::string>(&cell)) {
    append_sized(out, 't', *text);
  } else if (const auto* blob = std::get_if<sql::Blob>(&cell)) {
    append_sized(out, 'b', {reinterpret_cast<const char*>(blob->data()), blob->size()});
  } else {
    out += 'n';
  }
}

bool equals_blob(const sql::Cell& cell, std::span<const std::uint8_t> bytes) {
  const auto* blob = std::get_if<sql::Blob>(&cell);
  return blob != nullptr && moe::equal_constant_time(*blob, bytes);
}

}  // namespace

std::string canonical_form(std::string_view table, std::span<const sql::Cell> cells) {
  std::string out;
  out.reserve(512);
  append_sized(out, 't', table);
  for (const sql::Cell& cell : cells) append_cell(out, cell);
  return out;
}

void append_mac(std::string_view table, sql::Row& row, std::span<const std::uint8_t> mac_key) {
  const moe::Digest mac = moe::hmac_sha256(mac_key, canonical_form(table, row));
  row.emplace_back(sql::Blob(mac.begin(), mac.begin() + kMacBytes));
}

bool mac_holds(std::string_view table, const sql::Row& row, std::span<const std::uint8_t> mac_key) {
  if (row.empty()) return false;
  const moe::Digest mac = moe::hmac_sha256(mac_key, canonical_form(table, std::span(row).first(row.size() - 1)));
  return equals_blob(row.back(), std::span(mac).first(kMacBytes));
}

Hash append_link(std::string_view table, sql::Row& row, const Hash& prev_hash, std::span<const std::uint8_t> mac_key) {
  row.emplace_back(sql::Blob(prev_hash.begin(), prev_hash.end()));
  const Hash hash = moe::sha256(canonical_form(table, row));
  row.emplace_back(sql::Blob(hash.begin(), hash.end()));
  append_mac(table, row, mac_key);
  return hash;
}

bool link_holds(std::string_view table, const sql::Row& row, const Hash& expected_prev, Hash* hash) {
  if (row.size() < 3) return false;
  const std::size_t n = row.size();
  *hash = moe::sha256(canonical_form(table, std::span(row).first(n - 2)));
  return equals_blob(row[n - 3], expected_prev) && equals_blob(row[n - 2], *hash);
}

}  // namespace moegate::ledger
