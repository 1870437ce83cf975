#include "plugin_host/plugin_host.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "plugin_host/elf_note.hpp"

namespace moegate::plugin_host {
namespace {

namespace fs = std::filesystem;
const fs::path kFolder = TEST_PLUGIN_FOLDER;

std::vector<std::uint8_t> bytes_of(const std::string& name) {
  std::ifstream in(kFolder / ("moegate-" + name + ".so"), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::vector<std::uint8_t>& bytes) {
    std::string name = "/tmp/moegate-plugin-XXXXXX";
    const int fd = ::mkstemp(name.data());
    path_ = name;
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }
  ~TemporaryFile() { fs::remove(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

moe_host host_with(int& counter) {
  moe_host host{};
  host.struct_size = sizeof(host);
  host.context = &counter;
  return host;
}

TEST(PluginHost, loads_by_name_and_undoes_init_in_the_end) {
  int counter = 0;
  {
    PluginHost plugins({"/nowhere", kFolder});
    const auto plugin = plugins.load("test_good");
    ASSERT_TRUE(plugin.ok()) << plugin.status().message();
    EXPECT_EQ(*plugins.load("test_good"), *plugin) << "a second load is the first one";
    EXPECT_STREQ((*plugin)->table->name, "test");
    EXPECT_TRUE(plugins.init(**plugin, host_with(counter), "{}").ok());
    EXPECT_EQ(counter, 1);
  }
  EXPECT_EQ(counter, 0);
}

TEST(PluginHost, loads_by_absolute_path) {
  PluginHost plugins({});
  EXPECT_TRUE(plugins.load((kFolder / "moegate-test_good.so").string()).ok());
}

TEST(PluginHost, init_errors_carry_the_plugin_and_its_words) {
  int counter = 0;
  PluginHost plugins({kFolder});
  const auto plugin = plugins.load("test_good");
  const auto status = plugins.init(**plugin, host_with(counter), "fail");
  EXPECT_EQ(status.code(), moe::Code::invalid_argument);
  EXPECT_EQ(status.message(), "plugin test_good: planned");
}

TEST(PluginHost, p1_another_major_is_refused_before_its_code_runs) {
  PluginHost plugins({kFolder});
  const auto plugin = plugins.load("test_other_major");
  EXPECT_EQ(plugin.status().code(), moe::Code::abi_mismatch);
  EXPECT_NE(plugin.status().message().find("77.5"), std::string::npos);
  EXPECT_NE(plugin.status().message().find("this gateway has 0.1"), std::string::npos);
}

TEST(PluginHost, p1_a_table_that_is_too_small_is_refused) {
  PluginHost plugins({kFolder});
  EXPECT_EQ(plugins.load("test_small_table").status().code(), moe::Code::abi_mismatch);
}

TEST(PluginHost, an_extension_table_that_is_too_small_is_none) {
  PluginHost plugins({kFolder});
  const auto plugin = plugins.load("test_good");
  EXPECT_EQ(extension<moe_plugin_backend_1>(**plugin, "short"), nullptr);
  EXPECT_EQ(extension<moe_plugin_backend_1>(**plugin, "none"), nullptr);
}

TEST(PluginHost, names_are_no_paths) {
  PluginHost plugins({kFolder});
  for (const auto* name : {"", "../test_good", "a/b", "test good", "a.b", "x;y"}) {
    EXPECT_EQ(plugins.load(name).status().code(), moe::Code::invalid_argument) << name;
  }
  EXPECT_EQ(plugins.load("missing").status().code(), moe::Code::not_found);
  EXPECT_EQ(plugins.load("/nowhere.so").status().code(), moe::Code::not_found);
  EXPECT_FALSE(plugins.load("/tmp").ok());
}

TEST(PluginHost, p1_foreign_files_are_refused) {
  PluginHost plugins({});
  auto wrong_machine = bytes_of("test_good");
  wrong_machine[18] ^= 0x40;
  auto wrong_class = bytes_of("test_good");
  wrong_class[4] = 1;
  const std::vector<std::vector<std::uint8_t>> files = {
      {}, {'x'}, std::vector<std::uint8_t>(64, 0), wrong_machine, wrong_class};
  for (const auto& file : files) {
    const TemporaryFile on_disk(file);
    const auto loaded = plugins.load(on_disk.path().string());
    EXPECT_FALSE(loaded.ok());
    EXPECT_NE(loaded.status().message().find(on_disk.path().string()), std::string::npos);
  }
  EXPECT_FALSE(plugins.load("/proc/self/exe").ok()) << "a program without our note";
}

TEST(ElfNote, cuts_and_flips_of_a_good_file_never_read_outside) {
  const auto good = bytes_of("test_good");
  ASSERT_TRUE(read_note(good).ok());
  EXPECT_EQ(read_note(good)->minor, static_cast<std::uint32_t>(MOE_PLUGIN_ABI_MINOR));
  EXPECT_FALSE(read_needed(good).empty());
  for (std::size_t size = 0; size < std::min<std::size_t>(good.size(), 4096); ++size) {
    // A buffer of its own, so that the sanitizer sees one byte too many.
    const std::vector<std::uint8_t> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(read_note(cut).ok() || !read_note(cut).status().message().empty());
    read_needed(cut);
  }
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    auto flipped = good;
    for (int k = 0; k < 3; ++k) flipped[random() % 1024] = static_cast<std::uint8_t>(random());
    EXPECT_TRUE(read_note(flipped).ok() || !read_note(flipped).status().message().empty());
    read_needed(flipped);
  }
}

}  // namespace
}  // namespace moegate::plugin_host
