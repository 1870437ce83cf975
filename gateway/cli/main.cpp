// moegate: reads its words, hands each command to the room that does it. Exit status 0 done, 1 refused or failed, 2
// wrong usage.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "cli/admin_commands.hpp"
#include "cli/serve.hpp"
#include "cli/tools.hpp"
#include "config/config.hpp"
#include "core/json.hpp"

namespace {

using namespace moegate;

constexpr const char* kFooter =
    "Tenants, keys and usage (on a running server, else on the data directory):\n"
    "  orgs|projects|keys|admin|usage ...   -c FILE, --json; without more words each says what it takes\n"
    "Model files (through a backend plugin, moe-engine unless --plugin NAME):\n"
    "  facts MODEL | tokenize MODEL ... | chat MODEL | bench MODEL ...";

int print_version(bool as_json) {
  if (as_json) {
    std::cout << moe::json::write(moe::json::Value::object().set("version", moe::json::Value::string(MOEGATE_VERSION)))
              << '\n';
  } else {
    std::cout << "moegate " << MOEGATE_VERSION << '\n';
  }
  return 0;
}

int run_own_command(int argc, char** argv) {
  CLI::App app("Serves Mixture-of-Experts models to many tenants, metered to the token.", "moegate");
  app.footer(kFooter);
  app.require_subcommand(1);
  std::string file;
  bool as_json = false;
  auto* serve = app.add_subcommand("serve", "Run the gateway until SIGTERM");
  serve->add_option("-c,--config", file, "TOML file")->required();
  auto* check = app.add_subcommand("check", "Read a configuration and say what is wrong with it");
  check->add_option("-c,--config", file, "TOML file")->required();
  check->add_flag("--json", as_json);
  auto* version = app.add_subcommand("version", "Print the version");
  version->add_flag("--json", as_json);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (serve->parsed()) return cli::serve(file);
  if (check->parsed()) return cli::check(file, as_json);
  return print_version(as_json);
}

moe::Result<std::filesystem::path> data_dir_of(const std::string& config_file) {
  auto config = config::load(config_file);
  if (!config) return config.status();
  return config->data_dir;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::vector<std::string> words(argv + 1, argv + argc);
    if (!words.empty() && cli::is_tool(words.front())) return cli::run_tool(std::move(words));
    if (!words.empty() && cli::is_admin_command(words.front())) {
      return cli::run_admin_command(words, data_dir_of, std::cout, std::cerr);
    }
    return run_own_command(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "moegate: " << error.what() << '\n';
    return 1;
  }
}
