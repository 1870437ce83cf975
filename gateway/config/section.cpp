#include "config/section.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <sstream>

namespace moegate::config {
namespace {

std::uint32_t line_at(const toml::node& node) { return node.source().begin.line; }

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = up;
    }
  }
  return row.back();
}

moe::json::Value to_json(const toml::node& node, std::string_view key, Findings& findings) {
  using moe::json::Value;
  if (const auto* table = node.as_table()) {
    auto object = Value::object();
    for (const auto& [name, value] : *table) object.set(std::string(name.str()), to_json(value, key, findings));
    return object;
  }
  if (const auto* array = node.as_array()) {
    auto items = Value::array();
    for (const auto& value : *array) items.push(to_json(value, key, findings));
    return items;
  }
  if (const auto* text = node.as_string()) return Value::string(text->get());
  if (const auto* whole = node.as_integer()) return Value::integer(whole->get());
  if (const auto* flag = node.as_boolean()) return Value::boolean(flag->get());
  if (const auto* real = node.as_floating_point(); real != nullptr && std::isfinite(real->get())) {
    return Value::number(real->get());
  }
  findings.add(line_at(node), key, "holds a value that JSON cannot (date, time, infinity)");
  return {};
}

bool parse_endpoint(std::string_view text, Endpoint& out) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  auto host = text.substr(0, colon);
  const auto digits = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[] /@") != std::string_view::npos) {
    return false;
  }
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.empty()) return false;
  out = {std::string(host), port};
  return true;
}

}  // namespace

void Findings::add(std::uint32_t line, std::string_view key, std::string_view what) {
  std::string text = file_ + ":" + std::to_string(line == 0 ? 1 : line) + ": ";
  if (!key.empty()) text += std::string(key) + ": ";
  lines_.emplace_back(line, text + std::string(what));
}

std::string Findings::text() const {
  auto sorted = lines_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (const auto& entry : sorted) text += (text.empty() ? "" : "\n") + entry.second;
  return text;
}

Section::Section(const toml::table* table, std::string name, std::uint32_t line, Findings& findings)
    : table_(table), name_(std::move(name)), line_(line), findings_(&findings) {}

std::string Section::path(std::string_view key) const {
  if (name_.empty()) return std::string(key);
  return key.empty() ? name_ : name_ + "." + std::string(key);
}

std::uint32_t Section::line_of(std::string_view key) const {
  const auto* node = table_ != nullptr ? table_->get(key) : nullptr;
  return node != nullptr ? line_at(*node) : line_;
}

void Section::fail(std::string_view key, std::string_view what) { findings_->add(line_of(key), path(key), what); }

const toml::node* Section::take(std::string_view key) {
  known_.emplace_back(key);
  return table_ != nullptr ? table_->get(key) : nullptr;
}

bool Section::read(std::string_view key, std::string& out) {
  const auto* node = take(key);
  if (node == nullptr) return false;
  if (const auto* text = node->as_string()) {
    if (text->get().find('\0') == std::string::npos) {
      out = text->get();
      return true;
    }
    fail(key, "must not hold a NUL character");
  } else {
    fail(key, "must be a string");
  }
  return false;
}

void Section::read(std::string_view key, bool& out) {
  const auto* node = take(key);
  if (node == nullptr) return;
  if (const auto* flag = node->as_boolean()) {
    out = flag->get();
  } else {
    fail(key, "must be true or false");
  }
}

void Section::read_integer(std::string_view key, std::uint64_t& out, std::uint64_t lowest, std::uint64_t highest) {
  const auto* node = take(key);
  if (node == nullptr) return;
  const auto* whole = node->as_integer();
  if (whole == nullptr) return fail(key, "must be a whole number");
  const auto value = whole->get();
  if (value < 0 || static_cast<std::uint64_t>(value) < lowest || static_cast<std::uint64_t>(value) > highest) {
    return fail(key, "must lie in " + std::to_string(lowest) + ".." + std::to_string(highest) + ", found " +
                         std::to_string(value));
  }
  out = static_cast<std::uint64_t>(value);
}

