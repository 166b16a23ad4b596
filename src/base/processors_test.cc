// Copyright the Penstock authors. SPDX-License-Identifier: Apache-2.0
#include "base/processors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace penstock {
namespace {

namespace fs = std::filesystem;

class Processors : public ::testing::Test {
 protected:
  Processors() : folder_(fs::path(::testing::TempDir()) / ("groups" + std::to_string(getpid()))) {}
  ~Processors() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  int granted() const { return granted_processors(folder_ / "mount", folder_ / "membership"); }

  fs::path folder_;
};

TEST_F(Processors, WithoutGroupsThereIsNoLimit) {
  EXPECT_EQ(granted(), 0);
  write("membership", "0::/\n");
  EXPECT_EQ(granted(), 0);
  write("mount/cpu.max", "max 100000\n");
  EXPECT_EQ(granted(), 0);
}

TEST_F(Processors, APartOfAProcessorCountsWhole) {
  write("membership", "0::/\n");
  write("mount/cpu.max", "150000 100000\n");
  EXPECT_EQ(granted(), 2);
  write("mount/cpu.max", "50000 100000\n");
  EXPECT_EQ(granted(), 1);
}

TEST_F(Processors, TheLeastOfAllGroupsAroundCounts) {
  write("membership", "0::/pods/one\n");
  write("mount/pods/one/cpu.max", "800000 100000\n");
  EXPECT_EQ(granted(), 8);
  write("mount/pods/cpu.max", "300000 100000\n");
  EXPECT_EQ(granted(), 3);
}

TEST_F(Processors, AContainerSeesTheMountForAGroupOfTheHost) {
  write("membership", "0::/of/the/host\n");
  write("mount/cpu.max", "400000 100000\n");
  EXPECT_EQ(granted(), 4);
}

TEST_F(Processors, Version1HasItsOwnFiles) {
  write("membership", "3:memory:/box\n4:cpu,cpuacct:/box\n");
  write("mount/cpu/box/cpu.cfs_quota_us", "200000\n");
  write("mount/cpu/box/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(granted(), 2);
  write("mount/cpu/box/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(granted(), 0);
}

TEST_F(Processors, TextThatIsNoQuotaIsNoLimit) {
  write("membership", "no group\n0::/\n:\n");
  write("mount/cpu.max", "many 100000\n");
  EXPECT_EQ(granted(), 0);
  EXPECT_GE(processor_count(), 1);
}

}  // namespace
}  // namespace penstock
