// Jobs a second through the queue: what it takes to enqueue them, and to claim, run and end them.
//
//   script/bench --jobs          # on a PostgreSQL with its default durability
//   script/test-databases run -- build/bench/src/cluster/halcyon_cluster_bench    # without fsync
//
// BENCH_DIALECT=sqlite|mariadb for the others. `client_us` is CPU of this process for one job.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "cluster/background.h"
#include "cluster/cluster.h"

namespace halcyon::cluster {
namespace {

using runtime::Clock;
using std::chrono::milliseconds;

constexpr int kJobs = 50'000, kJobsACall = 500;

double cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? value : "";
}

sql::Options options_of_environment() {
  sql::Options options;
  const std::string dialect = variable("BENCH_DIALECT");
  options.dialect = dialect == "sqlite"    ? sql::DialectKind::kSqlite
                    : dialect == "mariadb" ? sql::DialectKind::kMariadb
                                           : sql::DialectKind::kPostgres;
  options.storage = std::filesystem::temp_directory_path() / "halcyon-jobs-bench.sqlite";
  const std::string prefix = dialect == "mariadb" ? "TEST_MARIADB_" : "TEST_POSTGRES_";
  options.host = variable(prefix + "HOST");
  options.port = static_cast<int>(to_int64(variable(prefix + "PORT")).value_or(0));
  options.user = variable(prefix + "USER");
  options.password = variable(prefix + "PASSWORD");
  options.database = variable(prefix + "DATABASE");
  if (options.database.empty() && dialect == "mariadb") options.database = "test";
  options.pool_max = 16;
  return options;
}

// One replica of its own, as a process has it.
struct Replica {
  runtime::IoPool io{1};
  std::unique_ptr<sql::Database> db;
  std::unique_ptr<Cluster> cluster;

