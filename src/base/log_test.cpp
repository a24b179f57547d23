#include "base/log.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>

namespace halcyon {
namespace {

// What the log wrote to its file since `configure`.
class LogTest : public ::testing::Test {
 protected:
  void configure(LogLevel level, std::string_view format) {
    path_ = ::testing::TempDir() + "halcyon-log-" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::remove(path_.c_str());
    configure_log(level, format, path_);
  }
  void TearDown() override { configure_log(LogLevel::kInfo, "json", ""); }
  // Without the time, which stands first.
  std::string written() const {
    std::ifstream file(path_);
    std::ostringstream text;
    for (std::string line; std::getline(file, line);) {
      const size_t comma = line.find(",\"level\"");
      text << (comma == std::string::npos ? line.substr(line.find(' ') + 1) : line.substr(comma))
           << '\n';
    }
    return text.str();
  }

 private:
  std::string path_;
};

TEST_F(LogTest, JsonLines) {
  configure(LogLevel::kInfo, "json");
  log_debug("not shown");
  log_info("hello \"you\"\n", {{"text", "a\xFF"},
                               {"n", -5},
                               {"yes", true},
                               {"ms", 1.5},
                               {"none", std::numeric_limits<double>::quiet_NaN()}});
  log_error("x");
  EXPECT_EQ(
      written(),
      ",\"level\":\"info\",\"message\":\"hello \\\"you\\\"\\n\",\"text\":\"a\uFFFD\",\"n\":-5,"
      "\"yes\":true,\"ms\":1.5,\"none\":null}\n"
      ",\"level\":\"error\",\"message\":\"x\"}\n");
}

TEST_F(LogTest, ConsoleLinesStayOneLine) {
  configure(LogLevel::kWarn, "console");
  log_info("not shown");
  log_warn("a\nb", {{"path", "x\r\ny"}, {"n", 1}});
  EXPECT_EQ(written(), "warn  a\\nb path=x\\r\\ny n=1\n");
  EXPECT_FALSE(log_enabled(LogLevel::kInfo));
  EXPECT_TRUE(log_enabled(LogLevel::kError));
}

}  // namespace
}  // namespace halcyon
