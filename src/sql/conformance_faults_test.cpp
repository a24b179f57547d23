// What every driver must survive: connections cut by the server or in the network, a COMMIT without
// an answer, a server that is away for a while; for SQLite, other processes on the same file.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "sql/conformance.h"
#include "sql/cutting_proxy.h"

namespace halcyon::sql {
namespace {

using testing::CuttingProxy;

using namespace std::chrono_literals;
using runtime::Clock;

class FaultTest : public Conformance {
 protected:
  void SetUp() override {
    if (on(DialectKind::kSqlite)) GTEST_SKIP() << "it has no server";
    Conformance::SetUp();
    if (!database_) return;
    proxy_ = std::make_unique<CuttingProxy>(database().options().host, database().options().port);
    through_ = database().open_another([this](Options& options) {
      options.host = "127.0.0.1";
      options.port = proxy_->port();
      options.failover_wait_ms = 5000;
    });
    ASSERT_TRUE(through_);
  }
  void TearDown() override {
    if (through_) await(through_->close());
    through_.reset();
    proxy_.reset();
    Conformance::TearDown();
  }
  int64_t n_of(int64_t id) { return number("SELECT n FROM t WHERE id = ?", {Value(id)}); }
  Result<Rows> run_through(std::string_view text) { return await(through_->run(ctx(), sql(text))); }
  Database::Body increment() {
    return [this](Transaction& tx) -> Task<Status> {
      ++tries_;
      CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = 1")));
      co_return Status{};
    };
  }

