#include "model/config.hpp"

#include <cmath>
#include <fstream>

namespace moe::model {

namespace {

std::string join(Config::Keys keys) {
  std::string text;
  for (std::string_view key : keys) {
    text += text.empty() ? "" : " / ";
    text += key;
  }
  return text;
}

double yarn_magnitude(double factor, double scale) {
  return factor <= 1.0 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
}

}  // namespace

Result<json::Value> read_json_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const std::string name = path.filename().string();
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    return Status(Code::not_found, name + ": cannot be opened");
  }
  std::string text(max_bytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > max_bytes) {
    return invalid(name + ": larger than " + std::to_string(max_bytes) + " bytes");
  }
  json::Limits limits;
  limits.max_bytes = max_bytes;
  auto value = json::parse(text, limits);
  if (!value.ok()) {
    return value.status().with_context(name);
  }
  if (!value->is_object()) {
    return invalid(name + ": not a JSON object");
  }
  return value;
}

void Config::fail(std::string message, Code code) {
  if (status_.ok()) {
    status_ = Status(code, file_ + ": " + std::move(message));
  }
}

const json::Value* Config::find(Keys keys) const {
  for (std::string_view key : keys) {
    const json::Value* value = root_.find(key);
    if (value != nullptr && !value->is_null()) {
      return value;
    }
  }
  return nullptr;
}

const json::Value* Config::find_agreeing(Keys keys) {
  const json::Value* first = nullptr;
  for (std::string_view key : keys) {
    const json::Value* value = root_.find(key);
    if (value == nullptr || value->is_null()) {
      continue;
    }
    if (first != nullptr && json::write(*first) != json::write(*value)) {
      fail(join(keys) + ": the spellings disagree: " + json::write(*first) + " and " + json::write(*value));
    }
    first = first == nullptr ? value : first;
  }
  return first;
}

std::uint64_t Config::count(Keys keys, std::uint64_t fallback, std::uint64_t min, std::uint64_t max) {
  const json::Value* value = find_agreeing(keys);
  if (value == nullptr) {
    if (fallback == kRequired) {
      fail(join(keys) + ": missing");
      return min;
    }
    return fallback;
  }
  const auto number = value->is_integer() ? value->as_int64() : std::nullopt;
  if (!number || *number < 0 || static_cast<std::uint64_t>(*number) < min ||
      static_cast<std::uint64_t>(*number) > max) {
    fail(join(keys) + ": " + json::write(*value) + " is not an integer from " + std::to_string(min) + " to " +
         std::to_string(max));
    return min;
  }
  return static_cast<std::uint64_t>(*number);
}

double Config::number(Keys keys, double fallback, double min, double max) {
  const json::Value* value = find_agreeing(keys);
  if (value == nullptr) {
    return fallback;
  }
  if (!value->is_number() || value->as_double() < min || value->as_double() > max) {
    fail(join(keys) + ": " + json::write(*value) + " is not a number from " + json::format_double(min) + " to " +
         json::format_double(max));
    return fallback;
  }
  return value->as_double();
}

bool Config::flag(Keys keys, bool fallback) {
  const json::Value* value = find_agreeing(keys);
  if (value == nullptr) {
    return fallback;
  }
  if (!value->is_bool()) {
    fail(join(keys) + ": " + json::write(*value) + " is not true or false");
    return fallback;
  }
  return value->as_bool();
}

std::string Config::text(Keys keys, std::string_view fallback) {
  const json::Value* value = find_agreeing(keys);
  if (value == nullptr) {
    return std::string(fallback);
  }
  if (!value->is_string()) {
    fail(join(keys) + ": " + json::write(*value) + " is not a string");
    return std::string(fallback);
  }
  return value->as_string();
}

std::vector<std::uint64_t> Config::list(Keys keys, std::uint64_t max) {
  std::vector<std::uint64_t> result;
  const json::Value* value = find_agreeing(keys);
  if (value == nullptr) {
    return result;
  }
  if (!value->is_array()) {
    fail(join(keys) + ": not an array");
    return result;
  }
  for (const json::Value& item : value->items()) {
    const auto number = item.is_integer() ? item.as_int64() : std::nullopt;
    if (!number || *number < 0 || static_cast<std::uint64_t>(*number) > max) {
      fail(join(keys) + ": item " + json::write(item) + " is not an integer from 0 to " + std::to_string(max));
      return result;
    }
    result.push_back(static_cast<std::uint64_t>(*number));
  }
  return result;
}

