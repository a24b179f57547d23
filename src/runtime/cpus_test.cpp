#include "runtime/cpus.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace halcyon::runtime {
namespace {

namespace fs = std::filesystem;

class CpusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root = fs::path(::testing::TempDir()) / "halcyon-cpus" /
           ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(root);
    fs::create_directories(root);
  }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name) << text;
  }
  fs::path root;
};

TEST_F(CpusTest, TheSmallestQuotaOnTheWayUpHoldsInVersion2) {
  write("a.slice/cpu.max", "150000 100000\n");
  write("a.slice/b.service/cpu.max", "max 100000\n");
  write("c/cpu.max", "50000 100000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root, "0::/a.slice/b.service\n"), 1.5);
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root, "0::/c\n"), 0.5);
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root, "0::/\n"), 0);
  write("cpu.max", "200000 100000\n");  // the root of a container is a group with a limit
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root, "0::/\n"), 2);
}

TEST_F(CpusTest, Version1HasAFolderAController) {
  write("cpu/docker/x/cpu.cfs_quota_us", "300000\n");
  write("cpu/docker/x/cpu.cfs_period_us", "100000\n");
  write("cpu/cpu.cfs_quota_us", "-1\n");
  write("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root, "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n"), 3);
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root, "3:cpu,cpuacct:/\n"), 0);
}

TEST_F(CpusTest, NonsenseIsNoQuota) {
  write("cpu.max", "lots of it");
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root, "0::/\n"), 0);
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota(root, "what\n\n::"), 0);
  EXPECT_DOUBLE_EQ(cgroup_cpu_quota("/nonexistent", ""), 0);
}

TEST_F(CpusTest, ThereIsAlwaysOne) { EXPECT_GE(usable_cpus(), 1u); }

}  // namespace
}  // namespace halcyon::runtime
