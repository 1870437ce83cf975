// Reads a model's config.json: typed, bounded, and with every spelling of a key that releases use. Two spellings that
// disagree are refused with both values. The first error is kept, so that a family reads as a list of keys.
// One per load, not thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "core/status.hpp"
#include "model/model_spec.hpp"

namespace moe::model {

// Reads a JSON object from a file of at most `max_bytes`. Errors name the file.
Result<json::Value> read_json_file(const std::filesystem::path& path, std::size_t max_bytes);

class Config {
 public:
  Config(json::Value root, std::string file) : root_(std::move(root)), file_(std::move(file)) {}

  // Spellings of one key; absent and null count alike.
  using Keys = std::initializer_list<std::string_view>;
  static constexpr std::uint64_t kRequired = UINT64_MAX;

  std::uint64_t count(Keys keys, std::uint64_t fallback, std::uint64_t min, std::uint64_t max);
  double number(Keys keys, double fallback, double min, double max);
  bool flag(Keys keys, bool fallback);
  std::string text(Keys keys, std::string_view fallback);
  std::vector<std::uint64_t> list(Keys keys, std::uint64_t max);
  // Rotary settings in either form: rope_parameters, or rope_theta beside rope_scaling.
  RopeSpec rope(double default_theta, std::size_t head_dim, std::uint64_t context);

  // Records how an option came about, for facts.
  void note(ModelSpec& spec, std::string name, std::string json_text, Keys keys) const;
  bool has(Keys keys) const { return find(keys) != nullptr; }
  void fail(std::string message, Code code = Code::invalid_argument);
  const Status& status() const { return status_; }
  const json::Value& root() const { return root_; }

 private:
  const json::Value* find(Keys keys) const;
  const json::Value* find_agreeing(Keys keys);
  void read_llama3(const json::Value& scaling, RopeSpec& rope);
  void read_yarn(const json::Value& scaling, RopeSpec& rope, std::uint64_t context);
  double member(const json::Value& object, std::string_view key, double fallback, double min, double max);

  json::Value root_;
  std::string file_;
  Status status_;
};

}  // namespace moe::model
