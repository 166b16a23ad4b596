// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

namespace penstock {
namespace {

namespace fs = std::filesystem;

// "200000 100000": microseconds of each period; "max 100000" is no limit. 0 for none.
double quota_of_version_2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  return std::atof(quota.c_str()) / period;
}

double quota_of_version_1(const fs::path& group) {
  std::ifstream quota_file(group / "cpu.cfs_quota_us");
  std::ifstream period_file(group / "cpu.cfs_period_us");
  double quota = 0;
  double period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return 0;
  return quota / period;
}

// Of the group and of those around it, up to the mount. Inside of a container the group's path may
// be the host's, which is not there: then the mount itself is the group.
template <typename Quota>
double least_quota(const fs::path& mount, std::string group, Quota quota) {
  double least = 0;
  const auto take = [&](const fs::path& folder) {
    const double here = quota(folder);
    if (here > 0) least = least > 0 ? std::min(least, here) : here;
  };
  while (group.size() > 1) {
    take(mount / group.substr(1));
    group.erase(group.rfind('/'));
  }
  take(mount);
  return least;
}

}  // namespace

int granted_processors(const fs::path& mount, const fs::path& membership) {
  std::ifstream file(membership);
  std::string line;
  double least = 0;
  while (std::getline(file, line)) {  // "0::/group", or "4:cpu,cpuacct:/group" of version 1
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    double quota = 0;
    if (controllers == ",,") {
      quota = least_quota(mount, group, quota_of_version_2);
    } else if (controllers.find(",cpu,") != std::string::npos) {
      quota = least_quota(mount / "cpu", group, quota_of_version_1);
    }
    if (quota > 0) least = least > 0 ? std::min(least, quota) : quota;
  }
  return static_cast<int>(std::ceil(std::min(least, 1e6)));
}

int processor_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  static const int granted = granted_processors("/sys/fs/cgroup", "/proc/self/cgroup");
  return std::max(1, granted > 0 ? std::min(allowed, granted) : allowed);
}

}  // namespace penstock
