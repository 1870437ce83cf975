// Reads one TOML table key by key: types, ranges, unknown keys. Findings are collected, not thrown. Internal to the
// room.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace toml {
inline namespace v3 {
class table;
class node;
}  // namespace v3
}  // namespace toml

namespace moegate::config {

class Findings {
 public:
  explicit Findings(std::string file) : file_(std::move(file)) {}
  void add(std::uint32_t line, std::string_view key, std::string_view what);
  bool empty() const { return lines_.empty(); }
  std::string text() const;  // sorted by line

 private:
  std::string file_;
  std::vector<std::pair<std::uint32_t, std::string>> lines_;
};

class Section {
 public:
  // `table` may be null (the section is absent); `name` is the dotted path, empty for the root.
  Section(const toml::v3::table* table, std::string name, std::uint32_t line, Findings& findings);

  bool present() const { return table_ != nullptr; }
  std::uint32_t line_of(std::string_view key) const;
  std::uint32_t line() const { return line_; }
  void fail(std::string_view key, std::string_view what);

  bool read(std::string_view key, std::string& out);
  void read(std::string_view key, bool& out);
  template <typename Unsigned>
  void read(std::string_view key, Unsigned& out, std::uint64_t lowest, std::uint64_t highest) {
    std::uint64_t value = out;
    read_integer(key, value, lowest, highest);
    out = static_cast<Unsigned>(value);
  }
  // Seconds, whole or with a fraction.
  void read_seconds(std::string_view key, std::chrono::milliseconds& out, double lowest, double highest);
  void read(std::string_view key, std::vector<std::string>& out);
  void read_choice(std::string_view key, std::string& out, const std::vector<std::string_view>& allowed);
  void read_endpoint(std::string_view key, Endpoint& out);
  Section section(std::string_view key);
  std::vector<Section> sections(std::string_view key);
  // The whole table as JSON; dates are not allowed.
  moe::json::Value read_json(std::string_view key);
  // Every key that nothing read is a finding, with the nearest known name.
  void finish();

 private:
  const toml::v3::node* take(std::string_view key);
  void read_integer(std::string_view key, std::uint64_t& out, std::uint64_t lowest, std::uint64_t highest);
  std::string path(std::string_view key) const;

  const toml::v3::table* table_;
  std::string name_;
  std::uint32_t line_;
  Findings* findings_;
  std::vector<std::string> known_;
};

// The entry of `known` nearest to `word`, empty if none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string>& known);

// Parses text and hands the root over; a syntax error comes back as "file:line: what".
moe::Status with_toml(std::string_view text, const std::string& file, Findings& findings, void (*use)(Section, void*),
                      void* context);

}  // namespace moegate::config
