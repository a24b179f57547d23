// What is particular to PostgreSQL's driver, against a real server; sql/conformance*_test.cpp hold
// it to the rules of every driver.
#include "sql/postgres/driver.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "sql/conformance.h"

namespace halcyon::sql::postgres {
namespace {

using namespace std::chrono_literals;
using runtime::Clock;

class PostgresTest : public Conformance {
 protected:
  void adjust(Options& options) override { options.pool_max = 4; }

  // Many at once from one io thread, so that they share a lane.
  std::vector<Result<Rows>> run_together(std::vector<Statement> statements) {
    auto run_one = [](Database* database, const Context* context,
                      Statement statement) -> Task<Result<Rows>> {
      co_return co_await database->run(*context, std::move(statement));
    };
    std::vector<std::future<Result<Rows>>> running;
    for (Statement& statement : statements) {
      running.push_back(launch(run_one(&db(), &ctx(), std::move(statement))));
    }
    std::vector<Result<Rows>> results;
    for (auto& task : running) results.push_back(task.get());
    return results;
  }
  bool eventually(const std::function<bool()>& holds) {
    for (auto until = Clock::now() + 5s; Clock::now() < until;) {
      if (holds()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  int64_t active(const std::string& text) {
    return number(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE ? "
        "AND pid <> pg_backend_pid()",
        {Value("%" + text + "%")});
  }
};

TEST_P(PostgresTest, AnswersGoToTheirQuestions) {
  create_counters(10);
  std::vector<Statement> statements;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {
      statements.push_back(
          sql("SELECT ?::bigint * 2 AS d, id FROM t WHERE id = ?", {Value(i), Value(i % 10 + 1)}));
    }
  }
  auto results = run_together(statements);
  for (size_t i = 0; i < results.size(); ++i) {
    ASSERT_TRUE(results[i]) << why(results[i]);
    EXPECT_EQ(results[i]->cell(0, 0).text(), std::to_string(2 * (i % 300)));
    EXPECT_EQ(results[i]->cell(0, 1).text(), std::to_string(i % 300 % 10 + 1));
  }
}

TEST_P(PostgresTest, AnErrorHitsNoNeighbour) {
  create_counters(1);
  std::vector<Statement> statements;
  for (int i = 0; i < 200; ++i) {
    switch (i % 7) {
      case 0:
        statements.push_back(sql("SELECT 1 / ?", {Value(0)}));
        break;
      case 1:
        statements.push_back(sql("UPDATE t SET n = n + 1 WHERE id = 1"));
        break;
      case 2:
        statements.push_back(sql("SELECT nothing FROM t"));
        break;
      case 3:
        statements.push_back(sql("INSERT INTO t (id, n) VALUES (1, 1)"));
        break;
      default:
        statements.push_back(sql("SELECT ? AS i", {Value(i)}));
    }
  }
  auto results = run_together(statements);
  int64_t updates = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    const char* expected[] = {"INVALID_VALUE", "", "UNKNOWN_TABLE_OR_COLUMN", "UNIQUE_VIOLATION"};
    EXPECT_EQ(id_of(results[i]), i % 7 < 4 ? expected[i % 7] : "") << i << why(results[i]);
    if (i % 7 > 3) EXPECT_EQ(results[i]->cell(0, 0).text(), std::to_string(i));
    updates += i % 7 == 1 ? 1 : 0;
  }
  EXPECT_EQ(number("SELECT n FROM t WHERE id = 1"), updates);
}

TEST_P(PostgresTest, AConstraintCheckedAtTheCommitIsAnErrorOfItsWrite) {
  must("CREATE TABLE d (id BIGINT, UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)");
  std::vector<Statement> statements;
  for (int i = 0; i < 20; ++i) {
    statements.push_back(sql("INSERT INTO d (id) VALUES (?)", {Value(i / 2)}));
    statements.push_back(sql("SELECT ? AS i", {Value(i)}));
  }
  auto results = run_together(statements);
  int done = 0, refused = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (i % 2 == 1) {
      ASSERT_TRUE(results[i]) << why(results[i]);
      EXPECT_EQ(results[i]->cell(0, 0).text(), std::to_string(i / 2));
    } else if (results[i]) {
      ++done;
    } else {
      ++refused;
      EXPECT_EQ(results[i].error().id, "UNIQUE_VIOLATION") << why(results[i]);
    }
  }
  EXPECT_EQ(done, 10);
  EXPECT_EQ(refused, 10);
  EXPECT_EQ(number("SELECT count(*) FROM d"), 10);
}

TEST_P(PostgresTest, PlansAreMadeAgainAfterDdlUnderLoad) {
  create_counters(5);
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  auto read = [&]() -> Task<Status> {
    while (!stop.load()) {
      CO_TRY(Rows rows, co_await db().run(ctx(), sql("SELECT * FROM t WHERE id = ?", {Value(3)})));
      if (rows.size() != 1) co_return invalid("ROWS", "one row");
      reads.fetch_add(1);
    }
    co_return Status{};
  };
  std::vector<std::future<Status>> readers;
  for (size_t i = 0; i < 8; ++i) readers.push_back(launch(read(), i));
  for (int i = 0; i < 10; ++i) {
    int before = reads.load();
    must("ALTER TABLE t ADD COLUMN c" + std::to_string(i) + " INTEGER");
    EXPECT_TRUE(eventually([&] { return reads.load() > before + 20; }));
  }
  stop = true;
  for (auto& reader : readers) {
    Status status = reader.get();
    EXPECT_TRUE(status) << why(status);
  }
  EXPECT_EQ(must("SELECT * FROM t WHERE id = ?", {Value(3)}).columns.size(), 12u);
}

TEST_P(PostgresTest, ATransactionSurvivesAStalePlan) {
  create_counters(1);
  auto select_all = [&](size_t& columns) {
    return await(db().in_transaction(ctx(), [&](Transaction& tx) -> Task<Status> {
      for (int i = 0; i < 3; ++i) {
        CO_TRY(Rows rows, co_await tx.run(ctx(), sql("SELECT * FROM t WHERE id = ?", {Value(1)})));
        columns = rows.columns.size();
      }
      co_return Status{};
    }));
  };
  size_t columns = 0;
  ASSERT_TRUE(select_all(columns));
  must("ALTER TABLE t ADD COLUMN more INTEGER");
  Status status = select_all(columns);
  EXPECT_TRUE(status) << why(status);
  EXPECT_EQ(columns, 3u);
}

TEST_P(PostgresTest, NativeArraysAreJsonLists) {
  const auto list = [&](const std::string& expression) {
    return std::string(must("SELECT " + expression + " AS a").cell(0, 0).text());
  };
  EXPECT_EQ(list("ARRAY[1,NULL,-3]"), "[1,null,-3]");
  EXPECT_EQ(list("ARRAY[]::text[]"), "[]");
  EXPECT_EQ(list("ARRAY[1.50,'NaN']::numeric[]"), "[1.50,null]");
  EXPECT_EQ(list("ARRAY[true,false]"), "[true,false]");
  EXPECT_EQ(list("ARRAY[[1,2],[3,4]]"), "[[1,2],[3,4]]");
  EXPECT_EQ(list(R"(ARRAY['a','b c','x,{"\y',NULL,'NULL','']::varchar[])"),
            R"(["a","b c","x,{\"\\y",null,"NULL",""])");
  EXPECT_EQ(list("E'[2:3]={7,8}'::int[]"), "[7,8]");
  EXPECT_EQ(must("SELECT NULL::text[] AS a").cell(0, 0).is_null(), true);
}

TEST_P(PostgresTest, NamesOfStatementsAreBounded) {
  create_counters(1);
  for (int i = 0; i < 1100; ++i) {
    for (int twice = 0; twice < 2; ++twice) {
      ASSERT_EQ(number("SELECT n + " + std::to_string(i) + " FROM t WHERE id = ?", {Value(1)}), i);
    }
  }
  EXPECT_LE(number("SELECT count(*) FROM pg_prepared_statements"), 1000);
  EXPECT_GE(number("SELECT count(*) FROM pg_prepared_statements"), 100);
}

TEST_P(PostgresTest, TextFindsItsType) {
  must("CREATE TABLE v (id BIGINT PRIMARY KEY, c VARCHAR(20), u UUID, j JSONB, k TEXT)");
  must("INSERT INTO v VALUES (1, ?, ?, ?, ?)",
       {Value("x"), Value("0198c0de-0000-7000-8000-00000000abcd"), Value(R"({"a": 1})"),
        Value("y")});
  EXPECT_EQ(
      number("SELECT id FROM v WHERE c = ? AND u = ? AND j @> ?",
             {Value("x"), Value("0198C0DE-0000-7000-8000-00000000ABCD"), Value(R"({"a": 1})")}),
      1);
  // Where nothing tells the type it is text, on a lane as in a transaction.
  EXPECT_EQ(must("SELECT concat(?, k) FROM v", {Value("a")}).cell(0, 0).text(), "ay");
  std::string text;
  Status status = await(db().in_transaction(ctx(), [&](Transaction& tx) -> Task<Status> {
    CO_TRY(Rows rows, co_await tx.run(ctx(), sql("SELECT concat(k, ?, 1) FROM v", {Value("b")})));
    text = rows.cell(0, 0).text();
    co_return Status{};
  }));
  EXPECT_TRUE(status) << why(status);
  EXPECT_EQ(text, "yb1");
  // An index is of use for what is typed and what is not.
  must("INSERT INTO v SELECT i, 'c' || i FROM generate_series(2, 5000) i");
  must("CREATE INDEX ON v (c)");
  must("ANALYZE v");
  for (auto [condition, value] :
       {std::pair{"id = ?", Value(77)}, {"c = ?", Value("c77")}, {"id = ?", Value("77")}}) {
    Rows plan = must(std::string("EXPLAIN SELECT * FROM v WHERE ") + condition, {value});
    EXPECT_TRUE(plan.cell(0, 0).text().contains("Index")) << plan.cell(0, 0).text();
  }
}

TEST_P(PostgresTest, SerializationFailuresAreTriedAgain) {
  create_counters(1);
  auto increment = [&]() -> Task<Status> {
    for (int i = 0; i < 10; ++i) {
      auto body = [&](Transaction& tx) -> Task<Status> {
        CO_TRY_STATUS(co_await tx.run(ctx(), sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")));
        CO_TRY(Rows rows, co_await tx.run(ctx(), sql("SELECT n FROM t WHERE id = 1")));
        int64_t next = std::stoll(std::string(rows.cell(0, 0).text())) + 1;
        CO_TRY_STATUS(
            co_await tx.run(ctx(), sql("UPDATE t SET n = ? WHERE id = 1", {Value(next)})));
        co_return Status{};
      };
      CO_TRY_STATUS(co_await db().in_transaction(ctx(), body));
    }
    co_return Status{};
  };
  std::vector<std::future<Status>> running;
  for (size_t i = 0; i < 4; ++i) running.push_back(launch(increment(), i));
  for (auto& task : running) {
    Status status = task.get();
    EXPECT_TRUE(status) << why(status);
  }
  EXPECT_EQ(number("SELECT n FROM t WHERE id = 1"), 40);
  EXPECT_GE(db().stats().retries, 1);
}

// Told to end by the server, it is known what was done: nothing fails, nothing is done twice.
TEST_P(PostgresTest, TerminatedBackendsCostNoWrite) {
  create_counters(4);
  must("CREATE TABLE done (token BIGINT)");
  std::atomic<bool> stop{false};
  std::atomic<int64_t> tokens{0}, answered{0}, unknown{0};
  auto count = [&](bool done, const Error& error) {
    if (done) answered.fetch_add(1);
    if (!done && error.id == "DATABASE_COMMIT_UNKNOWN") unknown.fetch_add(1);
    return done || error.id == "DATABASE_COMMIT_UNKNOWN";
  };
  auto insert = [&](int64_t token) {
    return sql("INSERT INTO done (token) VALUES (?)", {Value(token)});
  };
  auto work = [&](int64_t id) -> Task<Status> {
    while (!stop.load()) {
      Result<Rows> written = co_await db().run(ctx(), insert(tokens.fetch_add(1)));
      if (!count(written.has_value(), written ? Error{} : written.error())) {
        co_return fail(written.error());
      }
      CO_TRY_STATUS(co_await db().run(ctx(), sql("SELECT n FROM t WHERE id = ?", {Value(id)})));
      int64_t token = tokens.fetch_add(1);
      auto body = [&](Transaction& tx) -> Task<Status> {
        CO_TRY_STATUS(
            co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = ?", {Value(id)})));
        CO_TRY_STATUS(co_await tx.run(ctx(), insert(token)));
        co_return Status{};
      };
      Status status = co_await db().in_transaction(ctx(), body);
      if (!count(status.has_value(), status ? Error{} : status.error())) co_return status;
    }
    co_return Status{};
  };
  std::vector<std::future<Status>> running;
  for (int64_t i = 0; i < 8; ++i) {
    running.push_back(launch(work(i % 4 + 1), static_cast<size_t>(i)));
  }
  for (int round = 0; round < 8; ++round) {
    int64_t before = answered.load();
    EXPECT_TRUE(eventually([&] { return answered.load() > before + 40; }));
    Status cut = database().disconnect_all();
    EXPECT_TRUE(cut) << why(cut);
  }
  stop = true;
  for (auto& task : running) {
    Status status = task.get();
    EXPECT_TRUE(status) << why(status);
  }
  int64_t rows = number("SELECT count(*) FROM done");
  EXPECT_EQ(number("SELECT count(DISTINCT token) FROM done"), rows) << "done twice";
  EXPECT_GE(rows, answered.load());
  EXPECT_LE(rows, answered.load() + unknown.load());
  EXPECT_LE(unknown.load(), 16);  // at most those at their very commit
}

TEST_P(PostgresTest, ADeadlineReachesTheServer) {
  for (const char* text : {"SELECT pg_sleep(30), 'deadline'",
                           "WITH s AS MATERIALIZED (SELECT pg_sleep(30), 'deadline') "
                           "SELECT * FROM s"}) {
    Context hurried;
    hurried.deadline = Clock::now() + 200ms;
    Result<Rows> rows = await(db().run(hurried, sql(text)));
    EXPECT_EQ(id_of(rows), "DATABASE_TIMEOUT") << why(rows);
    EXPECT_TRUE(eventually([&] { return active("deadline") == 0; }));
  }
}

TEST_P(PostgresTest, ASlowStatementDoesNotHoldUpItsNeighbours) {
  create_counters(1);
  auto slow = launch(db().run(ctx(), sql("SELECT pg_sleep(2), 'slow'")));
  EXPECT_TRUE(eventually([&] { return active("slow") > 0; }));
  auto start = Clock::now();
  EXPECT_EQ(number("SELECT n FROM t WHERE id = ?", {Value(1)}), 0);
  EXPECT_LT(Clock::now() - start, 1s);
  Result<Rows> rows = slow.get();
  EXPECT_TRUE(rows) << why(rows);
  // Known to be slow it does not even start on the lane.
  slow = launch(db().run(ctx(), sql("SELECT pg_sleep(2), 'slow'")));
  start = Clock::now();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(number("SELECT n FROM t WHERE id = ?", {Value(1)}), 0);
  EXPECT_LT(Clock::now() - start, 500ms);
  EXPECT_TRUE(slow.get());
}

TEST_P(PostgresTest, AWriteThatWaitsForALockLeavesTheLane) {
  create_counters(2);
  Status status = await(db().in_transaction(ctx(), [&](Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = 5 WHERE id = 1")));
    // Waits for our row, on the lane of this io thread at first.
    auto waiting = std::make_shared<std::atomic<bool>>(true);
    runtime::start(*runtime::IoThread::current(),
                   db().run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = 1")),
                   [waiting](Result<Rows> rows) {
                     EXPECT_TRUE(rows) << why(rows);
                     *waiting = false;
                   });
    auto start = Clock::now();
    for (int i = 0; i < 20; ++i) {
      CO_TRY_STATUS(co_await db().run(ctx(), sql("SELECT n FROM t WHERE id = 2")));
      co_await runtime::sleep_for(10ms);
    }
    EXPECT_LT(Clock::now() - start, 1500ms);
    EXPECT_TRUE(*waiting);
    co_return Status{};
  }));
  EXPECT_TRUE(status) << why(status);
  EXPECT_TRUE(eventually([&] { return number("SELECT n FROM t WHERE id = 1") == 6; }));
}

TEST_P(PostgresTest, CloseWaitsForWhatRuns) {
  create_counters(1);
  auto other = database().open_another();
  ASSERT_TRUE(other);
  std::vector<std::future<Result<Rows>>> running;
  for (int i = 0; i < 20; ++i) {
    running.push_back(launch(other->run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = 1 "
                                                   "AND pg_sleep(0.01) IS NOT NULL")),
                             static_cast<size_t>(i)));
  }
  EXPECT_TRUE(eventually([&] { return other->stats().statements == 20; }));
  await(other->close());
  for (auto& task : running) {
    Result<Rows> rows = task.get();
    EXPECT_TRUE(rows) << why(rows);
  }
  EXPECT_EQ(number("SELECT n FROM t WHERE id = 1"), 20);
}

TEST_P(PostgresTest, SettingsOfTheSession) {
  must("CREATE SCHEMA other");
  auto in_schema = database().open_another([](Options& options) { options.schema = "other"; });
  ASSERT_TRUE(in_schema);
  Rows rows = *await(in_schema->run(
      ctx(), sql("SELECT current_setting('search_path'), current_setting('TimeZone'), "
                 "current_setting('application_name'), current_setting('statement_timeout')")));
  EXPECT_EQ(rows.cell(0, 0).text(), "other");
  EXPECT_EQ(rows.cell(0, 1).text(), "UTC");
  EXPECT_EQ(rows.cell(0, 2).text(), "halcyon");
  EXPECT_EQ(rows.cell(0, 3).text(), "5s");
  Statement slow = sql("SELECT current_setting('statement_timeout')");
  slow.is_slow = true;
  EXPECT_EQ(await(in_schema->run(ctx(), slow))->cell(0, 0).text(), "0");
  await(in_schema->close());
}

TEST_P(PostgresTest, CopyIsRefused) {
  EXPECT_EQ(id_of(run("COPY (SELECT 1) TO STDOUT")), "SQL_SYNTAX");
  EXPECT_EQ(number("SELECT 1"), 1);
}

TEST_P(PostgresTest, TheHostThatTakesWritesIsFound) {
  auto other = database().open_another([](Options& options) {
    // Nobody listens on port 1; the next is right.
    options.host = "127.0.0.1:1," + options.host + ":" + std::to_string(options.port);
  });
  ASSERT_TRUE(other);
  EXPECT_TRUE(await(other->run(ctx(), sql("SELECT 1"))));
  await(other->close());
}

TEST_P(PostgresTest, AWrongPasswordIsSaidAtOnce) {
  Options options = database().options();
  options.password = "wrong";
  options.failover_wait_ms = 20'000;
  auto start = Clock::now();
  auto opened = await(open_postgres(options, database().io()));
  EXPECT_EQ(id_of(opened), "DATABASE_UNAVAILABLE");
  EXPECT_LT(Clock::now() - start, 5s);
}

class PostgresListenerTest : public PostgresTest {
 protected:
  // What the callbacks said, for the test's thread.
  struct Heard {
    void add(std::string text) {
      std::lock_guard lock(mutex);
      texts.push_back(std::move(text));
      changed.notify_all();
    }
    bool wait_for(const std::string& text) {
      std::unique_lock lock(mutex);
      auto heard = [&] {
        while (!texts.empty()) {
          bool found = texts.front() == text;
          texts.pop_front();
          if (found) return true;
        }
        return false;
      };
      return changed.wait_for(lock, 5s, heard);
    }
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::string> texts;
  };
};

TEST_P(PostgresListenerTest, HearsAndReconnects) {
  Heard heard;
  auto opened = open_listener(
      database().options(), database().io().thread(0),
      [&](std::string_view channel, std::string_view payload) {
        heard.add(std::string(channel) + ":" + std::string(payload));
      },
      [&] { heard.add("connected"); });
  ASSERT_TRUE(opened) << why(opened);
  Listener& listener = **opened;
  listener.listen("bus");
  listener.listen("Other \"x\"");
  ASSERT_TRUE(heard.wait_for("connected"));
  must("SELECT pg_notify('bus', 'one')");
  EXPECT_TRUE(heard.wait_for("bus:one"));
  EXPECT_TRUE(eventually([&] {
    must("SELECT pg_notify('Other \"x\"', 'two')");
    return heard.wait_for("Other \"x\":two");
  }));
  Status cut = database().disconnect_all();
  EXPECT_TRUE(cut) << why(cut);
  ASSERT_TRUE(heard.wait_for("connected"));
  EXPECT_TRUE(listener.connected());
  must("SELECT pg_notify('bus', 'three')");
  EXPECT_TRUE(heard.wait_for("bus:three"));
  must("SELECT pg_notify('Other \"x\"', 'four')");
  EXPECT_TRUE(heard.wait_for("Other \"x\":four"));
  listener.close();
  EXPECT_FALSE(listener.connected());
}

INSTANTIATE_TEST_SUITE_P(Dialects, PostgresTest, ::testing::Values(DialectKind::kPostgres),
                         testing::parameter_name);
INSTANTIATE_TEST_SUITE_P(Dialects, PostgresListenerTest, ::testing::Values(DialectKind::kPostgres),
                         testing::parameter_name);

}  // namespace
}  // namespace halcyon::sql::postgres
