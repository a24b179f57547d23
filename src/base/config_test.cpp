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
                             {"APP_PORT", "65536"},
                             {"APP_PORT", "-1"},
                             {"IO_THREADS", "4294967296"},
                             {"API_BASE_PATH", "api"},
                             {"TZ", "Mars/Olympus"},
                             {"CLUSTER_MODE", "many"},
                             {"CLUSTER_MODE", "0"},
                             {"WORKER_MODE", "!workflow"},
                             {"WORKER_MODE", "a,,b"},
                             {"HTTP_IDLE_TIMEOUT", "5 parsecs"},
                             {"REQUEST_BODY_LIMIT", "10xb"}}) {
    auto config = Config::load({{name, value}}, "");
    ASSERT_FALSE(config) << name;
    EXPECT_NE(config.error().message.find(name), std::string::npos);
    EXPECT_NE(config.error().message.find(value), std::string::npos);
  }
}

TEST(Config, TakesWhatTheDocumentationShows) {
  for (auto [name, value] : {std::pair{"CLUSTER_MODE", "max"},
                             {"CLUSTER_MODE", "-1"},
                             {"CLUSTER_MODE", "4"},
                             {"WORKER_MODE", "!"},
                             {"WORKER_MODE", "*"},
                             {"WORKER_MODE", "-"},
                             {"WORKER_MODE", "workflow:process,async-task:process"},
                             {"WORKER_MODE", "!,workflow:process"},
                             {"TZ", "Europe/Berlin"}}) {
    auto config = Config::load({{name, value}}, "");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->get(name), value);
  }
}

TEST(Config, SizesAndDurations) {
  EXPECT_EQ(parse_size("10mb"), 10 << 20);
  EXPECT_EQ(parse_size("1 KB"), 1024);
  EXPECT_EQ(parse_size("7"), 7);
  EXPECT_EQ(parse_duration_ms("30s"), 30'000);
  EXPECT_EQ(parse_duration_ms("500ms"), 500);
  EXPECT_EQ(parse_duration_ms("1d"), 86'400'000);
  EXPECT_EQ(parse_duration_ms("250"), 250);
  for (const char* text : {"", "s", "-1s", "1.5s", "1w", "999999999999d", "1 2"}) {
    EXPECT_EQ(parse_duration_ms(text), std::nullopt) << text;
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(Config, EnvFilesHoldQuotesCommentsAndLongValues) {
  const auto file = parse_env_file(
      "# c\n\nA=1\r\nexport B = two words  # c\nC='it is # \\n'\nD=\"say \\\"hi\\\"\\n\"\n"
      "E=\"line 1\nline 2\" # c\nF=\nG=#none\nH=a#b\nI='x'");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*file, (Environment{{"A", "1"},
                                {"B", "two words"},
                                {"C", "it is # \\n"},
                                {"D", "say \"hi\"\n"},
                                {"E", "line 1\nline 2"},
                                {"F", ""},
                                {"G", ""},
                                {"H", "a#b"},
                                {"I", "x"}}));
  for (auto [text, line] : {std::pair{"A=1\nnonsense\nB=2", "line 2"},
                            {"=x", "line 1"},
                            {"A B=x", "line 1"},
                            {"A=\"\n\"\nB='x", "line 3"},
                            {"A='x' y", "line 1"},
                            {"A\nB=1", "line 1"}}) {
    const auto bad = parse_env_file(text);
    ASSERT_FALSE(bad) << text;
    EXPECT_NE(bad.error().message.find(line), std::string::npos) << bad.error().message;
  }
}

TEST(Config, TheEnvironmentWinsInEveryForm) {
  const std::string secret = ::testing::TempDir() + "halcyon-env-secret";
  std::ofstream(secret) << "from the environment\n";
  const std::string path = ::testing::TempDir() + "halcyon-both.env";
  std::ofstream(path) << "APP_KEY=from the file\nAPP_PORT=1\n";
  auto config = Config::load({{"APP_KEY_FILE", secret}, {"APP_PORT", ""}}, path);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->get("APP_KEY"), "from the environment");
  EXPECT_EQ(config->number("APP_PORT"), 13000);
  EXPECT_FALSE(config->is_set("APP_PORT"));
}

TEST(Config, UnknownNamesInTheEnvironmentAreWarnedOf) {
  auto config = Config::load({{"DB_HOTS", "x"}, {"APP_OTHER", "x"}, {"DB_PASSWORD_FILE", ""}}, "");
  ASSERT_TRUE(config);
  ASSERT_EQ(config->warnings().size(), 1u);
  EXPECT_NE(config->warnings()[0].find("DB_HOTS"), std::string::npos);
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
