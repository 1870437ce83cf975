// The playback plugin: answers from a script with chosen pieces, delays and faults, for tests. Format: README.md.
#include <string_view>

#include "kit/scripted_backend.hpp"

namespace {

using moe::json::Value;
namespace plugins = moegate::plugins;

// A model's script stands inline under "script", or in the file that "path" names.
moe::Result<plugins::Script> script_of(const Value& /*config*/, const Value& model) {
  if (const Value* script = model.find("script")) {
    auto read = plugins::read_script(*script);
    if (read.ok()) return read;
    return read.status().with_param(read.status().param().empty() ? "script" : "script." + read.status().param());
  }
  const Value* path = model.find("path");
  if (path == nullptr || !path->is_string()) return moe::invalid("path must name a script file").with_param("path");
  auto read = plugins::read_script_file(path->as_string());
  if (read.ok()) return read;
  return read.status().with_param("path");
}

moe_status init(const moe_host* host, moe_str config, moe_plugin_error* error) {
  return plugins::scripted_init(host, config, error, script_of);
}

const void* get_extension(const char* id) {
  return std::string_view(id) == MOE_PLUGIN_BACKEND_1 ? &plugins::scripted_backend() : nullptr;
}

constexpr moe_plugin kPlugin = {
    sizeof(moe_plugin),       MOE_PLUGIN_ABI_MAJOR, MOE_PLUGIN_ABI_MINOR, "playback", "0.1.0", init,
    plugins::scripted_deinit, get_extension};

}  // namespace

MOE_PLUGIN_DEFINE(kPlugin)
