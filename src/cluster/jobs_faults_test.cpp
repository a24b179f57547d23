// Promise P6: a job runs at least once, its effects in the database exactly once; a dead worker's
// jobs are taken over when their leases end.
#include <algorithm>
#include <mutex>
#include <random>

#include "cluster/jobs_internal.h"
#include "cluster/test_support.h"

namespace halcyon::cluster {
namespace {

using std::chrono::milliseconds;

class JobsFaultsTest : public testing::ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    if (database_) must("CREATE TABLE effects (job BIGINT NOT NULL, worker BIGINT NOT NULL)");
  }
  static Options quick_options() {
    Options o = options();
    o.poll_interval = milliseconds(20);
    return o;
  }
  static JobOptions with_lease(milliseconds lease, int concurrency = 4) {
    JobOptions options;
    options.lease = lease;
    options.concurrency = concurrency;
    options.first_backoff = milliseconds(20);
    return options;
  }
  Task<Status> effect(sql::Transaction& tx, const Context& context, int64_t job, int64_t worker) {
    CO_TRY_STATUS(co_await tx.run(
        context, sql::testing::statement(tx.dialect(), "INSERT INTO effects VALUES (?, ?)",
                                         {sql::Value(job), sql::Value(worker)})));
    co_return Status{};
  }
  std::vector<int64_t> enqueue(Jobs& jobs, const std::string& topic, int64_t first,
                               int64_t jobs_count) {
    std::vector<NewJob> list;
    for (int64_t i = 0; i < jobs_count; ++i) {
      NewJob job;
      job.topic = topic;
      job.payload = first + i;
      job.max_attempts = 1000;
      list.push_back(job);
    }
    Within time(std::chrono::seconds(60));
    auto ids = await(jobs.enqueue(time, list));
    EXPECT_TRUE(ids) << ids.error().id << ids.error().internal;
    return ids.value_or(std::vector<int64_t>{});
  }
  int64_t jobs_left() { return count("SELECT count(*) FROM halcyon_jobs"); }
};

// A process that is killed while its handlers are anywhere.
struct Victim {
  std::unique_ptr<testing::Replica> replica;
  runtime::Clock::time_point dies_at;
};

