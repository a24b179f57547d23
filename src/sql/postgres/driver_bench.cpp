// The client's cost of a statement on a lane: 64 tasks on one io thread, reading by id.
//
//   script/test-databases run -- build/bench/src/sql/halcyon_sql_bench --benchmark_filter=Postgres
//
// Compare with `pgbench -M prepared -c 16` and the same SELECT. `client_us` is CPU of this process.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <cstdlib>

#include "base/text.h"
#include "runtime/io.h"
#include "sql/postgres/driver.h"

namespace halcyon::sql::postgres {
namespace {

constexpr int kRows = 10'000;

double cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

Options options_of_environment() {
  auto get = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  Options options;
  options.dialect = DialectKind::kPostgres;
  options.host = get("TEST_POSTGRES_HOST");
  options.port = static_cast<int>(to_int64(get("TEST_POSTGRES_PORT")).value_or(0));
  options.user = get("TEST_POSTGRES_USER");
  options.password = get("TEST_POSTGRES_PASSWORD");
  options.database = get("TEST_POSTGRES_DATABASE");
  return options;
}

Statement text(std::string sql, bool is_write) {
  Statement statement;
  statement.text = std::move(sql);
  statement.is_write = is_write;
  return statement;
}

Task<Status> prepare_table(Database& db) {
  Context ctx;
  CO_TRY_STATUS(co_await db.run(
      ctx, text("CREATE TABLE IF NOT EXISTS bench_rows (id BIGINT PRIMARY KEY, a TEXT, b TEXT, "
                "c BIGINT, d TIMESTAMPTZ DEFAULT now(), e BOOLEAN DEFAULT true, f TEXT, g BIGINT)",
                true)));
  CO_TRY_STATUS(co_await db.run(
      ctx, text("INSERT INTO bench_rows SELECT i, 'title ' || i, repeat('x', 100), i * 7, now(), "
                "true, 'status', i % 10 FROM generate_series(1, " +
                    std::to_string(kRows) + ") i ON CONFLICT DO NOTHING",
                true)));
  CO_TRY_STATUS(co_await db.run(ctx, text("ANALYZE bench_rows", true)));
  co_return Status{};
}

Task<int> work(Database& db, bool writes, int count) {
  Context ctx;
  int failed = 0;
  for (int i = 0; i < count; ++i) {
    Statement statement = text(writes ? "UPDATE bench_rows SET g = g + 1 WHERE id = $1"
                                      : "SELECT * FROM bench_rows WHERE id = $1",
                               writes);
    statement.params.emplace_back(int64_t{std::rand() % kRows + 1});
    auto rows = co_await db.run(ctx, std::move(statement));
    failed += rows ? 0 : 1;
  }
  co_return failed;
}

void run_lane(benchmark::State& state, bool writes) {
  if (std::getenv("TEST_POSTGRES_HOST") == nullptr) {
    state.SkipWithError("TEST_POSTGRES_HOST is not set");
    return;
  }
  runtime::IoPool io(1);
  Options options = options_of_environment();
  options.lanes_per_thread = static_cast<int>(state.range(1));
  auto db = runtime::run(io.thread(0), open_postgres(options, io));
  if (!db || !runtime::run(io.thread(0), prepare_table(**db))) {
    state.SkipWithError("no database");
    return;
  }
  const int tasks = static_cast<int>(state.range(0)), each = 200;
  const double before = cpu_seconds();
  for (auto _ : state) {
    std::vector<std::future<int>> running;
    for (int i = 0; i < tasks; ++i) {
      auto promise = std::make_shared<std::promise<int>>();
      running.push_back(promise->get_future());
      runtime::start(io.thread(0), work(**db, writes, each),
                     [promise](int failed) { promise->set_value(failed); });
    }
    for (auto& task : running) {
      if (task.get() != 0) state.SkipWithError("a statement failed");
    }
  }
  const double queries = static_cast<double>(state.iterations()) * tasks * each;
  state.counters["client_us"] = (cpu_seconds() - before) * 1e6 / queries;
  state.counters["per_second"] = benchmark::Counter(queries, benchmark::Counter::kIsRate);
  runtime::run(io.thread(0), (*db)->close());
}

void BM_PostgresRead(benchmark::State& state) { run_lane(state, false); }
void BM_PostgresWrite(benchmark::State& state) { run_lane(state, true); }

BENCHMARK(BM_PostgresRead)->Args({64, 1})->Args({64, 2})->Args({8, 1})->Args({1, 1})->UseRealTime();
BENCHMARK(BM_PostgresWrite)->Args({64, 1})->Args({64, 2})->UseRealTime();

}  // namespace
}  // namespace halcyon::sql::postgres
