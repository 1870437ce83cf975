// moegate serve and moegate check.
#pragma once

#include <filesystem>

namespace moegate::cli {

// Runs until SIGTERM or SIGINT; returns the exit status. Blocks these signals in the calling thread and what it starts.
int serve(const std::filesystem::path& config_file);
// Reads the configuration and says what is wrong with it.
int check(const std::filesystem::path& config_file, bool as_json);

}  // namespace moegate::cli