double Config::member(const json::Value& object, std::string_view key, double fallback, double min, double max) {
  const json::Value* value = object.find(key);
  if (value == nullptr || value->is_null()) {
    if (std::isnan(fallback)) {
      fail("rope: " + std::string(key) + ": missing");
      return min;
    }
    return fallback;
  }
  if (!value->is_number() || value->as_double() < min || value->as_double() > max) {
    fail("rope: " + std::string(key) + ": " + json::write(*value) + " is not a number from " +
         json::format_double(min) + " to " + json::format_double(max));
    return std::isnan(fallback) ? min : fallback;
  }
  return value->as_double();
}

void Config::read_llama3(const json::Value& scaling, RopeSpec& rope) {
  rope.scale = RopeScale::llama3;
  rope.factor = member(scaling, "factor", NAN, 1.0, 1e6);
  rope.original_context = member(scaling, "original_max_position_embeddings", NAN, 1.0, 1e9);
  rope.low_freq_factor = member(scaling, "low_freq_factor", NAN, 1e-6, 1e6);
  rope.high_freq_factor = member(scaling, "high_freq_factor", NAN, 1e-6, 1e6);
  if (rope.high_freq_factor < rope.low_freq_factor) {
    fail("rope: high_freq_factor " + json::format_double(rope.high_freq_factor) + " is below low_freq_factor " +
         json::format_double(rope.low_freq_factor));
  }
}

void Config::read_yarn(const json::Value& scaling, RopeSpec& rope, std::uint64_t context) {
  rope.scale = RopeScale::yarn;
  rope.factor = member(scaling, "factor", NAN, 1.0, 1e6);
  rope.original_context = member(scaling, "original_max_position_embeddings", static_cast<double>(context), 1.0, 1e9);
  rope.beta_fast = member(scaling, "beta_fast", 32.0, 1e-6, 1e6);
  rope.beta_slow = member(scaling, "beta_slow", 1.0, 1e-6, 1e6);
  const json::Value* truncate = scaling.find("truncate");
  rope.truncate = truncate == nullptr || !truncate->is_bool() || truncate->as_bool();
  const double mscale = member(scaling, "mscale", 0.0, 0.0, 1e3);
  const double mscale_all = member(scaling, "mscale_all_dim", 0.0, 0.0, 1e3);
  const double standard = mscale > 0 && mscale_all > 0
                              ? yarn_magnitude(rope.factor, mscale) / yarn_magnitude(rope.factor, mscale_all)
                              : yarn_magnitude(rope.factor, 1.0);
  rope.magnitude = member(scaling, "attention_factor", standard, 1e-6, 1e3);
}

RopeSpec Config::rope(double default_theta, std::size_t head_dim, std::uint64_t context) {
  RopeSpec rope;
  static const json::Value kEmpty = json::Value::object();
  const json::Value* parameters = find({"rope_parameters"});
  const json::Value* scaling = find({"rope_scaling"});
  for (const json::Value* part : {parameters, scaling}) {
    if (part != nullptr && !part->is_object()) {
      fail("rope_parameters / rope_scaling: not an object");
      return rope;
    }
  }
  const double flat = number({"rope_theta"}, NAN, 1.0, 1e12);
  const double nested = parameters == nullptr ? -1.0 : member(*parameters, "rope_theta", -1.0, 1.0, 1e12);
  if (nested > 0 && !std::isnan(flat) && nested != flat) {
    fail("rope_theta: " + json::format_double(flat) + " contradicts rope_parameters.rope_theta " +
         json::format_double(nested));
  }
  rope.theta = nested > 0 ? nested : (std::isnan(flat) ? default_theta : flat);
  const json::Value& settings = parameters != nullptr ? *parameters : (scaling != nullptr ? *scaling : kEmpty);
  std::string type;
  for (std::string_view key : {"rope_type", "type"}) {
    const json::Value* value = settings.find(key);
    if (value == nullptr || value->is_null()) {
      continue;
    }
    if (!value->is_string()) {
      fail("rope: " + std::string(key) + ": not a string");
      return rope;
    }
    if (!type.empty() && type != value->as_string()) {
      fail("rope: rope_type \"" + type + "\" contradicts type \"" + value->as_string() + "\"");
    }
    type = value->as_string();
  }
  if (head_dim % 2 != 0) {
    fail("head_dim: " + std::to_string(head_dim) + " is odd, rotary embedding needs pairs");
  }
  if (type == "llama3") {
    read_llama3(settings, rope);
  } else if (type == "yarn") {
    read_yarn(settings, rope, context);
  } else if (!type.empty() && type != "default") {
    fail("rope: rope_type \"" + type + "\" is not supported", Code::unsupported);
  }
  return rope;
}

void Config::note(ModelSpec& spec, std::string name, std::string json_text, Keys keys) const {
  spec.options.push_back({std::move(name), std::move(json_text), has(keys)});
}

}  // namespace moe::model
