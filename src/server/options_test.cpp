#include "server/options.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

namespace halcyon::server {
namespace {

TEST(WorkerMode, SaysWhatAProcessWorksOn) {
  struct Case {
    const char* text;
    bool http, listed, other;
  };
  for (const Case& c :
       {Case{"", true, true, true}, Case{"!", true, false, false}, Case{"*", false, true, true},
        Case{"-", false, false, false}, Case{"mail, workflow:process", false, true, false},
        Case{"!,workflow:process", true, true, false}}) {
    const WorkerMode mode = WorkerMode::parse(c.text);
    EXPECT_EQ(mode.http, c.http) << c.text;
    EXPECT_EQ(mode.serves_topic("workflow:process"), c.listed) << c.text;
    EXPECT_EQ(mode.serves_topic("async-task:process"), c.other) << c.text;
  }
}

TEST(TokenSecret, IsOneForAllWhoStartAtOnce) {
  std::string folder = ::testing::TempDir() + "key-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  auto config = Config::load({{"STORAGE_PATH", folder + "/storage"}}, "");
  ASSERT_TRUE(config);
  std::vector<std::string> keys(16);
  {
    std::vector<std::jthread> starters;
    for (std::string& key : keys)
      starters.emplace_back([&] { key = token_secret(*config).value_or(""); });
  }
  EXPECT_EQ(std::set(keys.begin(), keys.end()).size(), 1u);
  EXPECT_EQ(keys[0].size(), 64u);
  // Nothing else is left beside it.
  const std::filesystem::directory_iterator files(folder + "/storage");
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace halcyon::server
