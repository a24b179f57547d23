// The job queue through Cluster: order, delays, unique keys, retries, dead letters, the end.
#include <algorithm>
#include <mutex>

#include "cluster/jobs.h"
#include "cluster/test_support.h"

namespace halcyon::cluster {
namespace {

using std::chrono::milliseconds;

NewJob job_of(std::string topic, json::Value payload = nullptr) {
  NewJob job;
  job.topic = std::move(topic);
  job.payload = std::move(payload);
  return job;
}

// What handlers saw, from any thread.
class Seen {
 public:
  void add(int64_t what) {
    std::lock_guard lock(mutex_);
    list_.push_back(what);
  }
  std::vector<int64_t> list() const {
    std::lock_guard lock(mutex_);
    return list_;
  }
  size_t size() const { return list().size(); }

 private:
  mutable std::mutex mutex_;
  std::vector<int64_t> list_;
};

JobOptions quick() {
  JobOptions options;
  options.lease = milliseconds(5'000);
  options.first_backoff = milliseconds(40);
  options.longest_backoff = milliseconds(2'000);
  return options;
}

class JobsTest : public testing::ClusterTest {
 protected:
  static Options quick_options() {
    Options o = options();
    o.poll_interval = milliseconds(20);
    return o;
  }
  std::vector<int64_t> enqueue(testing::Replica& replica, std::vector<NewJob> jobs) {
    Within time(std::chrono::seconds(30));
    auto ids = await(replica->jobs().enqueue(time, std::move(jobs)));
    EXPECT_TRUE(ids) << ids.error().id << ids.error().internal;
    return ids.value_or(std::vector<int64_t>{});
  }
  int64_t enqueue(testing::Replica& replica, NewJob job) {
    auto ids = enqueue(replica, std::vector<NewJob>{std::move(job)});
    return ids.empty() ? 0 : ids.front();
  }
  std::vector<JobInfo> list(testing::Replica& replica, JobFilter filter = {}) {
    Within time(std::chrono::seconds(30));
    auto jobs = await(replica->jobs().list(time, std::move(filter)));
    EXPECT_TRUE(jobs);
    return jobs.value_or(std::vector<JobInfo>{});
  }
  bool is_empty() { return count("SELECT count(*) FROM halcyon_jobs") == 0; }
};

TEST_P(JobsTest, RunWhenTheTransactionThatMadeThemCommits) {
  auto one = joined(quick_options());
  Seen seen;
  std::atomic<int> attempts{0};
  one->cluster->jobs().handle("note", quick(), [&](JobRun& run) -> Task<Status> {
    attempts += run.attempt();
    seen.add(run.payload().as_int64());
    co_return Status{};
  });
  start(*one);
  auto enqueue_in = [&](int64_t payload, bool commit) {
    return await(
        one->db->in_transaction(ctx(), [&, payload, commit](sql::Transaction& tx) -> Task<Status> {
          CO_TRY_STATUS(co_await one->cluster->jobs().enqueue(ctx(), tx, job_of("note", payload)));
          if (!commit) co_return fail(Code::kConflict, "CHANGED_MY_MIND", "");
          co_return Status{};
        }));
  };
  EXPECT_FALSE(enqueue_in(1, false));
  EXPECT_TRUE(enqueue_in(2, true));
  EXPECT_TRUE(eventually([&] { return seen.size() == 1 && is_empty(); }));
  EXPECT_EQ(seen.list(), std::vector<int64_t>{2});
  EXPECT_EQ(attempts, 1);
}

TEST_P(JobsTest, TakeHigherPrioritiesFirstThenTheOldest) {
  auto one = joined(quick_options());
  Seen seen;
  JobOptions options = quick();
  options.concurrency = 1;
  one->cluster->jobs().handle("ranked", options, [&](JobRun& run) -> Task<Status> {
    seen.add(run.payload().as_int64());
    co_return Status{};
  });
  std::vector<NewJob> jobs;
  for (int i = 0; i < 60; ++i) {
    NewJob job = job_of("ranked", i);
    job.priority = i % 3 - 1;
    jobs.push_back(job);
  }
  enqueue(*one, jobs);
  start(*one);
  ASSERT_TRUE(eventually([&] { return seen.size() == 60; }));
  std::vector<int64_t> expected;
  for (int rest : {2, 1, 0}) {
    for (int i = rest; i < 60; i += 3) expected.push_back(i);
  }
  EXPECT_EQ(seen.list(), expected);
}

TEST_P(JobsTest, DelayedOnesWaitForTheirTime) {
  auto one = joined(quick_options());
  Seen late;
  const auto database_now = [](sql::Database& db, const Context& context) -> Task<Result<int64_t>> {
    sql::Select select;
    select.columns = {{now_ms(), "now"}};
    CO_TRY(sql::Rows rows, co_await db.run(context, render(select, db.dialect())));
    co_return to_number(rows.cell(0, 0));
  };
  one->cluster->jobs().handle("later", quick(), [&](JobRun& run) -> Task<Status> {
    CO_TRY(int64_t now, co_await database_now(*one->db, run.ctx()));
    late.add(now - run.payload().as_int64());
    co_return Status{};
  });
  start(*one);
  auto now = await(database_now(*one->db, ctx()));
  ASSERT_TRUE(now);
  NewJob delayed = job_of("later", *now + 250);
  delayed.delay = milliseconds(250);
  NewJob at = job_of("later", *now + 400);
  at.run_at_ms = *now + 400;
  NewJob past = job_of("later", *now - 5000);
  past.run_at_ms = *now - 5000;
  enqueue(*one, {delayed, at, past});
  ASSERT_TRUE(eventually([&] { return late.size() == 3 && is_empty(); }));
  for (int64_t by : late.list()) EXPECT_GE(by, 0);
}

TEST_P(JobsTest, KeysAreUniqueAmongTheLivingUnderConcurrency) {
  std::vector<std::unique_ptr<testing::Replica>> replicas;
  for (int i = 0; i < 3; ++i) replicas.push_back(joined(quick_options()));
  NewJob keyed = job_of("keyed", 1);
  keyed.unique_key = "only one";
  std::vector<std::future<int64_t>> made;
  for (int i = 0; i < 24; ++i) {
    made.push_back(
        std::async(std::launch::async, [&, i] { return enqueue(*replicas[i % 3], keyed); }));
  }
  std::set<int64_t> ids;
  for (auto& id : made) ids.insert(id.get());
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_jobs"), 1);
  NewJob other_case = keyed, other_topic = keyed;
  other_case.unique_key = "Only One";
  other_topic.topic = "other";
  auto three = enqueue(*replicas[0], {other_case, keyed, other_topic});
  ASSERT_EQ(three.size(), 3u);
  EXPECT_EQ(three[1], *ids.begin());
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_jobs"), 3);
}

TEST_P(JobsTest, KeyIsFreeAgainWhenItsJobHasEndedOrIsDead) {
  auto one = joined(quick_options());
  std::atomic<bool> works{true};
  std::atomic<int> runs{0};
  one->cluster->jobs().handle("keyed", quick(), [&](JobRun&) -> Task<Status> {
    ++runs;
    if (works) co_return Status{};
    co_return fail(Code::kInternal, "NO_LUCK", "Not today.");
  });
  start(*one);
  NewJob keyed = job_of("keyed");
  keyed.unique_key = "k";
  keyed.max_attempts = 1;
  const int64_t first = enqueue(*one, keyed);
  ASSERT_TRUE(eventually([&] { return is_empty(); }));
  works = false;
  const int64_t second = enqueue(*one, keyed);
  EXPECT_NE(first, second);
  JobFilter dead;
  dead.state = JobState::kDead;
  ASSERT_TRUE(eventually([&] { return list(*one, dead).size() == 1; }));
  works = true;
  NewJob waits = keyed;
  waits.delay = milliseconds(60'000);
  const int64_t third = enqueue(*one, waits);
  EXPECT_NE(second, third);
  // The dead one may not live again beside it.
  Status again = await(one->cluster->jobs().retry(ctx(), second));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().id, "JOB_EXISTS");
  EXPECT_TRUE(await(one->cluster->jobs().cancel(ctx(), third)));
  EXPECT_TRUE(await(one->cluster->jobs().retry(ctx(), second)));
  EXPECT_TRUE(eventually([&] { return is_empty(); }));
  EXPECT_EQ(runs, 3);
}

TEST_P(JobsTest, FailedOnesComeAgainLaterAndLaterAndThenAreDeadUntilRetried) {
  auto one = joined(quick_options());
  std::mutex mutex;
  std::vector<runtime::Clock::time_point> times;
  std::atomic<bool> works{false};
  one->cluster->jobs().handle("flaky", quick(), [&](JobRun& run) -> Task<Status> {
    {
      std::lock_guard lock(mutex);
      EXPECT_EQ(run.attempt(), works ? 1 : static_cast<int>(times.size()) + 1);
      times.push_back(runtime::Clock::now());
    }
    if (works) co_return Status{};
    if (run.attempt() % 2 == 0) throw std::runtime_error("thrown on purpose");
    co_return fail(Error(Code::kInternal, "NO_LUCK", "Not today.").with_internal("moon"));
  });
  start(*one);
  NewJob job = job_of("flaky", "payload");
  job.max_attempts = 5;
  const int64_t id = enqueue(*one, job);
  JobFilter dead;
  dead.state = JobState::kDead;
  ASSERT_TRUE(eventually([&] { return list(*one, dead).size() == 1; }));
  ASSERT_EQ(times.size(), 5u);
  for (size_t i = 1; i < times.size(); ++i) {
    // 40 ms, doubled each time, less a quarter
    EXPECT_GE(times[i] - times[i - 1], milliseconds(30) * (1 << (i - 1)));
  }
  JobInfo info = list(*one, dead).front();
  EXPECT_EQ(info.id, id);
  EXPECT_EQ(info.attempts, 5);
  EXPECT_EQ(info.payload, json::Value("payload"));
  EXPECT_EQ(info.error, "NO_LUCK: moon");
  works = true;
  EXPECT_TRUE(await(one->cluster->jobs().retry(ctx(), id)));
  EXPECT_TRUE(eventually([&] { return is_empty(); }));
  Status gone = await(one->cluster->jobs().retry(ctx(), id));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().id, "JOB_NOT_FOUND");
  EXPECT_EQ(await(one->cluster->jobs().cancel(ctx(), id)).error().id, "JOB_NOT_FOUND");
}

TEST_P(JobsTest, WhatIsNoJobIsRefused) {
  auto one = joined(quick_options());
  for (std::string topic : {std::string(), std::string("~running"), std::string(129, 'x')}) {
    auto ids = await(one->cluster->jobs().enqueue(ctx(), std::vector<NewJob>{job_of(topic)}));
    ASSERT_FALSE(ids);
    EXPECT_EQ(ids.error().id, "INVALID_JOB");
  }
  NewJob keyed = job_of("keyed");
  keyed.unique_key = std::string(256, 'k');
  EXPECT_FALSE(await(one->cluster->jobs().enqueue(ctx(), std::vector<NewJob>{keyed})));
  EXPECT_TRUE(is_empty());
}

TEST_P(JobsTest, OnlyTopicsThatTheProcessServesAreWorkedOn) {
  Options o = quick_options();
  o.serves_topic = [](std::string_view topic) { return topic != "elsewhere"; };
  auto one = joined(o), other = joined(quick_options());
  Seen here, there;
  for (const char* topic : {"here", "elsewhere"}) {
    one->cluster->jobs().handle(topic, quick(), [&](JobRun& run) -> Task<Status> {
      here.add(run.payload().as_int64());
      co_return Status{};
    });
  }
  other->cluster->jobs().handle("elsewhere", quick(), [&](JobRun& run) -> Task<Status> {
    there.add(run.payload().as_int64());
    co_return Status{};
  });
  start(*one);
  enqueue(*one, {job_of("elsewhere", 1), job_of("here", 2)});
  ASSERT_TRUE(eventually([&] { return here.size() == 1; }));
  start(*other);
  EXPECT_TRUE(eventually([&] { return there.size() == 1 && is_empty(); }));
  EXPECT_EQ(here.list(), std::vector<int64_t>{2});
}

TEST_P(JobsTest, LeavingWaitsForRunningJobsAndGivesTheOthersBack) {
  auto one = joined(quick_options());
  JobOptions options = quick();
  options.concurrency = 1;
  std::atomic<int> begun{0};
  std::atomic<bool> go{true};
  one->cluster->jobs().handle("slow", options, [&](JobRun& run) -> Task<Status> {
    ++begun;
    // Quick ones first, so that many are claimed ahead.
    while (run.payload().as_int64() >= 20 && !go) co_await runtime::sleep_for(milliseconds(10));
    co_return Status{};
  });
  go = false;
  std::vector<NewJob> jobs;
  for (int i = 0; i < 200; ++i) jobs.push_back(job_of("slow", i));
  enqueue(*one, jobs);
  start(*one);
  ASSERT_TRUE(eventually([&] { return begun == 21; }));
  ASSERT_TRUE(eventually([&] { return count("SELECT count(*) FROM halcyon_jobs") <= 180; }));
  auto left = std::async(std::launch::async, [&] { one->leave(); });
  ASSERT_TRUE(eventually(
      [&] { return count("SELECT count(*) FROM halcyon_jobs WHERE lane = '~running'") == 1; }));
  go = true;
  left.get();
  EXPECT_EQ(begun, 21);
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_jobs"), 179);
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_jobs WHERE lane = 'slow' AND attempts = 0"), 179);
}

TEST_P(JobsTest, DrainingMembersClaimNothing) {
  auto one = joined(quick_options());
  Seen seen;
  one->cluster->jobs().handle("work", quick(), [&](JobRun& run) -> Task<Status> {
    seen.add(run.payload().as_int64());
    co_return Status{};
  });
  start(*one);
  std::atomic<bool> draining{false};
  one->cluster->on_drain_request([&](bool drain) { draining = drain; });
  const std::string member = one->cluster->lease().holder();
  EXPECT_TRUE(await(one->cluster->request_drain(ctx(), member, true)));
  ASSERT_TRUE(eventually([&] { return draining.load(); }));
  enqueue(*one, job_of("work", 1));
  auto busy = joined(quick_options());  // the job is for anybody
  EXPECT_EQ(seen.size(), 0u);
  EXPECT_TRUE(await(one->cluster->request_drain(ctx(), member, false)));
  EXPECT_TRUE(eventually([&] { return seen.size() == 1; }));
}

TEST_P(JobsTest, MetricsTellWhatIsThereAndWhatWasDone) {
  runtime::Metrics metrics;
  Options o = quick_options();
  o.metrics = &metrics;
  auto one = joined(o);
  one->cluster->jobs().handle("work", quick(), [](JobRun&) -> Task<Status> { co_return Status{}; });
  NewJob waiting = job_of("idle");
  enqueue(*one, {job_of("work"), job_of("work"), waiting, waiting, waiting});
  start(*one);
  const auto shows = [&](const char* line) { return metrics.render().contains(line); };
  EXPECT_TRUE(eventually(
      [&] { return shows("halcyon_job_attempts_total{result=\"done\",topic=\"work\"} 2"); }));
  EXPECT_TRUE(
      eventually([&] { return shows("halcyon_jobs{state=\"waiting\",topic=\"idle\"} 3"); }));
  EXPECT_TRUE(shows("halcyon_job_seconds_count{topic=\"work\"} 2"));
  EXPECT_TRUE(shows("halcyon_schedules_overdue 0"));
  auto stats = await(one->cluster->jobs().stats(ctx()));
  ASSERT_TRUE(stats);
  EXPECT_EQ((*stats)["idle"].waiting, 3);
  EXPECT_GE((*stats)["idle"].oldest_ms, 0);
}

HALCYON_INSTANTIATE_DIALECTS(JobsTest);

}  // namespace
}  // namespace halcyon::cluster
