#include "cli/tools.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>

#include "plugin_host/plugin_host.hpp"

namespace moegate::cli {
namespace {

void print(void*, std::int32_t stream, const char* data, std::uint64_t size) {
  std::FILE* to = stream == 2 ? stderr : stdout;
  std::fwrite(data, 1, size, to);
  std::fflush(to);
}

std::int32_t read_line(void*, const moe_plugin_sink* out) {
  std::string line;
  if (!std::getline(std::cin, line)) return 0;
  out->write(out->context, line.data(), line.size());
  return 1;
}

// Takes "--plugin NAME" out of the words.
std::string take_plugin(std::vector<std::string>& words) {
  const auto found = std::find(words.begin(), words.end(), "--plugin");
  if (found == words.end() || found + 1 == words.end()) return "moe-engine";
  auto name = *(found + 1);
  words.erase(found, found + 2);
  return name;
}

}  // namespace

bool is_tool(const std::string& command) {
  constexpr std::array<std::string_view, 4> kTools = {"facts", "tokenize", "chat", "bench"};
  return std::find(kTools.begin(), kTools.end(), command) != kTools.end();
}

int run_tool(std::vector<std::string> words) {
  const auto name = take_plugin(words);
  plugin_host::PluginHost plugins(plugin_host::PluginHost::default_folders());
  const auto plugin = plugins.load(name);
  if (!plugin) {
    std::cerr << plugin.status().message() << '\n';
    return 1;
  }
  const auto* tools = plugin_host::extension<moe_plugin_tools_1>(**plugin, MOE_PLUGIN_TOOLS_1);
  if (tools == nullptr || tools->run == nullptr) {
    std::cerr << "plugin " << name << " offers no " MOE_PLUGIN_TOOLS_1 "\n";
    return 1;
  }
  std::vector<const char*> argv;
  for (const auto& word : words) argv.push_back(word.c_str());
  moe_plugin_tool_host host{sizeof(moe_plugin_tool_host), 0, nullptr, print, read_line};
  return tools->run(static_cast<std::int32_t>(argv.size()), argv.data(), &host);
}

}  // namespace moegate::cli
