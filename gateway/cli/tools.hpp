// moegate facts|tokenize|chat|bench: commands about model files, which a backend plugin runs (moe.tools/1).
#pragma once

#include <string>
#include <vector>

namespace moegate::cli {

bool is_tool(const std::string& command);
// `words`: the command and everything after it. `--plugin NAME` picks another plugin than moe-engine.
int run_tool(std::vector<std::string> words);

}  // namespace moegate::cli