  std::unique_ptr<CuttingProxy> proxy_;
  std::unique_ptr<Database> through_;
  int tries_ = 0;
};

TEST_P(FaultTest, ConnectionsClosedByTheServerAreReplaced) {
  create_counters(1);
  for (int round = 0; round < 3; ++round) {
    Status cut = database().disconnect_all();
    ASSERT_TRUE(cut) << why(cut);
    Result<Rows> read = run("SELECT n FROM t WHERE id = 1");
    EXPECT_TRUE(read) << why(read);
    cut = database().disconnect_all();
    Result<Rows> written = run("UPDATE t SET n = n + 1 WHERE id = 1");
    EXPECT_TRUE(written) << why(written);
    cut = database().disconnect_all();
    Status status = await(db().in_transaction(ctx(), increment()));
    EXPECT_TRUE(status) << why(status);
  }
  EXPECT_EQ(n_of(1), 6);
}

TEST_P(FaultTest, ATransactionCutBeforeCommitRunsAgain) {
  create_counters(1);
  Status status = await(db().in_transaction(ctx(), [&](Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = 1")));
    if (++tries_ == 1) {
      Status cut = database().disconnect_all();
      EXPECT_TRUE(cut) << why(cut);
    }
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = n + 10 WHERE id = 1")));
    co_return Status{};
  }));
  EXPECT_TRUE(status) << why(status);
  EXPECT_EQ(tries_, 2);
  EXPECT_EQ(n_of(1), 11);
}

TEST_P(FaultTest, ATransactionOfWhichNothingIsHeardLetsGoOfItsLocks) {
  create_counters(1);
  const auto began = Clock::now();
  Status status = await(db().in_transaction(ctx(), [&](Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = 1")));
    if (++tries_ == 1) {
      // Waits for the lock that this transaction holds.
      auto other = co_await db().run(ctx(), sql("UPDATE t SET n = n + 10 WHERE id = 1"));
      EXPECT_TRUE(other) << why(other);
    }
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = n + 100 WHERE id = 1")));
    co_return Status{};
  }));
  EXPECT_TRUE(status) << why(status);
  EXPECT_LT(Clock::now() - began, 20s);
  EXPECT_EQ(tries_, 2);
  EXPECT_EQ(n_of(1), 111);
}

TEST_P(FaultTest, AReadWithoutAnswerRunsAgain) {
  create_counters(1);
  ASSERT_TRUE(run_through("SELECT n FROM t"));
  proxy_->cut_after("marked");
  Result<Rows> rows = run_through("SELECT n AS marked FROM t");
  EXPECT_TRUE(rows) << why(rows);
  EXPECT_EQ(proxy_->cuts(), 1);
}

TEST_P(FaultTest, ACommitWithoutAnswerIsSaidToBeUnknown) {
  create_counters(1);
  // The first transaction of this Database, so that COMMIT travels as text.
  proxy_->cut_after("COMMIT");
  Status status = await(through_->in_transaction(ctx(), increment()));
  EXPECT_EQ(id_of(status), "DATABASE_COMMIT_UNKNOWN") << why(status);
  EXPECT_EQ(proxy_->cuts(), 1);
  EXPECT_EQ(tries_, 1);
  EXPECT_EQ(n_of(1), 1);  // it did happen, once
}

TEST_P(FaultTest, TheSameWithAStatementBeforeCommit) {
  create_counters(1);
  proxy_->cut_after("COMMIT");
  Database::Body body = [&](Transaction& tx) -> Task<Status> {
    tx.before_commit(sql("UPDATE t SET n = n + 1 WHERE id = 1"), [](Error e) { return e; });
    co_return Status{};
  };
  Status status = await(through_->in_transaction(ctx(), body));
  EXPECT_EQ(id_of(status), "DATABASE_COMMIT_UNKNOWN") << why(status);
  EXPECT_EQ(proxy_->cuts(), 1);
  EXPECT_EQ(n_of(1), 1);
}

TEST_P(FaultTest, AWriteWithoutAnswerIsNotRepeated) {
  create_counters(1);
  auto update = sql("UPDATE t SET n = n + 1 WHERE id = 1 AND 'x' <> ?", {Value("marked")});
  proxy_->cut_after("marked");
  Result<Rows> rows = await(through_->run(ctx(), update));
  EXPECT_EQ(id_of(rows), "DATABASE_COMMIT_UNKNOWN") << why(rows);
  EXPECT_EQ(proxy_->cuts(), 1);
  EXPECT_EQ(n_of(1), 1);
}

TEST_P(FaultTest, CallsWaitWhileTheServerIsAway) {
  create_counters(1);
  ASSERT_TRUE(run_through("SELECT n FROM t"));
  proxy_->set_away(true);
  auto reader = [&]() -> Task<Result<Rows>> {
    co_return co_await through_->run(ctx(), sql("SELECT n FROM t"));
  };
  auto read = launch(reader(), 0);
  auto written = launch(through_->in_transaction(ctx(), increment()), 1);
  EXPECT_EQ(read.wait_for(400ms), std::future_status::timeout);
  EXPECT_EQ(written.wait_for(100ms), std::future_status::timeout);
  proxy_->set_away(false);
  auto start = Clock::now();
  Result<Rows> rows = read.get();
  Status status = written.get();
  EXPECT_TRUE(rows) << why(rows);
  EXPECT_TRUE(status) << why(status);
  EXPECT_LT(Clock::now() - start, 3s);
  EXPECT_EQ(n_of(1), 1);
}

TEST_P(FaultTest, CallsEndAtTheirDeadlineWhileTheServerIsAway) {
  ASSERT_TRUE(run_through("SELECT 1"));
  proxy_->set_away(true);
  for (bool write : {false, true}) {
    Context hurried;
    hurried.deadline = Clock::now() + 500ms;
    auto start = Clock::now();
    Status status;
    if (write) {
      status = await(through_->in_transaction(hurried, increment()));
    } else {
      Result<Rows> rows = await(through_->run(hurried, sql("SELECT 1")));
      if (!rows) status = fail(rows.error());
    }
    EXPECT_TRUE(id_of(status) == "DATABASE_UNAVAILABLE" || id_of(status) == "DATABASE_TIMEOUT")
        << why(status);
    EXPECT_LT(Clock::now() - start, 2s);
  }
  Context short_patience;
  short_patience.deadline = Clock::now() + 300ms;
  EXPECT_FALSE(await(through_->ping(short_patience)));
  proxy_->set_away(false);
  EXPECT_TRUE(await(through_->ping(ctx())));
}

HALCYON_INSTANTIATE_DIALECTS(FaultTest);

// SQLite between processes.

constexpr const char* kFileVariable = "HALCYON_TEST_SQLITE_FILE";
constexpr int kChildRounds = 40;

Database::Body increment_on(Database& db, const Context& ctx) {
  return [&db, &ctx](Transaction& tx) -> Task<Status> {
    CO_TRY(Rows rows, co_await tx.run(ctx, testing::statement(db.dialect(), "SELECT n FROM t")));
    int64_t next = std::stoll(std::string(rows.cell(0, 0).text())) + 1;
    CO_TRY_STATUS(co_await tx.run(
        ctx, testing::statement(db.dialect(), "UPDATE t SET n = ?", {Value(next)})));
    co_return Status{};
  };
}

void increment_often(runtime::IoPool& io, Database& db) {
  Context ctx;
  for (int i = 0; i < kChildRounds; ++i) {
    Status status = runtime::run(io.thread(0), db.in_transaction(ctx, increment_on(db, ctx)));
    ASSERT_TRUE(status) << status.error().internal;
    Result<Rows> rows = runtime::run(
        io.thread(0), db.run(ctx, testing::statement(db.dialect(), "UPDATE t SET n = n + 1")));
    ASSERT_TRUE(rows) << rows.error().internal;
  }
}

// Run by SqliteProcessesShareOneFile in processes of its own.
TEST(SqliteProcess, DISABLED_Child) {
  const char* file = std::getenv(kFileVariable);
  ASSERT_NE(file, nullptr);
  runtime::IoPool io(1);
  Options options;
  options.storage = file;
  auto opened = runtime::run(io.thread(0), open(options, io));
  ASSERT_TRUE(opened) << opened.error().internal;
  increment_often(io, **opened);
  runtime::run(io.thread(0), (*opened)->close());
}

pid_t start_child(const std::string& file) {
  std::string variable = std::string(kFileVariable) + "=" + file;
  char program[] = "/proc/self/exe", filter[] = "--gtest_filter=SqliteProcess.DISABLED_Child",
       disabled[] = "--gtest_also_run_disabled_tests", brief[] = "--gtest_brief=1";
  char* arguments[] = {program, filter, disabled, brief, nullptr};
  char* environment[] = {variable.data(), nullptr};
  pid_t pid = ::fork();
  if (pid == 0) {
    ::execve(program, arguments, environment);
    ::_exit(127);
  }
  return pid;
}

TEST(SqliteProcess, ProcessesShareOneFile) {
  auto created = testing::TestDatabase::create(DialectKind::kSqlite);
  ASSERT_TRUE(created) << created.error().internal;
  testing::TestDatabase& database = **created;
  Context ctx;
  for (const char* text : {"CREATE TABLE t (n INTEGER)", "INSERT INTO t (n) VALUES (0)"}) {
    ASSERT_TRUE(
        database.await(database.db().run(ctx, testing::statement(database.db().dialect(), text))));
  }
  std::vector<pid_t> children;
  for (int i = 0; i < 2; ++i) children.push_back(start_child(database.options().storage));
  increment_often(database.io(), database.db());
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
  auto rows = database.await(
      database.db().run(ctx, testing::statement(database.db().dialect(), "SELECT n FROM t")));
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->cell(0, 0).text(), std::to_string(3 * 2 * kChildRounds));
}

// The writer of one Database keeps the other's waiting no longer than its deadline.
TEST(SqliteProcess, TheOtherWriterIsWaitedForUntilTheDeadline) {
  auto created = testing::TestDatabase::create(DialectKind::kSqlite);
  ASSERT_TRUE(created) << created.error().internal;
  testing::TestDatabase& database = **created;
  auto other = database.open_another();
  ASSERT_TRUE(other);
  Context ctx;
  const Dialect& dialect = other->dialect();
  ASSERT_TRUE(database.await(
      database.db().run(ctx, testing::statement(dialect, "CREATE TABLE t (n INTEGER)"))));
  Status status =
      database.await(database.db().in_transaction(ctx, [&](Transaction& tx) -> Task<Status> {
        auto insert = testing::statement(dialect, "INSERT INTO t (n) VALUES (1)");
        CO_TRY_STATUS(co_await tx.run(ctx, insert));
        Context hurried;
        hurried.deadline = Clock::now() + 200ms;
        auto start = Clock::now();
        Result<Rows> late = co_await other->run(hurried, insert);
        EXPECT_FALSE(late);
        if (!late) EXPECT_EQ(late.error().id, "DATABASE_TIMEOUT") << late.error().internal;
        EXPECT_LT(Clock::now() - start, 2s);
        auto select = testing::statement(dialect, "SELECT count(*) FROM t");
        CO_TRY(Rows rows, co_await other->run(ctx, select));
        EXPECT_EQ(rows.cell(0, 0).text(), "0");
        co_return Status{};
      }));
  EXPECT_TRUE(status) << status.error().internal;
  EXPECT_TRUE(
      database.await(other->run(ctx, testing::statement(dialect, "INSERT INTO t (n) VALUES (2)"))));
  database.await(other->close());
}

}  // namespace
}  // namespace halcyon::sql
