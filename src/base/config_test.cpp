#include "base/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace halcyon {
namespace {

TEST(Config, EnvironmentOverFileOverDefault) {
  const std::string path = ::testing::TempDir() + "halcyon.env";
  std::ofstream(path)
      << "# comment\nexport APP_PORT=1234\nDB_USER='from file' # x\nDB_PASSWORD=\"a#b\"\n";
  auto config = Config::load({{"APP_PORT", "4321"}}, path);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->number("APP_PORT"), 4321);
  EXPECT_EQ(config->get("DB_USER"), "from file");
  EXPECT_EQ(config->get("DB_PASSWORD"), "a#b");
  EXPECT_EQ(config->get("DB_DIALECT"), "sqlite");
  EXPECT_EQ(config->bytes("REQUEST_BODY_LIMIT"), 10u * 1024 * 1024);
  EXPECT_EQ(config->milliseconds("DB_LANE_TIMEOUT").count(), 5000);
}

TEST(Config, BadValuesNameTheVariableAndWhatIsAccepted) {
  for (auto [name, value] : {std::pair{"APP_PORT", "x"},
                             {"DB_DIALECT", "oracle"},
                             {"DB_UNDERSCORED", "maybe"},
                             {"REQUEST_BODY_LIMIT", "10xb"}}) {
    auto config = Config::load({{name, value}}, "");
    ASSERT_FALSE(config) << name;
    EXPECT_NE(config.error().message.find(name), std::string::npos);
    EXPECT_NE(config.error().message.find(value), std::string::npos);
  }
}

TEST(Config, UnknownSettingsInTheFileAreErrors) {
  const std::string path = ::testing::TempDir() + "halcyon-bad.env";
  std::ofstream(path) << "DB_DIALLECT=postgres\n";
  EXPECT_FALSE(Config::load({}, path));
}

TEST(Config, SecretsMayComeFromFilesAndAreNotShown) {
  const std::string path = ::testing::TempDir() + "halcyon-secret";
  std::ofstream(path) << "s3cret\n";
  auto config = Config::load({{"APP_KEY_FILE", path}}, "");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->get("APP_KEY"), "s3cret");
  EXPECT_FALSE(Config::load({{"APP_KEY_FILE", "/does/not/exist"}}, ""));
}

TEST(Config, TheExampleFileIsTheTable) {
  std::ifstream file(std::string(HALCYON_SOURCE_DIR) + "/.env.example");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), example_env()) << "write it anew: halcyon config --example > .env.example";
}

}  // namespace
}  // namespace halcyon
