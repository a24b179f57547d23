// What every driver must do alike: transactions, conflicts, waiting, deadlines. Runs on each
// dialect.
#include <atomic>
#include <thread>

#include "sql/conformance.h"

namespace halcyon::sql {
namespace {

using namespace std::chrono_literals;
using runtime::Clock;

class TransactionTest : public Conformance {
 protected:
  void adjust(Options& options) override { options.pool_max = 4; }

  Status in_transaction(Database::Body body) { return await(db().in_transaction(ctx(), body)); }
  int64_t n_of(int64_t id) { return number("SELECT n FROM t WHERE id = ?", {Value(id)}); }

  // A statement that takes seconds unless it is broken off.
  Statement slow() {
    Statement statement = slow_text();
    statement.is_slow = true;
    return statement;
  }
  Statement slow_text() {
    switch (GetParam()) {
      case DialectKind::kPostgres:
        return sql("SELECT pg_sleep(20)");
      case DialectKind::kMysql:
      case DialectKind::kMariadb:
        return sql("SELECT sleep(20)");
      case DialectKind::kSqlite:
        break;
    }
    return sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) "
        "SELECT count(*) FROM n");
  }
};

TEST_P(TransactionTest, CommitsAndReturnsItsValue) {
  create_counters(1);
  std::vector<int> order;
  auto result = await(transact<int64_t>(db(), ctx(), [&](Transaction& tx) -> Task<Result<int64_t>> {
    tx.on_commit([&] { order.push_back(1); });
    tx.on_commit([&] { order.push_back(2); });
    CO_TRY(Rows rows, co_await tx.run(ctx(), sql("UPDATE t SET n = 7 WHERE id = 1")));
    EXPECT_TRUE(order.empty());
    co_return rows.affected;
  }));
  ASSERT_TRUE(result) << why(result);
  EXPECT_EQ(*result, 1);
  EXPECT_EQ(order, (std::vector{1, 2}));
  EXPECT_EQ(n_of(1), 7);
}

TEST_P(TransactionTest, AnErrorRollsBack) {
  create_counters(1);
  bool committed = false;
  Status status = in_transaction([&](Transaction& tx) -> Task<Status> {
    tx.on_commit([&] { committed = true; });
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = 7 WHERE id = 1")));
    co_return invalid("NO", "No.");
  });
  EXPECT_EQ(id_of(status), "NO");
  EXPECT_FALSE(committed);
  EXPECT_EQ(n_of(1), 0);
}

TEST_P(TransactionTest, TheStatementBeforeCommitIsPartOfIt) {
  create_counters(2);
  Status status = in_transaction([&](Transaction& tx) -> Task<Status> {
    tx.before_commit(sql("UPDATE t SET n = n + 5 WHERE id = ?", {Value(2)}),
                     [](Error error) { return error; });
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = 7 WHERE id = 1")));
    co_return Status{};
  });
  ASSERT_TRUE(status) << why(status);
  EXPECT_EQ(n_of(1), 7);
  EXPECT_EQ(n_of(2), 5);
}

TEST_P(TransactionTest, WhenTheStatementBeforeCommitFailsNothingIsCommitted) {
  create_counters(1);
  for (int round = 0; round < 4; ++round) {  // also once the statement is prepared
    bool committed = false;
    int tries = 0;
    Status status = in_transaction([&](Transaction& tx) -> Task<Status> {
      ++tries;
      tx.on_commit([&] { committed = true; });
      tx.before_commit(sql("INSERT INTO t (id, n) VALUES (1, 1)"),
                       [](Error error) { return Error(Code::kConflict, "EXPLAINED", error.id); });
      CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = 7 WHERE id = 1")));
      co_return Status{};
    });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().id, "EXPLAINED");
    EXPECT_EQ(status.error().message, "UNIQUE_VIOLATION");
    EXPECT_FALSE(committed);
    EXPECT_EQ(tries, 1);
    EXPECT_EQ(n_of(1), 0);
  }
  EXPECT_EQ(db().stats().waiting, 0);
  must("UPDATE t SET n = 3 WHERE id = 1");
  EXPECT_EQ(n_of(1), 3);
}

