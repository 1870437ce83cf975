#include "tools_args.hpp"

#include <charconv>

namespace moegate::plugins {
namespace {

enum class Known { no, flag, with_value };

Known known(const std::vector<std::string_view>& names, std::string_view name) {
  for (const std::string_view candidate : names) {
    if (candidate == name) return Known::flag;
    if (candidate.ends_with('=') && candidate.substr(0, candidate.size() - 1) == name) return Known::with_value;
  }
  return Known::no;
}

moe::Result<std::uint64_t> number(std::string_view name, std::string_view text, std::uint64_t low, std::uint64_t high) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc() && end == text.data() + text.size() && value >= low && value <= high) return value;
  return moe::invalid("--" + std::string(name) + ": \"" + std::string(text) + "\" is no number from " +
                      std::to_string(low) + " to " + std::to_string(high));
}

}  // namespace

std::string Arguments::text(std::string_view name, std::string_view otherwise) const {
  const auto place = values.find(name);
  return place == values.end() ? std::string(otherwise) : place->second;
}

moe::Result<Arguments> read_arguments(std::int32_t argc, const char* const* argv,
                                      const std::vector<std::string_view>& names) {
  Arguments arguments;
  bool only_positional = false;
  for (std::int32_t i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (only_positional || word.size() < 3 || !word.starts_with("--")) {
      if (word == "--") {
        only_positional = true;
      } else if (!only_positional && word.size() > 1 && word.starts_with('-')) {
        return moe::invalid("unknown option " + std::string(word));
      } else {
        arguments.positional.emplace_back(word);
      }
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(2, equals == std::string_view::npos ? equals : equals - 2);
    const Known kind = known(names, name);
    if (kind == Known::no) return moe::invalid("unknown option --" + std::string(name));
    std::string value = "true";
    if (kind == Known::with_value) {
      if (equals == std::string_view::npos && ++i >= argc)
        return moe::invalid("--" + std::string(name) + " needs a value");
      value = equals == std::string_view::npos ? argv[i] : word.substr(equals + 1);
    } else if (equals != std::string_view::npos) {
      return moe::invalid("--" + std::string(name) + " takes no value");
    }
    if (!arguments.values.emplace(name, value).second)
      return moe::invalid("--" + std::string(name) + " is given twice");
  }
  return arguments;
}

moe::Result<std::uint64_t> read_number(const Arguments& arguments, std::string_view name, std::uint64_t otherwise,
                                       std::uint64_t low, std::uint64_t high) {
  return arguments.has(name) ? number(name, arguments.text(name, ""), low, high) : otherwise;
}

moe::Result<std::vector<std::uint64_t>> read_numbers(const Arguments& arguments, std::string_view name,
                                                     std::string_view otherwise, std::uint64_t high) {
  const std::string text = arguments.text(name, otherwise);
  std::vector<std::uint64_t> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    auto value = number(name, std::string_view(text).substr(begin, comma - begin), 1, high);
    if (!value.ok()) return value.status();
    numbers.push_back(*value);
    begin = comma + 1;
  }
  return numbers;
}

}  // namespace moegate::plugins
