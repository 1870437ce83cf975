#include "engine_config.hpp"

#include <algorithm>

#include "kit/field_reader.hpp"

namespace moegate::plugins {
namespace {

using moe::Status;
using moe::json::Value;

std::uint32_t count(FieldReader& fields, std::string_view name, std::int64_t high) {
  return static_cast<std::uint32_t>(fields.integer(name, 0, 0, high));
}

Status read_model(const Value& value, const std::string& path, EngineModelConfig& out) {
  FieldReader fields(value, path);
  out.id = fields.text("id");
  if (out.id.empty()) fields.fail("id", "must be a string that is not empty");
  out.path = fields.text("path");
  if (out.path.empty()) fields.fail("path", "must name the model's folder");
  const std::string weights = fields.text("weights", "native");
  if (weights == "f32") {
    out.weights = MOE_WEIGHTS_F32;
  } else if (weights != "native") {
    fields.fail("weights", "\"" + weights + "\" is not supported in this release: native or f32");
  }
  out.max_sequences = count(fields, "max_sequences", 4096);
  out.prefill_chunk = count(fields, "prefill_chunk", 1 << 20);
  out.weight = count(fields, "weight", 1000);
  out.kv_cache_bytes = static_cast<std::uint64_t>(fields.integer("kv_cache_bytes", 0, 0, std::int64_t{1} << 50));
  return fields.finish(true);
}

}  // namespace

moe::Result<EngineConfig> read_engine_config(std::string_view text) {
  auto value = moe::json::parse(text);
  if (!value.ok()) return value.status().with_context("config");
  FieldReader fields(*value, "");
  EngineConfig config;
  config.threads = count(fields, "threads", 4096);
  config.pin_threads = fields.boolean("pin_threads", true);
  if (!fields.boolean("deterministic", true)) fields.fail("deterministic", "can only be true in this release");
  const Value* models = fields.array("models");
  if (models == nullptr) fields.fail("models", "must be an array");
  if (Status status = fields.finish(true); !status.ok()) return status;
  for (std::size_t i = 0; i < models->items().size(); ++i) {
    const std::string path = "models[" + std::to_string(i) + "]";
    EngineModelConfig model;
    if (Status status = read_model(models->items()[i], path, model); !status.ok()) return status;
    if (std::ranges::find(config.models, model.id, &EngineModelConfig::id) != config.models.end()) {
      return moe::invalid(path + ".id is served already").with_param(path + ".id");
    }
    config.models.push_back(std::move(model));
  }
  return config;
}

}  // namespace moegate::plugins