TEST_P(TransactionTest, AnExceptionRollsBackAndTravels) {
  create_counters(1);
  EXPECT_THROW((void)in_transaction([&](Transaction& tx) -> Task<Status> {
                 CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = 7 WHERE id = 1")));
                 throw std::logic_error("programmer error");
               }),
               std::logic_error);
  EXPECT_EQ(n_of(1), 0);
  must("UPDATE t SET n = 1 WHERE id = 1");
}

TEST_P(TransactionTest, AFailedStatementEndsTheTransaction) {
  create_counters(2);
  std::string later;
  Status status = in_transaction([&](Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = 7 WHERE id = 1")));
    Result<Rows> failed = co_await tx.run(ctx(), sql("INSERT INTO t (id, n) VALUES (2, 2)"));
    EXPECT_EQ(id_of(failed), "UNIQUE_VIOLATION") << why(failed);
    later = id_of(co_await tx.run(ctx(), sql("UPDATE t SET n = 8 WHERE id = 1")));
    co_return Status{};  // swallowed, and yet nothing is committed
  });
  EXPECT_EQ(id_of(status), "UNIQUE_VIOLATION") << why(status);
  EXPECT_EQ(later, "UNIQUE_VIOLATION");
  EXPECT_EQ(n_of(1), 0);
  must("UPDATE t SET n = 1 WHERE id = 1");
}

TEST_P(TransactionTest, SeesItsOwnWritesAndNobodyElseDoes) {
  create_counters(1);
  Status status = in_transaction([&](Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = 7 WHERE id = 1")));
    CO_TRY(Rows own, co_await tx.run(ctx(), sql("SELECT n FROM t WHERE id = 1")));
    EXPECT_EQ(own.cell(0, 0).text(), "7");
    // Readers go on beside the writer.
    for (int i = 0; i < 5; ++i) {
      CO_TRY(Rows other, co_await db().run(ctx(), sql("SELECT n FROM t WHERE id = 1")));
      EXPECT_EQ(other.cell(0, 0).text(), "0");
    }
    co_return Status{};
  });
  EXPECT_TRUE(status) << why(status);
  EXPECT_EQ(n_of(1), 7);
}

TEST_P(TransactionTest, AnEmptyTransactionIsFine) {
  int committed = 0;
  Status status = in_transaction([&](Transaction& tx) -> Task<Status> {
    tx.on_commit([&] { ++committed; });
    co_return Status{};
  });
  EXPECT_TRUE(status) << why(status);
  EXPECT_EQ(committed, 1);
}

