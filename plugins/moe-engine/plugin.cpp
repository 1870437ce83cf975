// The moe-engine plugin: serves models through libmoe, and brings the commands about model files.
#include <string_view>

#include "backend.hpp"
#include "tools.hpp"

namespace {

namespace plugins = moegate::plugins;

const void* get_extension(const char* id) {
  if (std::string_view(id) == MOE_PLUGIN_BACKEND_1) return &plugins::backend_table();
  if (std::string_view(id) == MOE_PLUGIN_TOOLS_1) return &plugins::tools_table();
  return nullptr;
}

constexpr moe_plugin kPlugin = {
    sizeof(moe_plugin),    MOE_PLUGIN_ABI_MAJOR,    MOE_PLUGIN_ABI_MINOR, "moe-engine", "0.1.0",
    plugins::backend_init, plugins::backend_deinit, get_extension};

}  // namespace

MOE_PLUGIN_DEFINE(kPlugin)
