// Promise P6: each fire time of a schedule makes exactly one job in the whole cluster, and fires
// missed while everything was down are handled by the schedule's policy.
#include "cluster/schedules.h"

#include <algorithm>
#include <mutex>
#include <random>

#include "cluster/schedules_store.h"
#include "cluster/test_support.h"

namespace halcyon::cluster {
namespace {

using std::chrono::milliseconds;

class SchedulesTest : public testing::ClusterTest {
 protected:
  static Options quick_options() {
    Options o = options();
    o.poll_interval = milliseconds(50);
    return o;
  }
  static Schedule tick(std::string cron = "* * * * * *") {
    Schedule schedule;
    schedule.name = "tick";
    schedule.cron = std::move(cron);
    schedule.topic = "tick";
    schedule.payload = json::Object{{"a", 1}};
    return schedule;
  }
  void put(testing::Replica& replica, Schedule schedule) {
    Status status = await(replica->schedules().put(ctx(), std::move(schedule)));
    ASSERT_TRUE(status) << status.error().id << " " << status.error().internal;
  }
  ScheduleInfo only(testing::Replica& replica) {
    auto all = await(replica->schedules().list(ctx()));
    EXPECT_TRUE(all);
    EXPECT_EQ(all->size(), 1u);
    return all->empty() ? ScheduleInfo{} : all->front();
  }
  int64_t database_now() {
    sql::Select select;
    select.columns = {{now_ms(), "now"}};
    auto rows = await(db().run(ctx(), render(select, dialect())));
    EXPECT_TRUE(rows);
    return rows ? to_number(rows->cell(0, 0)) : 0;
  }
  // As if nobody had run since then.
  void set_due(int64_t at) { must("UPDATE halcyon_schedules SET due_at = ?", {sql::Value(at)}); }
  // Fire times of the jobs that wait, in order.
  std::vector<int64_t> fired(testing::Replica& replica) {
    JobFilter filter;
    filter.limit = 5000;
    auto jobs = await(replica->jobs().list(ctx(), filter));
    EXPECT_TRUE(jobs);
    std::vector<int64_t> times;
    for (const JobInfo& job : *jobs)
      times.push_back(json::get_int(job.payload.as_object(), "fireAt"));
    std::ranges::sort(times);
    return times;
  }
};

TEST_P(SchedulesTest, P6EachFireTimeMakesOneJobWhoeverDies) {
  constexpr int kReplicas = 4;
  std::mutex mutex;
  std::map<int64_t, int> times;
  const auto begin = [&] {
    auto replica = joined(quick_options());
    JobOptions jobs;
    jobs.lease = milliseconds(500);
    replica->cluster->jobs().handle("tick", jobs, [&](JobRun& run) -> Task<Status> {
      std::lock_guard lock(mutex);
      if (run.attempt() == 1) ++times[json::get_int(run.payload().as_object(), "fireAt")];
      co_return Status{};
    });
    start(*replica);
    return replica;
  };
  std::vector<std::unique_ptr<testing::Replica>> replicas;
  for (int i = 0; i < kReplicas; ++i) replicas.push_back(begin());
  put(*replicas[0], tick());
  const auto fires = [&] {
    std::lock_guard lock(mutex);
    return times.size();
  };
  for (size_t i = 0; i < kReplicas - 1; ++i) {
    ASSERT_TRUE(eventually([&] { return fires() >= i + 2; }));
    replicas[i]->kill();
  }
  ASSERT_TRUE(eventually([&] { return fires() >= 6; }));
  std::lock_guard lock(mutex);
  int64_t last = times.begin()->first - 1000;
  for (const auto& [at, jobs] : times) {
    EXPECT_EQ(at, last + 1000);  // no second is left out,
    EXPECT_EQ(jobs, 1);          // and none comes twice
    last = at;
  }
}

TEST_P(SchedulesTest, P6MissedTimesAreHandledByThePolicy) {
  // Hours ago, so that no time is recent; the next one is far away.
  const std::string hourly = "0 0 * * * *";
  auto one = joined(quick_options());
  const int64_t hour = 3'600'000, now = database_now();
  if (now % hour > hour - 60'000 || now % hour < 60'000) GTEST_SKIP() << "too near to the hour";
  const int64_t last = now - now % hour, first = last - 4 * hour;
  bool started_it = false;
  const auto after_gap = [&](Missed missed) {
    must("DELETE FROM halcyon_jobs");
    Schedule schedule = tick(hourly);
    schedule.missed = missed;
    put(*one, schedule);
    set_due(first);
    if (!std::exchange(started_it, true)) start(*one);
    EXPECT_TRUE(eventually([&] { return only(*one).next_ms == last + hour; }));
    return fired(*one);
  };
  EXPECT_EQ(after_gap(Missed::kSkip), std::vector<int64_t>{});
  EXPECT_EQ(after_gap(Missed::kOnce), std::vector<int64_t>{last});
  EXPECT_EQ(only(*one).last_ms, last);
  EXPECT_EQ(after_gap(Missed::kAll),
            (std::vector<int64_t>{first, first + hour, first + 2 * hour, first + 3 * hour, last}));
}

TEST_P(SchedulesTest, MissedTimesAreAtMostAThousandJobs) {
  auto one = joined(quick_options());
  Schedule schedule = tick("* * * * *");
  schedule.missed = Missed::kAll;
  put(*one, schedule);
  const int64_t now = database_now();
  set_due(now - now % kMinuteMs - 7 * kDayMs);
  start(*one);
  ASSERT_TRUE(eventually([&] { return only(*one).next_ms > now; }));
  const auto times = fired(*one);
  EXPECT_GE(times.size(), kMostMissed);
  EXPECT_LE(times.size(), kMostMissed + 2);  // those of the last seconds were not missed
  EXPECT_GE(times.back(), now - kMinuteMs);
  EXPECT_GE(times.front(), now - 1002 * kMinuteMs);
}

TEST_P(SchedulesTest, UnchangedOnesKeepTheirNextTime) {
  auto one = joined(quick_options());
  put(*one, tick("0 0 1 1 *"));
  const int64_t first = only(*one).next_ms;
  EXPECT_GT(first, database_now());
  set_due(first - kMinuteMs);
  Schedule same = tick("0 0 1 1 *");
  same.payload = "changed";
  put(*one, same);
  EXPECT_EQ(only(*one).next_ms, first - kMinuteMs);
  EXPECT_EQ(only(*one).schedule.payload, json::Value("changed"));
  same.zone = "+08:00";
  put(*one, same);
  EXPECT_EQ(only(*one).next_ms, first - 8 * kHourMs);
  same.enabled = false;
  put(*one, same);
  EXPECT_EQ(only(*one).next_ms, 0);
  same.enabled = true;
  same.until_ms = first - 9 * kHourMs;
  put(*one, same);
  EXPECT_EQ(only(*one).next_ms, 0);
  EXPECT_TRUE(await(one->cluster->schedules().remove(ctx(), "tick")));
  EXPECT_TRUE(await(one->cluster->schedules().remove(ctx(), "tick")));
  EXPECT_TRUE(await(one->cluster->schedules().list(ctx()))->empty());
}

TEST_P(SchedulesTest, ManyMayPutTheSameOneAtOnce) {
  std::vector<std::unique_ptr<testing::Replica>> replicas;
  for (int i = 0; i < 3; ++i) replicas.push_back(joined(quick_options()));
  std::vector<std::future<Status>> puts;
  for (int i = 0; i < 12; ++i) {
    puts.push_back(std::async(std::launch::async, [&, i] {
      Within time(std::chrono::seconds(20));
      return await(
          replicas[static_cast<size_t>(i) % 3]->cluster->schedules().put(time, tick("@daily")));
    }));
  }
  for (auto& done : puts) EXPECT_TRUE(done.get());
  EXPECT_GT(only(*replicas[0]).next_ms, 0);
}

TEST_P(SchedulesTest, WhatIsNoScheduleIsRefused) {
  auto one = joined(quick_options());
  const auto refused = [&](auto change) {
    Schedule schedule = tick();
    change(schedule);
    Status status = await(one->cluster->schedules().put(ctx(), schedule));
    return status ? std::string("taken") : status.error().id;
  };
  EXPECT_EQ(refused([](Schedule& s) { s.cron = "61 * * * *"; }), "INVALID_CRON");
  EXPECT_EQ(refused([](Schedule& s) { s.zone = "Mars/Olympus"; }), "INVALID_TIME_ZONE");
  EXPECT_EQ(refused([](Schedule& s) { s.topic = ""; }), "INVALID_JOB");
  EXPECT_EQ(refused([](Schedule& s) { s.name = ""; }), "INVALID_SCHEDULE");
  EXPECT_TRUE(await(one->cluster->schedules().list(ctx()))->empty());
}

HALCYON_INSTANTIATE_DIALECTS(SchedulesTest);

TEST(FireTimes, GoByTheZoneOverChangesOfTheClocks) {
  // Berlin: 02:30 does not exist on 29 March 2026, so it fires at the change, 03:00.
  auto cron = expr::Cron::parse("30 2 * * *");
  auto zone = TimeZone::find("Europe/Berlin");
  ASSERT_TRUE(cron && zone);
  const auto at = [](int day, int hour, int minute) {
    return to_ms({2026, 3, day, hour, minute, 0, 0});
  };
  EXPECT_EQ(fire_times(*cron, *zone, at(28, 0, 0), at(30, 12, 0), 10),
            (std::vector<int64_t>{at(28, 1, 30), at(29, 1, 0), at(30, 0, 30)}));
}

TEST(FireTimes, AreTheLatestOfAllHoweverLongTheGap) {
  std::minstd_rand random(7);
  const char* crons[] = {"* * * * * *", "*/7 * * * *", "0 3 * * *", "* * 3 * * *",
                         "0 0 1 * *",   "0 0 29 2 *",  "@hourly"};
  for (int i = 0; i < 60; ++i) {
    auto cron = expr::Cron::parse(crons[random() % std::size(crons)]);
    ASSERT_TRUE(cron);
    const int64_t upto =
        to_ms({2026, 3, 29, 0, 0, 0, 0}) + static_cast<int64_t>(random() % 90'000'000);
    const int64_t after = upto - static_cast<int64_t>(random() % 30'000) * 1000;
    const size_t limit = 1 + random() % 50;
    std::vector<int64_t> all;
    for (auto t = cron->next(after, {}); t && *t <= upto; t = cron->next(*t, {})) all.push_back(*t);
    if (all.size() > limit) all.erase(all.begin(), all.end() - static_cast<ptrdiff_t>(limit));
    EXPECT_EQ(fire_times(*cron, {}, after, upto, limit), all);
  }
}

}  // namespace
}  // namespace halcyon::cluster
