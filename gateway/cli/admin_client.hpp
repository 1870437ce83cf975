// Makes calls of the admin API: over <data>/admin.sock when a process holds the data directory, else in this process on
// the database, under the lock. One thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "admin/service.hpp"
#include "core/status.hpp"

namespace moegate::cli {

class AdminClient {
 public:
  virtual ~AdminClient() = default;
  virtual moe::Result<admin::Answer> call(const admin::Call& call) = 0;
  virtual bool is_remote() const = 0;

  // `may_create`: a data directory that does not exist yet is made.
  static moe::Result<std::unique_ptr<AdminClient>> open(const std::filesystem::path& data_dir, bool may_create);
};

}  // namespace moegate::cli
