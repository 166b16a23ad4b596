// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace penstock {

// Processors that this process can keep busy: those of its affinity mask, and no more than its
// control groups grant time of, as containers limit it (`docker run --cpus 2`). At least 1.
int processor_count();

// Processors' worth of time that control groups grant, rounded up, 0 for no limit: the least of
// cpu.max (version 2), or cpu.cfs_quota_us (version 1), in the groups of `membership`, the text of
// /proc/self/cgroup, and those around them. `mount` is /sys/fs/cgroup.
int granted_processors(const std::filesystem::path& mount, const std::filesystem::path& membership);

}  // namespace penstock
