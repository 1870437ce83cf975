#include "ledger/data_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "core/digest.hpp"

namespace moegate::ledger {
namespace {

constexpr std::size_t kPepperBytes = 32;

// Written under another name and linked into place, so that a pepper is whole or absent after any crash.
moe::Status make_pepper(const std::filesystem::path& folder, const std::filesystem::path& target) {
  const std::filesystem::path draft = folder / "pepper.new";
  ::unlink(draft.c_str());
  const File file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open()) return system_error(draft, errno);
  std::array<std::uint8_t, kPepperBytes> bytes{};
  moe::random_bytes(bytes);
  if (auto s = write_all(file, draft, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}); !s.ok()) return s;
  if (::fsync(file.get()) != 0) return system_error(draft, errno);
  if (::rename(draft.c_str(), target.c_str()) != 0) return system_error(target, errno);
  return sync_folder(folder);
}

moe::Status read_pepper(const std::filesystem::path& name, std::vector<std::uint8_t>* pepper) {
  const File file(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) return system_error(name, errno);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return system_error(name, errno);
  if ((facts.st_mode & 077) != 0) {
    return moe::invalid(name.string() +
                        " can be read or written by others than its owner: set its mode to 0600, and "
                        "treat the keys made with it as seen");
  }
  pepper->resize(kPepperBytes + 1);
  const ssize_t got = ::read(file.get(), pepper->data(), pepper->size());
  if (got < 0) return system_error(name, errno);
  if (got != static_cast<ssize_t>(kPepperBytes) || !S_ISREG(facts.st_mode)) {
    return moe::invalid(name.string() + " must be a file of exactly 32 bytes: restore it from a backup");
  }
  pepper->resize(kPepperBytes);
  return {};
}

}  // namespace

moe::Result<DataDir> DataDir::open(const std::filesystem::path& path) {
  DataDir dir;
  dir.path_ = path;
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error(path, errno);
  }
  const std::filesystem::path lock = path / "lock";
  dir.lock_ = File(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!dir.lock_.is_open()) return system_error(lock, errno);
  if (::flock(dir.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return moe::Status(moe::Code::unavailable, "the data directory " + path.string() +
                                                   " is in use by another moegate process (it holds " + lock.string() +
                                                   "): stop that one first, or choose another [data] dir");
  }
  const std::filesystem::path pepper = path / "pepper";
  if (::access(pepper.c_str(), F_OK) != 0 && errno == ENOENT) {
    if (std::filesystem::exists(path / "ledger.db", error)) {
      return moe::invalid(pepper.string() +
                          " is missing beside ledger.db: restore it from a backup, without it no key "
                          "and no record can be checked");
    }
    if (auto s = make_pepper(path, pepper); !s.ok()) return s;
  }
  if (auto s = read_pepper(pepper, &dir.pepper_); !s.ok()) return s;
  return dir;
}

bool DataDir::is_held(const std::filesystem::path& path) {
  const File file(::open((path / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  return file.is_open() && ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

std::vector<std::uint8_t> DataDir::derive(const std::vector<std::uint8_t>& pepper, std::string_view label) {
  const moe::Digest key = moe::hmac_sha256(pepper, label);
  return {key.begin(), key.end()};
}

}  // namespace moegate::ledger