TEST_P(TransactionTest, ConcurrentIncrementsLoseNothing) {
  create_counters(1);
  constexpr int kTasks = 8, kRounds = 20;
  auto increment = [&](bool read_first) -> Task<Status> {
    for (int i = 0; i < kRounds; ++i) {
      auto body = [&](Transaction& tx) -> Task<Status> {
        if (!read_first) {
          CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = 1")));
          co_return Status{};
        }
        CO_TRY(Rows rows, co_await tx.run(ctx(), locked(1)));
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
  for (int i = 0; i < kTasks; ++i) {
    running.push_back(launch(increment(i % 2 == 0), static_cast<size_t>(i)));
  }
  for (auto& task : running) {
    Status status = task.get();
    EXPECT_TRUE(status) << why(status);
  }
  EXPECT_EQ(n_of(1), kTasks * kRounds);
}

// Two transactions that take two rows in opposite order, made to meet in the middle. SQLite's take
// turns from the start and cannot deadlock.
TEST_P(TransactionTest, DeadlocksAreTriedAgain) {
  create_counters(2);
  std::atomic<int> inside{0}, tries{0};
  auto cross = [&](int64_t first, int64_t second) -> Task<Status> {
    auto body = [&](Transaction& tx) -> Task<Status> {
      bool first_try = tries.fetch_add(1) < 2;
      CO_TRY_STATUS(
          co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = ?", {Value(first)})));
      inside.fetch_add(1);
      bool meet = first_try && !on(DialectKind::kSqlite);
      while (meet && inside.load() < 2) co_await runtime::sleep_for(5ms);
      CO_TRY_STATUS(
          co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = ?", {Value(second)})));
      co_return Status{};
    };
    co_return co_await db().in_transaction(ctx(), body);
  };
  auto one = launch(cross(1, 2), 0);
  auto two = launch(cross(2, 1), 1);
  Status first = one.get(), second = two.get();
  EXPECT_TRUE(first) << why(first);
  EXPECT_TRUE(second) << why(second);
  EXPECT_EQ(n_of(1), 2);
  EXPECT_EQ(n_of(2), 2);
  if (!on(DialectKind::kSqlite)) {
    EXPECT_GE(db().stats().retries, 1);
  }
}

TEST_P(TransactionTest, AConflictIsTriedAgainEvenWhenTheBodyHidesIt) {
  create_counters(2);
  if (on(DialectKind::kSqlite)) GTEST_SKIP() << "its writers take turns";
  std::atomic<int> inside{0}, tries{0};
  auto cross = [&](int64_t first, int64_t second) -> Task<Status> {
    auto body = [&](Transaction& tx) -> Task<Status> {
      bool first_try = tries.fetch_add(1) < 2;
      (void)co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = ?", {Value(first)}));
      inside.fetch_add(1);
      while (first_try && inside.load() < 2) co_await runtime::sleep_for(5ms);
      (void)co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = ?", {Value(second)}));
      co_return Status{};
    };
    co_return co_await db().in_transaction(ctx(), body);
  };
  auto one = launch(cross(1, 2), 0);
  auto two = launch(cross(2, 1), 1);
  Status first = one.get(), second = two.get();
  EXPECT_TRUE(first) << why(first);
  EXPECT_TRUE(second) << why(second);
  EXPECT_EQ(n_of(1), 2);
  EXPECT_EQ(n_of(2), 2);
}

TEST_P(TransactionTest, AutocommitWritesFailAloneInACrowd) {
  create_counters(1);
  auto insert = [&](int64_t id) -> Task<Result<Rows>> {
    co_return co_await db().run(ctx(), sql("INSERT INTO t (id, n) VALUES (?, 1)", {Value(id)}));
  };
  std::vector<std::future<Result<Rows>>> running;
  for (int i = 0; i < 200; ++i) {  // every id twice
    running.push_back(launch(insert(100 + i / 2), static_cast<size_t>(i)));
  }
  int done = 0, duplicates = 0;
  for (auto& task : running) {
    Result<Rows> rows = task.get();
    if (rows) {
      ++done;
      EXPECT_EQ(rows->affected, 1);
    } else {
      ++duplicates;
      EXPECT_EQ(rows.error().id, "UNIQUE_VIOLATION") << why(rows);
    }
  }
  EXPECT_EQ(done, 100);
  EXPECT_EQ(duplicates, 100);
  EXPECT_EQ(number("SELECT count(*) FROM t"), 101);
}

TEST_P(TransactionTest, AStatementEndsAtTheDeadline) {
  must("SELECT 1");
  for (bool in_body : {false, true}) {
    Context hurried;
    hurried.deadline = Clock::now() + 300ms;
    auto start = Clock::now();
    Status status;
    if (in_body) {
      status = await(db().in_transaction(hurried, [&](Transaction& tx) -> Task<Status> {
        CO_TRY_STATUS(co_await tx.run(hurried, slow()));
        co_return Status{};
      }));
    } else {
      Result<Rows> rows = await(db().run(hurried, slow()));
      if (!rows) status = fail(rows.error());
    }
    EXPECT_EQ(id_of(status), "DATABASE_TIMEOUT") << why(status);
    EXPECT_LT(Clock::now() - start, 3s);
    EXPECT_EQ(number("SELECT 1"), 1);
  }
}

TEST_P(TransactionTest, ACancelledRequestStopsItsStatement) {
  Context leaving;
  auto task = [&]() -> Task<Result<Rows>> { co_return co_await db().run(leaving, slow()); };
  auto start = Clock::now();
  auto running = launch(task());
  while (db().stats().statements == 0) std::this_thread::yield();
  leaving.cancelled = true;
  Result<Rows> rows = running.get();
  EXPECT_EQ(id_of(rows), "DATABASE_TIMEOUT") << why(rows);
  EXPECT_LT(Clock::now() - start, 5s);
  EXPECT_EQ(number("SELECT 1"), 1);
}

TEST_P(TransactionTest, ADeadlineThatHasPassedDoesNothing) {
  create_counters(1);
  Context late;
  late.deadline = Clock::now() - 1ms;
  EXPECT_EQ(id_of(await(db().run(late, sql("UPDATE t SET n = 9 WHERE id = 1")))),
            "DATABASE_TIMEOUT");
  Status status = await(db().in_transaction(late, [&](Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = 9 WHERE id = 1")));
    co_return Status{};
  }));
  EXPECT_EQ(id_of(status), "DATABASE_TIMEOUT");
  EXPECT_EQ(n_of(1), 0);
}

TEST_P(TransactionTest, ADeadlineThatPassesInTheBodyRollsBack) {
  create_counters(1);
  Context hurried;
  hurried.deadline = Clock::now() + 300ms;
  Status status = await(db().in_transaction(hurried, [&](Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await tx.run(hurried, sql("UPDATE t SET n = 9 WHERE id = 1")));
    while (!hurried.expired()) co_await runtime::sleep_for(20ms);
    co_return Status{};
  }));
  EXPECT_EQ(id_of(status), "DATABASE_TIMEOUT") << why(status);
  EXPECT_EQ(n_of(1), 0);
}

class PoolTest : public TransactionTest {
 protected:
  void adjust(Options& options) override {
    options.pool_max = 2;
    options.pool_acquire_ms = 400;
  }
  // As many transactions as there may be at once, holding on until `go`.
  std::vector<std::future<Status>> occupy(std::atomic<bool>& go) {
    int count = on(DialectKind::kSqlite) ? 1 : 2;
    auto inside = std::make_shared<std::atomic<int>>(0);
    auto hold = [](PoolTest* test, std::atomic<bool>* leave, int64_t id,
                   std::shared_ptr<std::atomic<int>> counter) -> Task<Status> {
      auto body = [&](Transaction& tx) -> Task<Status> {
        CO_TRY_STATUS(co_await tx.run(
            test->ctx(), test->sql("UPDATE t SET n = n + 1 WHERE id = ?", {Value(id)})));
        counter->fetch_add(1);
        while (!leave->load()) co_await runtime::sleep_for(10ms);
        co_return Status{};
      };
      co_return co_await test->db().in_transaction(test->ctx(), body);
    };
    std::vector<std::future<Status>> running;
    for (int i = 0; i < count; ++i) {
      running.push_back(launch(hold(this, &go, i + 1, inside), static_cast<size_t>(i)));
    }
    while (inside->load() < count) std::this_thread::yield();
    return running;
  }
};

TEST_P(PoolTest, AFullPoolMakesTransactionsWaitThenSaysSo) {
  create_counters(3);
  std::atomic<bool> go{false};
  auto running = occupy(go);
  auto body = [&](Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await tx.run(ctx(), sql("UPDATE t SET n = n + 1 WHERE id = 3")));
    co_return Status{};
  };
  auto start = Clock::now();
  Status status = in_transaction(body);
  auto waited = Clock::now() - start;
  EXPECT_EQ(id_of(status), "DATABASE_TIMEOUT") << why(status);
  EXPECT_GE(waited, 350ms);
  EXPECT_LT(waited, 3s);

  auto third = launch(db().in_transaction(ctx(), body));
  while (db().stats().waiting == 0) std::this_thread::yield();
  go = true;
  status = third.get();
  EXPECT_TRUE(status) << why(status);
  for (auto& task : running) EXPECT_TRUE(task.get());
  EXPECT_EQ(n_of(3), 1);
}

TEST_P(PoolTest, ADeadlineEndsTheWait) {
  create_counters(3);
  std::atomic<bool> go{false};
  auto running = occupy(go);
  Context hurried;
  hurried.deadline = Clock::now() + 100ms;
  Status status = await(db().in_transaction(hurried, [&](Transaction&) -> Task<Status> {
    ADD_FAILURE() << "ran";
    co_return Status{};
  }));
  EXPECT_EQ(id_of(status), "DATABASE_TIMEOUT") << why(status);
  go = true;
  for (auto& task : running) EXPECT_TRUE(task.get());
}

HALCYON_INSTANTIATE_DIALECTS(TransactionTest);
HALCYON_INSTANTIATE_DIALECTS(PoolTest);

}  // namespace
}  // namespace halcyon::sql