  bool join() {
    auto opened = runtime::run(io.thread(0), sql::open(options_of_environment(), io));
    if (!opened) return false;
    db = std::move(*opened);
    Options options;
    options.host = "bench";
    Within ctx(milliseconds(30'000));
    auto joined = runtime::run(io.thread(0), Cluster::join(*db, io, options, ctx));
    if (!joined) return false;
    cluster = std::move(*joined);
    return true;
  }
  bool start() {
    Within ctx(milliseconds(30'000));
    return runtime::run(io.thread(0), cluster->start(ctx)).has_value();
  }
  ~Replica() {
    Within ctx(milliseconds(10'000));
    if (cluster) runtime::run(io.thread(0), cluster->leave(ctx));
    cluster.reset();
    if (db) runtime::run(io.thread(0), db->close());
  }
};

Task<bool> enqueue(Replica& replica, int jobs) {
  for (int made = 0; made < jobs; made += kJobsACall) {
    std::vector<NewJob> batch(static_cast<size_t>(std::min(kJobsACall, jobs - made)));
    for (size_t i = 0; i < batch.size(); ++i) {
      batch[i].topic = "bench";
      batch[i].payload = json::Object{{"record", made + static_cast<int64_t>(i)}};
    }
    Within ctx(milliseconds(30'000));
    auto ids = co_await replica.cluster->jobs().enqueue(ctx, std::move(batch));
    if (!ids) co_return false;
  }
  co_return true;
}

void report(benchmark::State& state, double seconds, double cpu, int jobs) {
  state.SetIterationTime(seconds);
  state.counters["jobs"] = static_cast<double>(jobs) * static_cast<double>(state.max_iterations);
  state.counters["client_us"] = cpu * 1e6 / jobs;
  state.counters["per_second"] = static_cast<double>(jobs) / seconds;
}

double since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

bool wait_for(const std::atomic<int>& count, int target) {
  const auto end = Clock::now() + std::chrono::seconds(120);
  while (count < target && Clock::now() < end) std::this_thread::sleep_for(milliseconds(1));
  return count >= target;
}

Task<Result<std::map<std::string, TopicStats>>> stats(Replica& replica) {
  Within ctx(milliseconds(30'000));
  co_return co_await replica.cluster->jobs().stats(ctx);
}

// Handlers that end their jobs through finish(), or just return.
void run_drain(benchmark::State& state, bool finish) {
  const auto replicas = static_cast<size_t>(state.range(0));
  const int jobs = finish ? kJobs / 5 : kJobs;
  for (auto _ : state) {
    std::atomic<int> done{0};
    std::vector<std::unique_ptr<Replica>> all;
    JobOptions options;
    options.concurrency = static_cast<int>(state.range(1));
    for (size_t i = 0; i < replicas; ++i) {
      all.push_back(std::make_unique<Replica>());
      if (!all.back()->join()) return state.SkipWithError("no database");
      all.back()->cluster->jobs().handle("bench", options, [&](JobRun& run) -> Task<Status> {
        Status status;
        if (finish) {
          status =
              co_await run.finish([](sql::Transaction&) -> Task<Status> { co_return Status{}; });
        }
        done.fetch_add(1, std::memory_order_relaxed);
        co_return status;
      });
    }
    const double cpu = cpu_seconds();
    const auto begun = Clock::now();
    if (!runtime::run(all[0]->io.thread(0), enqueue(*all[0], jobs))) {
      return state.SkipWithError("enqueue failed");
    }
    state.counters["enqueued_per_second"] = jobs / since(begun);
    state.counters["enqueue_us"] = (cpu_seconds() - cpu) * 1e6 / jobs;
    const double cpu_before = cpu_seconds();
    const auto drained = Clock::now();
    for (auto& replica : all) {
      if (!replica->start()) return state.SkipWithError("no start");
    }
    if (!wait_for(done, jobs)) return state.SkipWithError("jobs are left");
    // The last of them are being removed.
    for (;;) {
      auto left = runtime::run(all[0]->io.thread(0), stats(*all[0]));
      if (left && left->empty()) break;
    }
    report(state, since(drained), cpu_seconds() - cpu_before, jobs);
  }
}

void BM_Drain(benchmark::State& state) { run_drain(state, false); }
void BM_DrainWithFinish(benchmark::State& state) { run_drain(state, true); }

// Enqueued and worked on at the same time.
void BM_Through(benchmark::State& state) {
  for (auto _ : state) {
    std::atomic<int> done{0};
    Replica replica;
    if (!replica.join()) return state.SkipWithError("no database");
    replica.cluster->jobs().handle("bench", JobOptions(), [&](JobRun&) -> Task<Status> {
      done.fetch_add(1, std::memory_order_relaxed);
      co_return Status{};
    });
    if (!replica.start()) return state.SkipWithError("no start");
    const double cpu = cpu_seconds();
    const auto begun = Clock::now();
    if (!runtime::run(replica.io.thread(0), enqueue(replica, kJobs))) {
      return state.SkipWithError("enqueue failed");
    }
    if (!wait_for(done, kJobs)) return state.SkipWithError("jobs are left");
    report(state, since(begun), cpu_seconds() - cpu, kJobs);
  }
}

// One job at a time: from before enqueue to the handler. Worked on by another replica than makes
// it.
void BM_Latency(benchmark::State& state) {
  std::atomic<int> done{0};
  Replica maker, worker;
  if (!maker.join() || !worker.join()) return state.SkipWithError("no database");
  worker.cluster->jobs().handle("bench", JobOptions(), [&](JobRun&) -> Task<Status> {
    done.fetch_add(1);
    co_return Status{};
  });
  if (!maker.start() || !worker.start()) return state.SkipWithError("no start");
  int made = 0;
  for (auto _ : state) {
    if (!runtime::run(maker.io.thread(0), enqueue(maker, 1))) {
      return state.SkipWithError("enqueue failed");
    }
    ++made;
    while (done < made) std::this_thread::yield();
  }
}

BENCHMARK(BM_Drain)
    ->ArgNames({"replicas", "concurrency"})
    ->Args({1, 4})
    ->Args({2, 4})
    ->Args({1, 64})
    ->Iterations(3)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_DrainWithFinish)
    ->ArgNames({"replicas", "concurrency"})
    ->Args({1, 4})
    ->Args({1, 16})
    ->Iterations(3)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Through)->Iterations(3)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Latency)->Iterations(200)->UseRealTime()->Unit(benchmark::kMillisecond);

const bool kQuiet = [] {
  configure_log(LogLevel::kError, "console");
  return true;
}();

}  // namespace
}  // namespace halcyon::cluster
