// Finds a plugin, checks what its file says before any of its code runs, loads it and keeps it until the process ends.
// [main] thread only, except for reading a loaded Plugin.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"
#include "moe/plugin.h"

namespace moegate::plugin_host {

struct Plugin {
  std::string name;  // as configured
  std::filesystem::path path;
  const moe_plugin* table = nullptr;
};

class PluginHost {
 public:
  // Plugins without a path are looked for in these folders, in order.
  explicit PluginHost(std::vector<std::filesystem::path> folders) : folders_(std::move(folders)) {}
  // Undoes init in reverse order. Libraries stay mapped: code of theirs may still be on a stack.
  ~PluginHost();
  PluginHost(const PluginHost&) = delete;
  PluginHost& operator=(const PluginHost&) = delete;

  // ../lib and ../lib/moegate/plugins beside the running program.
  static std::vector<std::filesystem::path> default_folders();

  // By name ("moe-engine" is moegate-moe-engine.so) or absolute path. A second load of the same name is the first one.
  // Errors: NOT_FOUND, INVALID_ARGUMENT (name, file), ABI_MISMATCH (names both versions).
  moe::Result<const Plugin*> load(const std::string& name);
  // Error: the plugin's own text, with its name in front.
  moe::Status init(const Plugin& plugin, const moe_host& host, std::string_view config_json);
  void deinit_all();

 private:
  moe::Result<std::filesystem::path> find(const std::string& name) const;

  std::vector<std::filesystem::path> folders_;
  std::vector<std::unique_ptr<Plugin>> plugins_;
  std::vector<const Plugin*> initialised_;
};

// Extension table by id; null if the plugin has none or its first field says that it is smaller than `size`.
template <typename Table>
const Table* extension(const Plugin& plugin, const char* id) {
  const auto* table = static_cast<const Table*>(plugin.table->get_extension(id));
  return table != nullptr && table->struct_size >= sizeof(Table) ? table : nullptr;
}

}  // namespace moegate::plugin_host
