// What positions mean. That replicas are used, waited for and left alone is tested with real ones
// (tests/process/replicas.test.ts).
#include "sql/replicas.h"

#include <gtest/gtest.h>

#include "sql/testing.h"

namespace halcyon::sql {
namespace {

TEST(Positions, OfPostgresAreTimelineAndPlace) {
  const Dialect& dialect = postgres_dialect();
  EXPECT_TRUE(dialect.covers("1 0/3000AF0", "1 0/3000AF0"));
  EXPECT_TRUE(dialect.covers("1 0/3000AF1", "1 0/3000AF0"));
  EXPECT_FALSE(dialect.covers("1 0/3000AEF", "1 0/3000AF0"));
  EXPECT_TRUE(dialect.covers("1 1/0", "1 0/FFFFFFFF"));
  EXPECT_TRUE(dialect.covers("10 0/100", "9 0/FF"));
  // Further, but on a way that nobody went on from.
  EXPECT_FALSE(dialect.covers("1 0/FFF", "2 0/100"));
  EXPECT_FALSE(dialect.covers("2 0/10", "1 0/100"));
  for (const char* bad : {"", "0", "1", "1 ", "1 0", "1 0/", "x 0/1", "1 0/1 ", "1 0/x",
                          "1 100000000/0", "1 0/100000000"}) {
    EXPECT_FALSE(dialect.covers(bad, bad)) << bad;
    EXPECT_FALSE(dialect.covers("1 0/3000AF0", bad)) << bad;
  }
}

TEST(Positions, OfMariaDbAreNumbersOfEachDomain) {
  const Dialect& dialect = mariadb_dialect();
  EXPECT_TRUE(dialect.covers("0-1-7", "0-1-7"));
  EXPECT_TRUE(dialect.covers("0-1-8,1-1-1", "0-1-7"));
  EXPECT_FALSE(dialect.covers("0-1-6", "0-1-7"));
  EXPECT_FALSE(dialect.covers("0-1-8", "0-1-7,1-1-1"));
  // Of another server: what it wrote before a failover may be its alone.
  EXPECT_FALSE(dialect.covers("0-1-9", "0-2-8"));
  for (const char* bad : {"", "0", "0-1", "0-1-", "0-1-x", "0-1-7,", "a-b-c"})
    EXPECT_FALSE(dialect.covers(bad, bad)) << bad;
}

class PositionTest : public testing::DatabaseTest {};

TEST_P(PositionTest, MovesWithEveryCommit) {
  const Statement asking = dialect().commit_position();
  if (asking.text.empty()) GTEST_SKIP() << "no positions";
  const auto position = [&] { return std::string(must(asking.text).cell(0, 0).text()); };
  must("CREATE TABLE notes (id INTEGER)");
  const std::string before = position();
  if (before.empty()) GTEST_SKIP() << "no binary log";
  EXPECT_TRUE(dialect().covers(before, before)) << before;
  must("INSERT INTO notes VALUES (1)");
  const std::string after = position();
  EXPECT_TRUE(dialect().covers(after, before)) << before << " " << after;
  EXPECT_FALSE(dialect().covers(before, after)) << before << " " << after;
}
HALCYON_INSTANTIATE_DIALECTS(PositionTest);

}  // namespace
}  // namespace halcyon::sql
