// moegate orgs|projects|keys|admin|usage: each is one or more calls of the admin API, sent over <data>/admin.sock when
// a server holds the data directory, else made on the database in this process under the lock: same result, same
// record. Reads its own words, so that main.cpp only passes them on.
#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"

namespace moegate::cli {

bool is_admin_command(std::string_view noun);

// Reads the configuration file named by -c and gives the absolute data directory.
using DataDirOf = std::function<moe::Result<std::filesystem::path>(const std::string& config_file)>;

// `words` without the program's name: {"keys", "create", "-c", "FILE", "--org", "acme", ...}. Either -c FILE or --data
// DIR. Returns the exit status: 0 done, 1 refused or failed, 2 wrong usage.
int run_admin_command(const std::vector<std::string>& words, const DataDirOf& data_dir_of, std::ostream& out,
                      std::ostream& err);

}  // namespace moegate::cli
