#include "cli/admin_print.hpp"

#include <algorithm>
#include <ostream>
#include <vector>

namespace moegate::cli {
namespace {

using moe::json::Value;

// Characters a terminal or a table could take for commands are shown as dots.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '.';
  }
  return text;
}

std::string cell(const Value& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return printable(value.as_string());
  if (value.is_integer()) return value.integer_digits();
  if (value.is_array() &&
      std::all_of(value.items().begin(), value.items().end(), [](const Value& item) { return item.is_string(); })) {
    std::string joined;
    for (const Value& item : value.items()) joined += (joined.empty() ? "" : ",") + cell(item);
    return joined.empty() ? "-" : joined;
  }
  return moe::json::write(value);
}

// {"limits":{"requests_per_minute":5}} becomes a column limits.requests_per_minute.
Value flat(const Value& record) {
  Value out = Value::object();
  for (const auto& [name, value] : record.members()) {
    if (!value.is_object()) {
      out.set(name, value);
      continue;
    }
    for (const auto& [inner, inner_value] : value.members()) out.set(name + "." + inner, inner_value);
  }
  return out;
}

// Hexadecimal proof columns make a table unreadable; --json and export have them.
bool is_shown(std::string_view column) { return column != "hash" && column != "route_digests" && column != "secret"; }

void print_table(const std::vector<Value>& records, std::ostream& out) {
  std::vector<std::string> names;
  for (const Value& record : records) {
    for (const auto& [name, value] : record.members()) {
      if (is_shown(name) && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  if (names.empty()) {
    out << "(none)\n";
    return;
  }
  std::vector<std::vector<std::string>> lines{names};
  for (const Value& record : records) {
    std::vector<std::string> line;
    for (const std::string& name : names) {
      const Value* value = record.find(name);
      line.push_back(value != nullptr ? cell(*value) : "-");
    }
    lines.push_back(std::move(line));
  }
  std::vector<std::size_t> widths(names.size(), 0);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) text += line[i] + std::string(widths[i] - line[i].size() + 2, ' ');
    out << text.substr(0, text.find_last_not_of(' ') + 1) << '\n';
  }
}

std::vector<Value> flat_items(const Value& answer, const char* member) {
  std::vector<Value> records;
  if (const Value* data = answer.find(member); data != nullptr && data->is_array()) {
    for (const Value& record : data->items()) records.push_back(flat(record));
  }
  return records;
}

void print_members(const Value& record, std::ostream& out) {
  std::size_t width = 0;
  const Value lines = flat(record);
  for (const auto& [name, value] : lines.members()) width = std::max(width, name.size());
  for (const auto& [name, value] : lines.members()) {
    if (!is_shown(name)) continue;
    out << name << std::string(width - name.size() + 2, ' ') << cell(value) << '\n';
  }
}

std::string csv_cell(const Value& value) {
  std::string text = value.is_null() ? "" : cell(value);
  if (value.is_bool()) text = value.as_bool() ? "true" : "false";
  // A text that a spreadsheet would run as a formula.
  if (value.is_string() && !text.empty() && std::string_view("=+-@\t").find(text[0]) != std::string_view::npos) {
    text.insert(0, 1, '\'');
  }
  if (text.find_first_of(",\"\r\n'") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

void print_answer(const Value& answer, std::ostream& out) {
  const Value* object = answer.find("object");
  const std::string kind = object != nullptr && object->is_string() ? object->as_string() : "";
  if (kind == "list") {
    print_table(flat_items(answer, "data"), out);
  } else if (kind == "usage_report") {
    out << "time zone " << cell(*answer.find("tz")) << ", up to record " << cell(*answer.find("last_seq")) << '\n';
    std::vector<Value> lines = flat_items(answer, "data");
    Value total = Value::object();
    if (const Value* groups = answer.find("group_by"); !groups->items().empty()) {
      total.set(groups->items()[0].as_string(), Value::string("total"));
    } else {
      lines.clear();
    }
    const Value sums = flat(*answer.find("total"));
    for (const auto& [name, value] : sums.members()) total.set(name, value);
    lines.push_back(std::move(total));
    print_table(lines, out);
  } else if (kind == "verification" || kind == "reconciliation") {
    const bool is_ok = answer.find("ok") != nullptr && answer.find("ok")->as_bool();
    print_table(flat_items(answer, kind == "verification" ? "findings" : "checks"), out);
    out << (is_ok ? "ok" : "NOT ok") << '\n';
  } else {
    print_members(answer, out);
  }
}

std::string csv_line(const Value& record, bool as_header) {
  std::string line;
  for (const auto& [name, value] : record.members()) {
    line += (line.empty() ? "" : ",") + (as_header ? name : csv_cell(value));
  }
  return line + "\r\n";
}

}  // namespace moegate::cli
