// moe.tools/1: the commands about model files. Each command is one function that prints through the host and gives the
// exit status: 0 done, 1 failed, 2 wrong usage.
#pragma once

#include <string>
#include <string_view>

#include "kit/boundary.hpp"
#include "libmoe.hpp"
#include "tools_args.hpp"

namespace moegate::plugins {

inline constexpr std::int32_t kDone = 0;
inline constexpr std::int32_t kFailed = 1;
inline constexpr std::int32_t kUsage = 2;

// Where a command prints and reads. A view of the host's table.
class Terminal {
 public:
  explicit Terminal(const moe_plugin_tool_host& host) : host_(host) {}
  void out(std::string_view text) const { host_.print(host_.context, 1, text.data(), text.size()); }
  void err(std::string_view text) const { host_.print(host_.context, 2, text.data(), text.size()); }
  // False at the end of the input.
  bool read_line(std::string& line) const;
  // Prints "error: ..." and gives the exit status of it.
  std::int32_t fail(const moe::Status& status) const;
  std::int32_t usage(std::string_view problem, std::string_view help) const;

 private:
  moe_plugin_tool_host host_;
};

// Loads with a progress bar on the error stream unless `quiet`.
moe::Result<Model> load_with_progress(const Terminal& terminal, const std::string& path, moe_workers* workers,
                                      bool quiet);
moe::Result<Workers> make_workers(std::uint32_t threads);

std::int32_t run_facts(const Arguments& arguments, const Terminal& terminal);
std::int32_t run_tokenize(const Arguments& arguments, const Terminal& terminal);
std::int32_t run_chat(const Arguments& arguments, const Terminal& terminal);
std::int32_t run_bench(const Arguments& arguments, const Terminal& terminal);

const moe_plugin_tools_1& tools_table();

}  // namespace moegate::plugins
