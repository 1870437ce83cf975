#include "ledger/heads.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>

#include "core/digest.hpp"

namespace moegate::ledger {
namespace {

// More than the longest possible line twice, so that the tail holds a whole line even behind a torn one.
constexpr off_t kTailBytes = 4096;

std::string mac_of(std::string_view signed_part, const std::vector<std::uint8_t>& mac_key) {
  return moe::to_hex(moe::hmac_sha256(mac_key, "heads " + std::string(signed_part)));
}

std::string line_of(const Head& head, const std::vector<std::uint8_t>& mac_key) {
  std::string line = std::to_string(head.usage_seq) + ' ' + moe::to_hex(head.usage_hash) + ' ' +
                     std::to_string(head.audit_seq) + ' ' + moe::to_hex(head.audit_hash) + ' ' +
                     std::to_string(head.at_us) + ' ';
  return line + mac_of(line, mac_key) + '\n';
}

// `line` without its newline.
std::optional<Head> parse(std::string_view line, const std::vector<std::uint8_t>& mac_key) {
  const std::size_t blank = line.rfind(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const std::string mac = mac_of(line.substr(0, blank + 1), mac_key);
  if (line.substr(blank + 1) != mac) return std::nullopt;
  std::istringstream text{std::string(line)};
  Head head;
  std::string usage_hash, audit_hash;
  text >> head.usage_seq >> usage_hash >> head.audit_seq >> audit_hash >> head.at_us;
  if (!text || !moe::from_hex(usage_hash, head.usage_hash) || !moe::from_hex(audit_hash, head.audit_hash)) {
    return std::nullopt;
  }
  return head;
}

moe::Result<std::string> read_tail(const File& file, const std::filesystem::path& name, off_t from, off_t size) {
  std::string tail(static_cast<std::size_t>(size - from), '\0');
  const ssize_t got = ::pread(file.get(), tail.data(), tail.size(), from);
  if (got != static_cast<ssize_t>(tail.size())) return system_error(name, got < 0 ? errno : EIO);
  return tail;
}

}  // namespace

moe::Result<Heads> Heads::open(std::filesystem::path name, std::vector<std::uint8_t> mac_key) {
  Heads heads;
  heads.name_ = std::move(name);
  heads.mac_key_ = std::move(mac_key);
  heads.file_ = File(::open(heads.name_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!heads.file_.is_open()) return system_error(heads.name_, errno);
  const off_t size = ::lseek(heads.file_.get(), 0, SEEK_END);
  if (size < 0) return system_error(heads.name_, errno);
  const off_t from = size > kTailBytes ? size - kTailBytes : 0;
  auto tail = read_tail(heads.file_, heads.name_, from, size);
  if (!tail) return tail.status();

  std::size_t end = tail->size();  // behind the last line that may count
  bool may_be_torn = true;
  while (end > 0) {
    const std::size_t before = end >= 2 ? tail->rfind('\n', end - 2) : std::string::npos;
    const std::size_t begin = before == std::string::npos ? 0 : before + 1;
    if (begin == 0 && from > 0) return moe::invalid(heads.name_.string() + ": the last lines are damaged");
    const bool has_newline = (*tail)[end - 1] == '\n';
    const auto head =
        has_newline ? parse(std::string_view(*tail).substr(begin, end - 1 - begin), heads.mac_key_) : std::nullopt;
    if (head.has_value()) {
      heads.last_ = head;
      break;
    }
    if (!may_be_torn) return moe::invalid(heads.name_.string() + ": the last lines are damaged");
    may_be_torn = false;
    end = begin;
  }
  if (end != tail->size() && ::ftruncate(heads.file_.get(), from + static_cast<off_t>(end)) != 0) {
    return system_error(heads.name_, errno);
  }
  return heads;
}

moe::Status Heads::append(const Head& head) {
  const off_t size = ::lseek(file_.get(), 0, SEEK_END);
  auto status = write_all(file_, name_, line_of(head, mac_key_));
  if (!status.ok()) {
    // Half a line must not stay in front of the next one.
    if (::ftruncate(file_.get(), size) != 0) return {moe::Code::unavailable, status.message()};
    return status;
  }
  status = sync_file(file_, name_);
  if (!status.ok()) return {moe::Code::unavailable, status.message()};
  last_ = head;
  return {};
}

moe::Result<std::vector<std::string>> Heads::damaged_lines(const std::filesystem::path& name,
                                                           const std::vector<std::uint8_t>& mac_key) {
  std::ifstream in(name);
  if (!in) return system_error(name, ENOENT);
  std::vector<std::string> damaged;
  std::string line;
  for (std::uint64_t number = 1; std::getline(in, line); ++number) {
    // A line still being appended has no newline yet.
    if (in.eof()) break;
    if (!parse(line, mac_key).has_value()) damaged.push_back("line " + std::to_string(number));
  }
  return damaged;
}

}  // namespace moegate::ledger
