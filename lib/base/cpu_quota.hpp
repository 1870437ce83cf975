// How many threads may really run: the affinity mask and the CPU quota of the container (cgroup v1 cpu.cfs_quota_us, v2
// cpu.max), the smallest over all parent groups. Spinning past a quota meets throttling and costs a factor of ten.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace moe::base {

struct CpuQuota {
  double cpus = 0;     // quota / period
  std::string source;  // file that holds the smallest one
};

// Smallest quota of the process's own group and its parents; empty if there is none. `root` stands in front of /proc
// and of the mount points, so that a test can build a tree of its own.
std::optional<CpuQuota> read_cpu_quota(const std::string& root = "");

struct ThreadBudget {
  std::uint32_t affinity_cpus = 1;
  std::optional<CpuQuota> quota;
  std::uint32_t threads = 1;  // min(affinity, max(1, floor(quota)))
};
ThreadBudget make_thread_budget(std::uint32_t affinity_cpus, std::optional<CpuQuota> quota);
// Of the calling thread's affinity mask and the real system.
ThreadBudget read_thread_budget();
// "2 threads: affinity allows 2 CPUs, quota 1.50 from /sys/fs/cgroup/cpu.max", for the start-up line.
std::string describe(const ThreadBudget& budget);

}  // namespace moe::base
