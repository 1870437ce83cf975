// The null plugin: the same tokens for every prompt, no model. For load tests of the gateway; see README.md.
#include <string_view>

#include "kit/field_reader.hpp"
#include "kit/scripted_backend.hpp"

namespace {

using moe::json::Value;
namespace plugins = moegate::plugins;

// "tokens" and "step_ms" of the model, else of the configuration.
moe::Result<plugins::Script> script_of(const Value& config, const Value& model) {
  plugins::FieldReader common(config, ""), own(model, "");
  const std::int64_t tokens = own.integer("tokens", common.integer("tokens", 16, 1, 65536), 1, 65536);
  plugins::Script script;
  script.step_ms = own.integer("step_ms", 0, 0, 60000);
  script.max_context_tokens = static_cast<std::uint64_t>(own.integer("max_context_tokens", 1 << 20, 2, 1 << 30));
  for (const auto* fields : {&common, &own}) {
    moe::Status status = const_cast<plugins::FieldReader*>(fields)->finish(false);
    if (!status.ok()) return status;
  }
  plugins::ScriptPiece piece;
  piece.text = " token";
  piece.tokens = {100};
  piece.token_bytes = {piece.text};
  piece.logprobs = {-0.125F};
  plugins::ScriptEntry entry;
  entry.choices.emplace_back(static_cast<std::size_t>(tokens), piece);
  script.entries.push_back(std::move(entry));
  return script;
}

moe_status init(const moe_host* host, moe_str config, moe_plugin_error* error) {
  return plugins::scripted_init(host, config, error, script_of);
}

const void* get_extension(const char* id) {
  return std::string_view(id) == MOE_PLUGIN_BACKEND_1 ? &plugins::scripted_backend() : nullptr;
}

constexpr moe_plugin kPlugin = {
    sizeof(moe_plugin),       MOE_PLUGIN_ABI_MAJOR, MOE_PLUGIN_ABI_MINOR, "null", "0.1.0", init,
    plugins::scripted_deinit, get_extension};

}  // namespace

MOE_PLUGIN_DEFINE(kPlugin)
