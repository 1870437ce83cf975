#include "tools.hpp"

#include <algorithm>
#include <cstdio>

namespace moegate::plugins {
namespace {

struct Command {
  std::string_view name;
  std::vector<std::string_view> options;
  std::int32_t (*run)(const Arguments&, const Terminal&);
};

const std::vector<Command>& commands() {
  static const std::vector<Command> list = {
      {"facts", {"json"}, run_facts},
      {"tokenize", {"json", "no-special", "parse-special", "chat"}, run_tokenize},
      {"chat", {"message=", "system=", "max-tokens=", "temperature=", "seed=", "threads=", "quiet", "json"}, run_chat},
      {"bench", {"prompt=", "generate=", "batch=", "threads=", "shape=", "json"}, run_bench}};
  return list;
}

struct Bar {
  const Terminal* terminal;
  int shown = -1;
};

std::int32_t show_progress(void* user, std::uint64_t done, std::uint64_t total) {
  auto& bar = *static_cast<Bar*>(user);
  constexpr int kWidth = 30;
  const int percent = total == 0 ? 100 : static_cast<int>(done * 100 / total);
  if (percent < bar.shown + 2 && percent != 100) return 0;  // a line a step where the output is no terminal
  if (percent == bar.shown) return 0;
  bar.shown = percent;
  const auto filled = static_cast<std::size_t>(percent * kWidth / 100);
  char tail[64];
  std::snprintf(tail, sizeof(tail), "] %3d%%  %.1f of %.1f MB", percent, static_cast<double>(done) / 1e6,
                static_cast<double>(total) / 1e6);
  bar.terminal->err("\rloading [" + std::string(filled, '#') + std::string(kWidth - filled, '.') + tail);
  return 0;
}

std::int32_t run(std::int32_t argc, const char* const* argv, const moe_plugin_tool_host* table) {
  moe_plugin_tool_host host{};
  if (argc < 1 || argv == nullptr || !copy_in(table, host, "tool_host").ok() || host.print == nullptr) return kUsage;
  const Terminal terminal(host);
  std::int32_t exit_status = kFailed;
  moe_plugin_error error = MOE_PLUGIN_ERROR_INIT;
  const moe_status status = guarded(&error, [&]() -> moe::Status {
    const auto command = std::ranges::find(commands(), std::string_view(argv[0]), &Command::name);
    if (command == commands().end()) {
      exit_status = terminal.usage("unknown command " + std::string(argv[0]), "commands: facts, tokenize, chat, bench");
      return {};
    }
    auto arguments = read_arguments(argc, argv, command->options);
    exit_status =
        arguments.ok() ? command->run(*arguments, terminal) : terminal.usage(arguments.status().message(), "");
    return {};
  });
  return status == MOE_OK ? exit_status : terminal.fail({static_cast<moe::Code>(status), error.message});
}

constexpr moe_plugin_tools_1 kTable = {sizeof(moe_plugin_tools_1), 0, run};

}  // namespace

bool Terminal::read_line(std::string& line) const {
  line.clear();
  const auto append = [](void* context, const char* data, std::uint64_t size) {
    static_cast<std::string*>(context)->append(data, size);
  };
  const moe_plugin_sink sink = {&line, append};
  return host_.read_line != nullptr && host_.read_line(host_.context, &sink) != 0;
}

std::int32_t Terminal::fail(const moe::Status& status) const {
  err("error: " + status.message() + "\n");
  return kFailed;
}

std::int32_t Terminal::usage(std::string_view problem, std::string_view help) const {
  err("error: " + std::string(problem) + "\n");
  if (!help.empty()) err(std::string(help) + "\n");
  return kUsage;
}

moe::Result<Workers> make_workers(std::uint32_t threads) {
  moe_workers_options options = MOE_WORKERS_OPTIONS_INIT;
  options.num_threads = threads;
  moe_workers* workers = nullptr;
  if (const moe_status status = moe_workers_create(&options, &workers); status != MOE_OK) return library_error(status);
  return Workers(workers);
}

moe::Result<Model> load_with_progress(const Terminal& terminal, const std::string& path, moe_workers* workers,
                                      bool quiet) {
  Bar bar{&terminal};
  moe_model_options options = MOE_MODEL_OPTIONS_INIT;
  options.workers = workers;
  if (!quiet) {
    options.progress = show_progress;
    options.progress_user = &bar;
  }
  moe_model* model = nullptr;
  const moe_status status = moe_model_load(str(path), &options, &model);
  if (bar.shown >= 0) terminal.err("\n");
  if (status != MOE_OK) return library_error(status);
  return Model(model);
}

const moe_plugin_tools_1& tools_table() { return kTable; }

}  // namespace moegate::plugins
