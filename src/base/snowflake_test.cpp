#include "base/snowflake.h"

#include <gtest/gtest.h>

#include <set>

namespace halcyon {
namespace {

TEST(Snowflake, StaysUniqueAndOrderedWhenTheClockJumps) {
  int64_t now = 1'780'000'000'000;
  Snowflake ids(7, [&] { return now += 3; });
  std::set<int64_t> seen;
  int64_t last = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (i % 500 == 0) now += i % 1000 == 0 ? -3'600'000 : 3'600'000;
    if (i % 1500 == 0) now += 10'000'000;  // else it would wait an hour for the clock to come back
    const int64_t id = ids.next();
    ASSERT_GT(id, last);
    last = id;
    seen.insert(id);
  }
  EXPECT_EQ(seen.size(), 20'000u);
  EXPECT_LT(last, int64_t{1} << 53);
}

TEST(Snowflake, WorkersNeverMeetAndARestartDoesNotRepeat) {
  const auto frozen = [] { return int64_t{1'780'000'000'000}; };
  std::set<int64_t> seen;
  for (int64_t worker : {0, 1, 1023}) {
    Snowflake ids(worker, frozen);
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(seen.insert(ids.next()).second);
  }
  EXPECT_THROW(Snowflake(1024), std::invalid_argument);
}

TEST(Snowflake, SortsAfterIdsMadeByNocoBase) {
  constexpr int64_t second = 1'780'000'000;
  const int64_t theirs = ((second - Snowflake::kEpochSeconds) << 21) | (31 << 16) | 65535;
  Snowflake ids(0, [] { return second * 1000; });
  EXPECT_GT(ids.next(), theirs);
}

}  // namespace
}  // namespace halcyon