void Section::read_seconds(std::string_view key, std::chrono::milliseconds& out, double lowest, double highest) {
  const auto* node = take(key);
  if (node == nullptr) return;
  double seconds = 0;
  if (const auto* whole = node->as_integer()) {
    seconds = static_cast<double>(whole->get());
  } else if (const auto* real = node->as_floating_point()) {
    seconds = real->get();
  } else {
    return fail(key, "must be a number of seconds");
  }
  if (!(seconds >= lowest && seconds <= highest)) {
    std::ostringstream range;
    range.imbue(std::locale::classic());
    range << "must lie in " << lowest << ".." << highest << " seconds";
    return fail(key, range.str());
  }
  out = std::chrono::milliseconds(static_cast<std::int64_t>(std::llround(seconds * 1000)));
}

void Section::read(std::string_view key, std::vector<std::string>& out) {
  const auto* node = take(key);
  if (node == nullptr) return;
  const auto* array = node->as_array();
  if (array == nullptr) return fail(key, "must be an array of strings");
  out.clear();
  for (const auto& item : *array) {
    const auto* text = item.as_string();
    if (text == nullptr) return fail(key, "must be an array of strings");
    out.push_back(text->get());
  }
}

void Section::read_choice(std::string_view key, std::string& out, const std::vector<std::string_view>& allowed) {
  std::string value;
  if (!read(key, value)) return;
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) {
    out = value;
    return;
  }
  std::string list;
  for (const auto word : allowed) list += (list.empty() ? "" : ", ") + ("\"" + std::string(word) + "\"");
  fail(key, "must be one of " + list);
}

void Section::read_endpoint(std::string_view key, Endpoint& out) {
  std::string text;
  if (read(key, text) && !parse_endpoint(text, out)) {
    fail(key, "must be \"address:port\" (an IPv6 address in brackets), found \"" + text + "\"");
  }
}

Section Section::section(std::string_view key) {
  const auto* node = take(key);
  const auto* table = node != nullptr ? node->as_table() : nullptr;
  if (node != nullptr && table == nullptr) fail(key, "must be a table");
  return {table, path(key), node != nullptr ? line_at(*node) : line_, *findings_};
}

std::vector<Section> Section::sections(std::string_view key) {
  const auto* node = take(key);
  std::vector<Section> found;
  if (node == nullptr) return found;
  const auto* array = node->as_array();
  if (array == nullptr) {
    fail(key, "must be an array of tables, written [[" + path(key) + "]]");
    return found;
  }
  for (const auto& item : *array) {
    if (const auto* table = item.as_table()) {
      found.emplace_back(table, path(key), line_at(item), *findings_);
    } else {
      findings_->add(line_at(item), path(key), "must be an array of tables, written [[" + path(key) + "]]");
    }
  }
  return found;
}

moe::json::Value Section::read_json(std::string_view key) {
  const auto* node = take(key);
  if (node == nullptr) return {};
  if (!node->is_table()) {
    fail(key, "must be a table");
    return {};
  }
  return to_json(*node, path(key), *findings_);
}

void Section::finish() {
  if (table_ == nullptr) return;
  for (const auto& [name, node] : *table_) {
    const std::string key(name.str());
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const auto guess = nearest(key, known_);
    findings_->add(name.source().begin.line, path(key),
                   guess.empty() ? "unknown key" : "unknown key, did you mean \"" + std::string(guess) + "\"?");
  }
}

std::string_view nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  if (word.size() > 64) return best;
  for (const auto& candidate : known) {
    const auto distance = edit_distance(word, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

moe::Status with_toml(std::string_view text, const std::string& file, Findings& findings, void (*use)(Section, void*),
                      void* context) {
  try {
    const auto root = toml::parse(text, std::string_view(file));
    use(Section(&root, "", 1, findings), context);
    return {};
  } catch (const toml::parse_error& error) {
    return moe::invalid(file + ":" + std::to_string(error.source().begin.line) + ": " +
                        std::string(error.description()));
  }
}

}  // namespace moegate::config
