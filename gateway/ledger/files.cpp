#include "ledger/files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace moegate::ledger {

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

moe::Status system_error(const std::filesystem::path& file, int error) {
  return {error == ENOSPC ? moe::Code::resource_exhausted : moe::Code::unavailable,
          file.string() + ": " + std::generic_category().message(error)};
}

moe::Status write_all(const File& file, const std::filesystem::path& name, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error(name, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

moe::Status sync_file(const File& file, const std::filesystem::path& name) {
  if (::fdatasync(file.get()) != 0) return system_error(name, errno);
  return {};
}

moe::Status sync_folder(const std::filesystem::path& folder) {
  const File directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.get()) != 0) return system_error(folder, errno);
  return {};
}

}  // namespace moegate::ledger
