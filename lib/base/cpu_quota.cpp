#include "base/cpu_quota.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace moe::base {
namespace {

std::optional<std::string> read_text(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    return std::nullopt;
  }
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

std::optional<long long> to_number(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.remove_suffix(1);
  }
  long long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string item; std::getline(in, item, separator);) {
    out.push_back(item);
  }
  return out;
}

bool lists(const std::string& comma_separated, std::string_view word) {
  const auto items = split(comma_separated, ',');
  return std::find(items.begin(), items.end(), word) != items.end();
}

struct Group {
  bool is_v2 = false;
  std::string mount;  // where the hierarchy is mounted
  std::string path;   // of the process below the mount, "/" or "/a/b"
};

// Path of the process below a mount whose own root inside the hierarchy may be a sub-group (containers).
std::string below_mount(const std::string& path, const std::string& mount_root) {
  if (mount_root == "/" || mount_root.empty()) {
    return path;
  }
  if (path == mount_root) {
    return "/";
  }
  if (path.starts_with(mount_root + "/")) {
    return path.substr(mount_root.size());
  }
  return "/";  // the group lies outside what is mounted: the mount's top is all that can be seen
}

// Mount lines of /proc/self/mountinfo: id parent major:minor root mount-point options ... - type source super-options.
void add_groups_of_mounts(const std::string& mountinfo, const std::string& v2_path, const std::string& v1_path,
                          std::vector<Group>& out) {
  for (const std::string& line : split(mountinfo, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || fields.end() - dash < 3) {
      continue;
    }
    const std::string& type = *(dash + 1);
    const std::string& super_options = fields.back();
    if (type == "cgroup2" && !v2_path.empty()) {
      out.push_back({true, fields[4], below_mount(v2_path, fields[3])});
    } else if (type == "cgroup" && lists(super_options, "cpu") && !v1_path.empty()) {
      out.push_back({false, fields[4], below_mount(v1_path, fields[3])});
    }
  }
}

std::vector<Group> find_groups(const std::string& root) {
  std::string v2_path;
  std::string v1_path;
  for (const std::string& line : split(read_text(root + "/proc/self/cgroup").value_or(""), '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) {
      v2_path = line.substr(second + 1);
    } else if (lists(controllers, "cpu")) {
      v1_path = line.substr(second + 1);
    }
  }
  std::vector<Group> groups;
  add_groups_of_mounts(read_text(root + "/proc/self/mountinfo").value_or(""), v2_path, v1_path, groups);
  return groups;
}

std::optional<CpuQuota> quota_of(long long quota, long long period, const std::string& source) {
  if (quota <= 0 || period <= 0) {
    return std::nullopt;
  }
  return CpuQuota{static_cast<double>(quota) / static_cast<double>(period), source};
}

// "max 100000" or "150000 100000".
std::optional<CpuQuota> read_v2(const std::string& root, const std::string& folder) {
  const std::string file = folder + "/cpu.max";
  const auto words = split(read_text(root + file).value_or(""), ' ');
  if (words.size() != 2) {
    return std::nullopt;
  }
  return quota_of(to_number(words[0]).value_or(0), to_number(words[1]).value_or(0), file);
}

std::optional<CpuQuota> read_v1(const std::string& root, const std::string& folder) {
  const std::string file = folder + "/cpu.cfs_quota_us";
  const auto quota = to_number(read_text(root + file).value_or(""));
  const auto period = to_number(read_text(root + folder + "/cpu.cfs_period_us").value_or(""));
  return quota_of(quota.value_or(0), period.value_or(0), file);
}

}  // namespace

std::optional<CpuQuota> read_cpu_quota(const std::string& root) {
  std::optional<CpuQuota> smallest;
  for (const Group& group : find_groups(root)) {
    std::string path = group.path == "/" ? "" : group.path;
    while (true) {
      const std::string folder = group.mount + path;
      auto quota = group.is_v2 ? read_v2(root, folder) : read_v1(root, folder);
      if (quota && (!smallest || quota->cpus < smallest->cpus)) {
        smallest = std::move(quota);
      }
      if (path.empty()) {
        break;
      }
      const std::size_t slash = path.rfind('/');
      path.resize(slash == std::string::npos ? 0 : slash);
    }
  }
  return smallest;
}

ThreadBudget make_thread_budget(std::uint32_t affinity_cpus, std::optional<CpuQuota> quota) {
  ThreadBudget budget;
  budget.affinity_cpus = std::max<std::uint32_t>(affinity_cpus, 1);
  budget.threads = budget.affinity_cpus;
  if (quota) {
    const double whole = std::clamp(std::floor(quota->cpus), 1.0, static_cast<double>(budget.affinity_cpus));
    budget.threads = static_cast<std::uint32_t>(whole);
  }
  budget.quota = std::move(quota);
  return budget;
}

ThreadBudget read_thread_budget() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  // Fails on machines with more CPUs than a cpu_set_t holds: then all that are online count.
  const bool known = sched_getaffinity(0, sizeof(mask), &mask) == 0;
  const long cpus = known ? CPU_COUNT(&mask) : sysconf(_SC_NPROCESSORS_ONLN);
  return make_thread_budget(static_cast<std::uint32_t>(std::max(cpus, 1L)), read_cpu_quota());
}

std::string describe(const ThreadBudget& budget) {
  std::string text =
      std::to_string(budget.threads) + " threads: affinity allows " + std::to_string(budget.affinity_cpus) + " CPUs";
  if (!budget.quota) {
    return text + ", no CPU quota";
  }
  char number[32];
  // No %f: the decimal point must not depend on the host's locale.
  const auto hundredths = static_cast<long long>(std::llround(std::min(budget.quota->cpus, 1e6) * 100));
  std::snprintf(number, sizeof(number), "%lld.%02lld", hundredths / 100, hundredths % 100);
  return text + ", quota " + number + " from " + budget.quota->source;
}

}  // namespace moe::base
