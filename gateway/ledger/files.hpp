// Durable little files: whole writes, fsync of a file and of its folder. POSIX, any thread.
#pragma once

#include <filesystem>
#include <string_view>

#include "core/status.hpp"

namespace moegate::ledger {

// An open descriptor; -1 = none.
class File {
 public:
  File() = default;
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File();
  File(File&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  File& operator=(File&& other) noexcept;
  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

// "heads: No space left on device"
moe::Status system_error(const std::filesystem::path& file, int error);
moe::Status write_all(const File& file, const std::filesystem::path& name, std::string_view bytes);
moe::Status sync_file(const File& file, const std::filesystem::path& name);
moe::Status sync_folder(const std::filesystem::path& folder);

}  // namespace moegate::ledger
