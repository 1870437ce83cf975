#include "plugin_host/plugin_host.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "plugin_host/elf_note.hpp"

namespace moegate::plugin_host {
namespace {

namespace fs = std::filesystem;

// Plugins are matched by versions as long as the major is 0: nothing is promised between minors before 1.0.
constexpr std::uint16_t kMajor = MOE_PLUGIN_ABI_MAJOR;
constexpr std::uint16_t kMinor = MOE_PLUGIN_ABI_MINOR;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void keep() { fd_ = -1; }

 private:
  int fd_;
};

std::string version(std::uint32_t major, std::uint32_t minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

// Reads the file through one mapping: its version, and what it needs.
moe::Status check_note(int fd, std::vector<std::string>& needed) {
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return moe::invalid("is no regular file");
  if (info.st_size <= 0) return moe::invalid("is empty");
  const auto size = static_cast<std::size_t>(info.st_size);
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED) return moe::invalid("cannot be mapped");
  const auto note = read_note({static_cast<const std::uint8_t*>(bytes), size});
  if (note) needed = read_needed({static_cast<const std::uint8_t*>(bytes), size});
  ::munmap(bytes, size);
  if (!note) return note.status();
  if (note->major != kMajor || (kMajor == 0 && note->minor != kMinor)) {
    return {moe::Code::abi_mismatch, "was built for plugin interface " + version(note->major, note->minor) +
                                         ", this gateway has " + version(kMajor, kMinor)};
  }
  return {};
}

// A plugin is opened through its descriptor, where $ORIGIN means nothing: libraries that lie beside it are loaded
// first, by their place; the plugin then finds them by name.
void load_neighbours(const fs::path& folder, const std::vector<std::string>& needed) {
  for (const auto& name : needed) {
    std::error_code error;
    const auto path = folder / name;
    if (name.find('/') == std::string::npos && fs::exists(path, error)) ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  }
}

moe::Result<const moe_plugin*> open_table(int fd) {
  // The same open file that was checked, not its name: a rename in between changes nothing.
  const std::string self = "/proc/self/fd/" + std::to_string(fd);
  void* library = ::dlopen(self.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return moe::invalid(std::string("cannot be loaded: ") + (why != nullptr ? why : "unknown reason"));
  }
  const auto entry = reinterpret_cast<moe_plugin_entry_fn>(::dlsym(library, MOE_PLUGIN_ENTRY_NAME));
  const moe_plugin* table = entry != nullptr ? entry() : nullptr;
  if (table == nullptr) return moe::invalid("exports no " MOE_PLUGIN_ENTRY_NAME);
  if (table->struct_size < sizeof(moe_plugin)) {
    return moe::Status(moe::Code::abi_mismatch, "has a table of " + std::to_string(table->struct_size) +
                                                    " bytes, this gateway needs " + std::to_string(sizeof(moe_plugin)));
  }
  if (table->abi_major != kMajor) {
    return moe::Status(moe::Code::abi_mismatch, "speaks plugin interface " +
                                                    version(table->abi_major, table->abi_minor) +
                                                    ", this gateway has " + version(kMajor, kMinor));
  }
  if (table->init == nullptr || table->deinit == nullptr || table->get_extension == nullptr || table->name == nullptr) {
    return moe::invalid("has an incomplete table");
  }
  return table;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
}

}  // namespace

PluginHost::~PluginHost() { deinit_all(); }

std::vector<fs::path> PluginHost::default_folders() {
  std::error_code error;
  const auto program = fs::read_symlink("/proc/self/exe", error);
  const auto lib = (program.parent_path().parent_path() / "lib").lexically_normal();
  return {lib, lib / "moegate" / "plugins"};
}

moe::Result<fs::path> PluginHost::find(const std::string& name) const {
  if (!name.empty() && name.front() == '/') return fs::path(name);
  if (!is_plain_name(name)) return moe::invalid("plugin \"" + name + "\": must be a name or an absolute path");
  std::string tried;
  for (const auto& folder : folders_) {
    const auto path = folder / ("moegate-" + name + ".so");
    std::error_code error;
    if (fs::exists(path, error)) return path;
    tried += (tried.empty() ? "" : ", ") + folder.string();
  }
  return moe::Status(moe::Code::not_found, "plugin \"" + name + "\": no moegate-" + name + ".so in " + tried);
}

moe::Result<const Plugin*> PluginHost::load(const std::string& name) {
  for (const auto& plugin : plugins_) {
    if (plugin->name == name) return static_cast<const Plugin*>(plugin.get());
  }
  auto path = find(name);
  if (!path) return path.status();
  const auto place = "plugin " + path->string();
  Descriptor file(::open(path->c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return moe::Status(moe::Code::not_found, place + ": " + std::strerror(errno));
  std::vector<std::string> needed;
  if (auto status = check_note(file.get(), needed); !status.ok()) return std::move(status).with_context(place);
  load_neighbours(path->parent_path(), needed);
  const int fd = file.get();
  file.keep();  // the loader knows libraries by their path: this number must never stand for another file
  auto table = open_table(fd);
  if (!table) return table.status().with_context(place);
  plugins_.push_back(std::make_unique<Plugin>(Plugin{name, *path, *table}));
  return static_cast<const Plugin*>(plugins_.back().get());
}

moe::Status PluginHost::init(const Plugin& plugin, const moe_host& host, std::string_view config_json) {
  moe_plugin_error error = MOE_PLUGIN_ERROR_INIT;
  const moe_status status = plugin.table->init(&host, {config_json.data(), config_json.size()}, &error);
  if (status != MOE_OK) {
    error.message[sizeof(error.message) - 1] = '\0';
    const std::string text = error.message[0] != '\0' ? error.message : "status " + std::to_string(status);
    const bool is_known = status > MOE_OK && status <= MOE_E_FORKED;
    return {is_known ? static_cast<moe::Code>(status) : moe::Code::internal, "plugin " + plugin.name + ": " + text};
  }
  initialised_.push_back(&plugin);
  return {};
}

void PluginHost::deinit_all() {
  while (!initialised_.empty()) {
    initialised_.back()->table->deinit();
    initialised_.pop_back();
  }
}

}  // namespace moegate::plugin_host