TEST_P(JobsFaultsTest, P6EffectsHappenOnceHoweverManyWorkersDie) {
  constexpr int kDeaths = 12;
  constexpr int64_t kWave = 150;
  std::mutex mutex;
  std::map<int64_t, int> runs;  // of the plain ones
  std::atomic<int64_t> workers{0};
  std::minstd_rand random(std::random_device{}());
  const auto begin = [&](milliseconds life) {
    Victim victim{joined(quick_options()), runtime::Clock::now() + life};
    const int64_t worker = ++workers;
    sql::Database* db = victim.replica->db;
    Jobs& jobs = victim.replica->cluster->jobs();
    jobs.handle("exact", with_lease(milliseconds(300), 8),
                [this, worker](JobRun& run) -> Task<Status> {
                  const int64_t job = run.payload().as_int64();
                  if (job % 5 == 0) co_await runtime::sleep_for(milliseconds(job % 37));
                  if (job % 11 == run.attempt())
                    co_return fail(Code::kUnavailable, "TRY_AGAIN", "Later.");
                  co_return co_await run.finish([&](sql::Transaction& tx) -> Task<Status> {
                    co_return co_await effect(tx, run.ctx(), job, worker);
                  });
                });
    jobs.handle("plain", with_lease(milliseconds(300), 8), [&, db](JobRun& run) -> Task<Status> {
      (void)co_await db->ping(run.ctx());
      std::lock_guard lock(mutex);
      ++runs[run.payload().as_int64()];
      co_return Status{};
    });
    start(*victim.replica);
    return victim;
  };
  auto maker = joined(quick_options());
  std::uniform_int_distribution<int> life(60, 500);
  std::vector<Victim> victims;
  int killed = 0;
  int64_t made = 0;
  auto more_at = runtime::Clock::now();
  const auto end = more_at + std::chrono::seconds(90);
  const auto goes_on = [&] { return killed < kDeaths || jobs_left() > 0; };
  while (goes_on() && runtime::Clock::now() < end) {
    if (killed < kDeaths && runtime::Clock::now() >= more_at) {
      enqueue(maker->cluster->jobs(), "exact", made, kWave);
      enqueue(maker->cluster->jobs(), "plain", made, kWave);
      made += kWave;
      more_at = runtime::Clock::now() + milliseconds(150);
    }
    std::erase_if(victims, [&](Victim& victim) {
      const bool dies = runtime::Clock::now() >= victim.dies_at;
      if (dies) victim.replica->kill();
      killed += dies ? 1 : 0;
      return dies;
    });
    // After so many deaths they may live, so that the test ends.
    while (victims.size() < 3) {
      victims.push_back(begin(milliseconds(killed < kDeaths ? life(random) : 100'000)));
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_EQ(jobs_left(), 0);
  EXPECT_EQ(count("SELECT count(*) FROM effects"), made);
  EXPECT_EQ(count("SELECT count(DISTINCT job) FROM effects"), made);
  EXPECT_EQ(runs.size(), static_cast<size_t>(made));
}

TEST_P(JobsFaultsTest, P6TheJobsOfADeadWorkerAreTakenOverWithinALease) {
  constexpr milliseconds kLease(400);
  auto first = joined(quick_options()), second = joined(quick_options());
  std::atomic<bool> begun{false};
  std::atomic<int> attempt{0};
  runtime::Clock::time_point taken;
  first->cluster->jobs().handle("work", with_lease(kLease), [&](JobRun& run) -> Task<Status> {
    begun = true;
    while (!run.ctx().expired()) co_await runtime::sleep_for(milliseconds(10));
    co_return co_await run.finish(
        [&](sql::Transaction& tx) -> Task<Status> { co_return co_await effect(tx, ctx(), 1, 1); });
  });
  second->cluster->jobs().handle("work", with_lease(kLease), [&](JobRun& run) -> Task<Status> {
    taken = runtime::Clock::now();
    co_return co_await run.finish([&](sql::Transaction& tx) -> Task<Status> {
      attempt = run.attempt();
      co_return co_await effect(tx, run.ctx(), 1, 2);
    });
  });
  start(*first);
  enqueue(first->cluster->jobs(), "work", 1, 1);
  ASSERT_TRUE(eventually([&] { return begun.load(); }));
  start(*second);
  first->kill();
  const auto killed = runtime::Clock::now();
  ASSERT_TRUE(eventually([&] { return jobs_left() == 0; }));
  EXPECT_EQ(attempt, 2);
  EXPECT_EQ(count("SELECT count(*) FROM effects WHERE worker = 2"), 1);
  EXPECT_EQ(count("SELECT count(*) FROM effects"), 1);
  EXPECT_LT(taken - killed, kLease + milliseconds(1'500));  // slow machines look late
}

TEST_P(JobsFaultsTest, P6AClaimThatEndedCanWriteNothing) {
  auto one = joined(quick_options());
  std::atomic<int> runs{0};
  std::atomic<bool> taken{false}, lost{false};
  one->cluster->jobs().handle(
      "work", with_lease(milliseconds(60'000)), [&](JobRun& run) -> Task<Status> {
        if (++runs > 1) co_return Status{};
        while (!taken) co_await runtime::sleep_for(milliseconds(5));
        Status status = co_await run.finish([&](sql::Transaction& tx) -> Task<Status> {
          co_return co_await effect(tx, run.ctx(), 1, 1);
        });
        lost = !status && status.error().id == "JOB_LOST";
        co_return status;
      });
  start(*one);
  enqueue(one->cluster->jobs(), "work", 1, 1);
  ASSERT_TRUE(eventually([&] { return runs == 1; }));
  // As if this process had been suspended past its lease, and another had claimed the job since.
  must("UPDATE halcyon_jobs SET token = token + 1, owner = 'another'");
  taken = true;
  ASSERT_TRUE(eventually([&] { return lost.load(); }));
  EXPECT_EQ(count("SELECT count(*) FROM effects"), 0);
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_jobs WHERE owner = 'another'"), 1);
  EXPECT_EQ(runs, 1);
}

TEST_P(JobsFaultsTest, EndingsAndFailuresOfALostClaimChangeNothing) {
  auto one = joined(quick_options());
  std::atomic<int> begun{0}, ended{0};
  std::atomic<bool> taken{false};
  runtime::Metrics metrics;
  one->cluster->jobs().handle("work", with_lease(milliseconds(60'000)),
                              [&](JobRun& run) -> Task<Status> {
                                ++begun;
                                while (!taken) co_await runtime::sleep_for(milliseconds(5));
                                ++ended;
                                if (run.payload().as_int64() == 1) co_return Status{};
                                co_return fail(Code::kInternal, "NO_LUCK", "Not today.");
                              });
  start(*one);
  enqueue(one->cluster->jobs(), "work", 1, 2);
  ASSERT_TRUE(eventually([&] { return begun == 2; }));
  must("UPDATE halcyon_jobs SET token = token + 1, owner = 'another'");
  taken = true;
  ASSERT_TRUE(eventually([&] { return ended == 2; }));
  one->leave();  // everything that was to be written is
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_jobs WHERE owner = 'another' AND error IS NULL "
                  "AND lane = '~running'"),
            2);
}

TEST_P(JobsFaultsTest, AJobLongerThanItsLeaseKeepsItByHeartbeats) {
  auto first = joined(quick_options()), second = joined(quick_options());
  std::atomic<int> runs{0};
  for (auto* replica : {first.get(), second.get()}) {
    replica->cluster->jobs().handle(
        "long", with_lease(milliseconds(600)), [&](JobRun& run) -> Task<Status> {
          ++runs;
          co_await runtime::sleep_for(milliseconds(2'000));
          co_return co_await run.finish([&](sql::Transaction& tx) -> Task<Status> {
            co_return co_await effect(tx, run.ctx(), 1, run.attempt());
          });
        });
    start(*replica);
  }
  enqueue(first->cluster->jobs(), "long", 1, 1);
  ASSERT_TRUE(eventually([&] { return jobs_left() == 0; }));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(count("SELECT count(*) FROM effects"), 1);
}

TEST_P(JobsFaultsTest, ATransactionLongerThanTheLeaseEndsTheJobAllTheSame) {
  auto first = joined(quick_options()), second = joined(quick_options());
  std::atomic<int> runs{0};
  for (auto* replica : {first.get(), second.get()}) {
    replica->cluster->jobs().handle(
        "long", with_lease(milliseconds(400)), [&](JobRun& run) -> Task<Status> {
          ++runs;
          co_return co_await run.finish([&](sql::Transaction& tx) -> Task<Status> {
            co_await runtime::sleep_for(milliseconds(1'200));
            co_return co_await effect(tx, run.ctx(), 1, run.attempt());
          });
        });
    start(*replica);
  }
  enqueue(first->cluster->jobs(), "long", 1, 1);
  ASSERT_TRUE(eventually([&] { return jobs_left() == 0; }));
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(count("SELECT count(*) FROM effects"), 1);
}

TEST_P(JobsFaultsTest, ACancelledJobIsToldAndWritesNothing) {
  auto one = joined(quick_options());
  std::atomic<bool> begun{false};
  std::atomic<int> lost{0};
  one->cluster->jobs().handle(
      "work", with_lease(milliseconds(600)), [&](JobRun& run) -> Task<Status> {
        begun = true;
        while (!run.ctx().expired()) co_await runtime::sleep_for(milliseconds(5));
        Context context;  // as of a handler that does not look
        Status status = co_await run.finish([&](sql::Transaction& tx) -> Task<Status> {
          co_return co_await effect(tx, context, 1, 1);
        });
        if (!status && status.error().id == "JOB_LOST") ++lost;
        co_return status;
      });
  start(*one);
  auto ids = enqueue(one->cluster->jobs(), "work", 1, 1);
  ASSERT_TRUE(eventually([&] { return begun.load(); }));
  ASSERT_TRUE(await(one->cluster->jobs().cancel(ctx(), ids.at(0))));
  EXPECT_TRUE(eventually([&] { return lost == 1; }));
  EXPECT_EQ(count("SELECT count(*) FROM effects"), 0);
  EXPECT_EQ(jobs_left(), 0);
}

TEST_P(JobsFaultsTest, AJobThatKillsItsWorkersIsDeadAfterItsAttempts) {
  auto maker = joined(quick_options());
  NewJob job;
  job.topic = "poison";
  job.max_attempts = 2;
  ASSERT_TRUE(await(maker->cluster->jobs().enqueue(ctx(), std::vector<NewJob>{job})));
  for (int i = 0; i < 2; ++i) {
    auto victim = joined(quick_options());
    std::atomic<bool> begun{false};
    victim->cluster->jobs().handle("poison", with_lease(milliseconds(200)),
                                   [&](JobRun& run) -> Task<Status> {
                                     begun = true;
                                     while (!run.ctx().expired())
                                       co_await runtime::sleep_for(milliseconds(10));
                                     co_return Status{};
                                   });
    start(*victim);
    ASSERT_TRUE(eventually([&] { return begun.load(); }));
    victim->kill();
  }
  start(*maker);
  EXPECT_TRUE(eventually([&] {
    return count(
               "SELECT count(*) FROM halcyon_jobs WHERE lane = '~dead' AND attempts = 2 "
               "AND error IS NOT NULL") == 1;
  }));
}

TEST_P(JobsFaultsTest, JobsSurviveBrokenConnections) {
  if (on(sql::DialectKind::kSqlite)) GTEST_SKIP() << "has no connections to break";
  constexpr int64_t kJobs = 600;
  auto one = joined(quick_options());
  one->cluster->jobs().handle(
      "exact", with_lease(milliseconds(3'000)), [&](JobRun& run) -> Task<Status> {
        co_return co_await run.finish([&](sql::Transaction& tx) -> Task<Status> {
          co_return co_await effect(tx, run.ctx(), run.payload().as_int64(), 1);
        });
      });
  enqueue(one->cluster->jobs(), "exact", 0, kJobs);
  start(*one);
  int broken = 0;
  while (jobs_left() > 0 && broken < 8) {
    ASSERT_TRUE(database().disconnect_all());
    ++broken;
    std::this_thread::sleep_for(milliseconds(60));
  }
  ASSERT_TRUE(eventually([&] { return jobs_left() == 0; }));
  EXPECT_EQ(count("SELECT count(*) FROM effects"), kJobs);
  EXPECT_EQ(count("SELECT count(DISTINCT job) FROM effects"), kJobs);
}

// A lease as the test wants it.
class TestLease final : public Lease {
 public:
  const std::string& holder() const override { return holder_; }
  bool holds() const override { return held; }
  milliseconds ttl() const override { return milliseconds(10'000); }
  Task<Status> wait_until_held(const Context& ctx) override {
    while (!held && !ctx.expired()) co_await runtime::sleep_for(milliseconds(5));
    if (held) co_return Status{};
    co_return fail(Code::kUnavailable, "LEASE_LOST", "");
  }
  sql::Expr fence() const override { return sql::boolean(fenced_in.load()); }
  int64_t database_now_ms() const override { return 0; }
  std::atomic<bool> held{true}, fenced_in{true};

 private:
  std::string holder_ = "a test";
};

TEST_P(JobsFaultsTest, NothingIsClaimedWithoutTheMembersLease) {
  auto maker = joined(quick_options());  // makes the tables
  TestLease lease;
  JobsSetup setup(db(), database().io(), {}, lease);
  setup.poll_interval = milliseconds(10);
  auto jobs = make_jobs(setup);
  std::atomic<int> runs{0};
  jobs->handle("work", with_lease(milliseconds(5'000)), [&](JobRun&) -> Task<Status> {
    ++runs;
    co_return Status{};
  });
  lease.held = false;
  ASSERT_TRUE(await(jobs->start(ctx())));
  enqueue(*jobs, "work", 1, 1);
  std::this_thread::sleep_for(milliseconds(150));  // many looks
  EXPECT_EQ(runs, 0);
  lease.fenced_in = false;  // suspended and declared gone: believes to hold it, does not
  lease.held = true;
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(count("SELECT count(*) FROM halcyon_jobs WHERE lane = 'work'"), 1);
  lease.fenced_in = true;
  EXPECT_TRUE(eventually([&] { return runs == 1; }));
  Within time(milliseconds(5'000));
  await(jobs->stop(time));
}

HALCYON_INSTANTIATE_DIALECTS(JobsFaultsTest);

}  // namespace
}  // namespace halcyon::cluster
