#include "base/cpu_quota.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace moe::base {
namespace {

// A file system root of the test's own, removed afterwards.
class CpuQuotaTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = std::filesystem::path(testing::TempDir()) / ("quota-" + std::to_string(getpid()) + "-" + info->name());
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    const auto file = root_ / path.substr(1);
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void use_v2(const std::string& group) {
    write("/proc/self/cgroup", "0::" + group + "\n");
    write("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n");
  }
  void use_v1(const std::string& group, const std::string& mount_root = "/") {
    write("/proc/self/cgroup", "3:cpuset:/\n2:cpu,cpuacct:" + group + "\n1:name=systemd:/x\n");
    write("/proc/self/mountinfo",
          "30 23 0:26 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
          "31 23 0:27 " +
              mount_root + " /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n");
  }
  std::optional<CpuQuota> quota() { return read_cpu_quota(root_.string()); }

  std::filesystem::path root_;
};

TEST_F(CpuQuotaTest, F063_version_2_quota_is_read) {
  use_v2("/service");
  for (const auto& [text, cpus] : {std::pair{"50000 100000\n", 0.5}, std::pair{"100000 100000\n", 1.0},
                                   std::pair{"150000 100000\n", 1.5}, std::pair{"200000 100000", 2.0}}) {
    write("/sys/fs/cgroup/service/cpu.max", text);
    ASSERT_TRUE(quota().has_value()) << text;
    EXPECT_DOUBLE_EQ(quota()->cpus, cpus);
    EXPECT_EQ(quota()->source, "/sys/fs/cgroup/service/cpu.max");
  }
}

TEST_F(CpuQuotaTest, F063_the_smallest_over_all_parents_counts) {
  use_v2("/a/b/c");
  write("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
  write("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  ASSERT_TRUE(quota().has_value());
  EXPECT_DOUBLE_EQ(quota()->cpus, 1.5);
  EXPECT_EQ(quota()->source, "/sys/fs/cgroup/a/cpu.max");
}

TEST_F(CpuQuotaTest, F063_version_1_quota_is_read_also_on_the_parent) {
  use_v1("/docker/1234");
  write("/sys/fs/cgroup/cpu,cpuacct/docker/1234/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu,cpuacct/docker/1234/cpu.cfs_period_us", "100000\n");
  EXPECT_FALSE(quota().has_value());
  write("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "75000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "50000\n");
  ASSERT_TRUE(quota().has_value());
  EXPECT_DOUBLE_EQ(quota()->cpus, 1.5);
}

// Inside a container the mount shows the container's own group as its top.
TEST_F(CpuQuotaTest, F063_a_container_sees_its_group_at_the_top_of_the_mount) {
  use_v1("/docker/1234", "/docker/1234");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "100000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  ASSERT_TRUE(quota().has_value());
  EXPECT_DOUBLE_EQ(quota()->cpus, 1.0);
}

TEST_F(CpuQuotaTest, odd_files_mean_no_quota) {
  EXPECT_FALSE(quota().has_value());  // no /proc at all
  use_v2("/s");
  for (const char* text :
       {"", "max", "abc 100000", "100000 0", "-5 100000", "100000 100000 7", "99999999999999999999 1"}) {
    write("/sys/fs/cgroup/s/cpu.max", text);
    EXPECT_FALSE(quota().has_value()) << text;
  }
  write("/proc/self/cgroup", "garbage\n::\n0:\n");
  write("/proc/self/mountinfo", "1 2 3\n- - -\n\n");
  EXPECT_FALSE(quota().has_value());
}

TEST(ThreadBudget, F063_threads_are_the_floor_of_the_quota_within_the_affinity) {
  EXPECT_EQ(make_thread_budget(2, std::nullopt).threads, 2U);
  EXPECT_EQ(make_thread_budget(2, CpuQuota{0.5, "f"}).threads, 1U);
  EXPECT_EQ(make_thread_budget(2, CpuQuota{1.0, "f"}).threads, 1U);
  EXPECT_EQ(make_thread_budget(2, CpuQuota{1.5, "f"}).threads, 1U);
  EXPECT_EQ(make_thread_budget(2, CpuQuota{2.0, "f"}).threads, 2U);
  EXPECT_EQ(make_thread_budget(2, CpuQuota{64, "f"}).threads, 2U);
  EXPECT_EQ(make_thread_budget(0, std::nullopt).threads, 1U);
}

TEST(ThreadBudget, F063_the_start_up_line_names_source_and_numbers) {
  EXPECT_EQ(describe(make_thread_budget(2, CpuQuota{1.5, "/sys/fs/cgroup/cpu.max"})),
            "1 threads: affinity allows 2 CPUs, quota 1.50 from /sys/fs/cgroup/cpu.max");
  EXPECT_EQ(describe(make_thread_budget(4, std::nullopt)), "4 threads: affinity allows 4 CPUs, no CPU quota");
}

TEST(ThreadBudget, this_process_has_one) { EXPECT_GE(read_thread_budget().threads, 1U); }

}  // namespace
}  // namespace moe::base
