#include "base/snowflake.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>

namespace halcyon {
namespace {

using Workers = std::vector<Snowflake::Worker>;

TEST(Snowflake, P8StaysUniqueAndOrderedWhenTheClockJumps) {
  int64_t now = 1'780'000'000'000;
  Snowflake ids(7, [&] { return now += 1; });
  int64_t last = 0;
  for (int i = 0; i < 50'000; ++i) {
    if (i % 500 == 0) now += i % 1000 == 0 ? -3'600'000 : 1'800'000;
    const int64_t id = ids.next();
    ASSERT_GT(id, last);
    last = id;
  }
  EXPECT_LT(last, int64_t{1} << 53);
}

TEST(Snowflake, AClockSetBackDoesNotStopIt) {
  int64_t now = 1'780'000'000'000;
  Snowflake ids(1, [&] { return now; });
  ids.next();
  now -= 3'600'000;
  const auto started = std::chrono::steady_clock::now();
  for (int i = 0; i < 20'000; ++i) {
    now += 1;  // 1000 ids a second: within the budget, so nothing waits
    ids.next();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(5));
}

TEST(Snowflake, P8WorkersNeverMeetAndARestartDoesNotRepeat) {
  const auto frozen = [] { return int64_t{1'780'000'000'000}; };
  std::set<int64_t> seen;
  for (int64_t worker : {0, 1, 1023}) {
    Snowflake ids(worker, frozen);
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(seen.insert(ids.next()).second);
  }
  const int64_t highest = *seen.rbegin();
  Snowflake again({1023}, highest, [] { return int64_t{1'779'000'000'000}; });
  for (int i = 0; i < 2000; ++i) ASSERT_GT(again.next(), highest);
}

TEST(Snowflake, MoreWorkerIdsGiveMoreIdsASecond) {
  const auto frozen = [] { return int64_t{1'780'000'000'000}; };
  Snowflake ids({900, 3, 4, 17}, 0, frozen);
  int64_t last = 0;
  std::set<int64_t> seconds;
  for (int i = 0; i < 4 * 2048; ++i) {
    const int64_t id = ids.next();
    ASSERT_GT(id, last);
    last = id;
    seconds.insert(id >> 21);
  }
  EXPECT_EQ(seconds.size(), 1u);
}

TEST(Snowflake, RefusesWorkersThatCannotBe) {
  EXPECT_THROW(Snowflake(1024), std::invalid_argument);
  EXPECT_THROW(Snowflake(-1), std::invalid_argument);
  const std::vector<int64_t> none, twice = {1, 1};
  EXPECT_THROW(Snowflake(none, 0), std::invalid_argument);
  EXPECT_THROW(Snowflake(twice, 0), std::invalid_argument);
}

TEST(Snowflake, SortsAfterIdsMadeByNocoBase) {
  const int64_t second = 1'780'000'000;
  const int64_t theirs = ((second - Snowflake::kEpochSeconds) << 21) | (31 << 16) | 65535;
  Snowflake ids(0, [] { return second * 1000; });
  EXPECT_GT(ids.next(), theirs);
}

TEST(Snowflake, LastsForAHundredYears) {
  const int64_t year_2150 = 5'680'281'600'000;
  Snowflake ids(1023, [] { return year_2150; });
  EXPECT_LT(ids.next(), int64_t{1} << 53);
}

TEST(Snowflake, P8LeasedWorkersAreUsedWithinTheirSecondsOnly) {
  constexpr int64_t kNow = 1'780'000'000;
  constexpr int64_t kSecond = kNow - Snowflake::kEpochSeconds;
  int64_t now = kNow * 1000;
  const auto workers_of = [](Snowflake& ids) {
    std::set<int64_t> workers;
    int64_t id = 0;
    while (ids.try_next(id) == Snowflake::Outcome::kMade) workers.insert(id >> 11 & 1023);
    return workers;
  };
  Snowflake ids(Workers{{5, 0}, {6, kSecond + 2}}, kSecond + 1, [&] { return now; });
  EXPECT_EQ(workers_of(ids), std::set<int64_t>{5});
  int64_t id = 0;
  EXPECT_EQ(ids.try_next(id), Snowflake::Outcome::kExpired);  // two seconds ahead, not reserved
  ids.extend(kSecond + 10);
  EXPECT_EQ(workers_of(ids), (std::set<int64_t>{5, 6}));
  EXPECT_EQ(ids.try_next(id), Snowflake::Outcome::kTooFast);
  now += 20'000;
  EXPECT_EQ(ids.try_next(id), Snowflake::Outcome::kExpired);
  ids.extend(kSecond + 100);
  ids.assign({{7, 0}});
  EXPECT_EQ(workers_of(ids), std::set<int64_t>{7});
  ids.assign({});
  EXPECT_EQ(ids.try_next(id), Snowflake::Outcome::kExpired);
}

TEST(Snowflake, P8WorkersWhoseSecondsAreAllAheadAreWaitedForByNobody) {
  constexpr int64_t kSecond = 1'780'000'000 - Snowflake::kEpochSeconds;
  Snowflake ids(Workers{{5, kSecond + 500}}, Snowflake::kForEver, [] { return 1'780'000'000'000; });
  int64_t id = 0;
  ASSERT_EQ(ids.try_next(id), Snowflake::Outcome::kMade);
  EXPECT_EQ(id >> 21, kSecond + 500);
}

TEST(Snowflake, ThreadsShareOneGenerator) {
  Snowflake ids({1, 2, 3, 4, 5, 6, 7, 8}, 0);
  std::vector<std::vector<int64_t>> made(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : made) {
      threads.emplace_back([&ids, &mine] {
        for (int i = 0; i < 3000; ++i) mine.push_back(ids.next());
      });
    }
  }
  std::set<int64_t> all;
  for (const auto& mine : made) {
    EXPECT_TRUE(std::ranges::is_sorted(mine));
    all.insert(mine.begin(), mine.end());
  }
  EXPECT_EQ(all.size(), 12'000u);
}

}  // namespace
}  // namespace halcyon
