// Migrations on real databases: many processes at once, a process that dies anywhere, a lock that
// is lost, older and newer programs side by side.
#include "sql/migrations.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "sql/ddl.h"
#include "sql/testing.h"

namespace halcyon::sql {
namespace {

using namespace std::chrono_literals;
using Phase = MigrationPhase;
using State = MigrationState;

constexpr int kRowsToFill = 25, kBatch = 10;

Error killed() { return Error(Code::kInternal, "KILLED", "The process was killed."); }

// Lets `allowed` statements through and then none any more, as if the process had been killed.
class Mortal final : public Database {
 public:
  Mortal(Database& real, int allowed) : real_(real), left_(allowed) {}
  bool dead() const { return left_ < 0; }

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override {
    if (!lives()) co_return fail(killed());
    co_return co_await real_.run(ctx, std::move(statement));
  }
  Task<Status> in_transaction(const Context& ctx, Body body) override {
    Body inner = [this, &body](Transaction& tx) -> Task<Status> {
      MortalTx mortal(*this, tx);
      co_return co_await body(mortal);
    };
    co_return co_await real_.in_transaction(ctx, inner);
  }
  Task<Status> ping(const Context& ctx) override { return real_.ping(ctx); }
  const Dialect& dialect() const override { return real_.dialect(); }
  const Options& options() const override { return real_.options(); }
  PoolStats stats() const override { return real_.stats(); }
  Task<void> close() override { co_return; }

 private:
  class MortalTx final : public Transaction {
   public:
    MortalTx(Mortal& owner, Transaction& real) : owner_(owner), real_(real) {}
    Task<Result<Rows>> run(const Context& ctx, Statement statement) override {
      if (!owner_.lives()) co_return fail(killed());
      co_return co_await real_.run(ctx, std::move(statement));
    }
    const Dialect& dialect() const override { return real_.dialect(); }
    void on_commit(std::move_only_function<void()> action) override {
      real_.on_commit(std::move(action));
    }
    void before_commit(Statement last, std::function<Error(Error)> explain) override {
      real_.before_commit(std::move(last), std::move(explain));
    }

   private:
    Mortal& owner_;
    Transaction& real_;
  };
  bool lives() { return left_.fetch_sub(1) > 0; }

  Database& real_;
  std::atomic<int> left_;
};

class MigrationsTest : public testing::DatabaseTest {
 protected:
  // The base: a table with rows. 1 expand: a column; 2 expand: fills it, in batches; 3 contract:
  // drops the old column.
  Task<Result<bool>> has_notes(Executor& on, const Context& c) {
    CO_TRY(auto info, co_await describe_table(on, c, "", "notes"));
    if (!info) co_return false;
    CO_TRY(Rows rows, co_await on.run(c, testing::statement(on.dialect(), "SELECT id FROM notes")));
    co_return !rows.empty();
  }
  static TableSpec notes() {
    TableSpec spec;
    spec.name = "notes";
    spec.if_not_exists = true;
    for (const char* name : {"id", "old"}) {
      ColumnSpec column;
      column.name = name;
      column.type.type = Type::kInt64;
      spec.columns.push_back(column);
    }
    spec.primary_key = {"id"};
    return spec;
  }
  static ColumnSpec fresh() {
    ColumnSpec spec;
    spec.name = "fresh";
    spec.type.type = Type::kInt64;
    return spec;
  }
  static Task<Status> run_all(Executor& on, const Context& c, std::vector<std::string> texts) {
    for (std::string& text : texts) {
      CO_TRY(Rows rows, co_await on.run(c, testing::statement(on.dialect(), text)));
    }
    co_return Status{};
  }
  static Task<Result<bool>> has_column(Executor& on, const Context& c, std::string name) {
    CO_TRY(auto info, co_await describe_table(on, c, "", "notes"));
    co_return info&& std::ranges::any_of(
        info->columns, [&](const ColumnSpec& column) { return column.name == name; });
  }
  static Task<Status> make_notes(Executor& on, const Context& c) {
    CO_TRY_STATUS(co_await run_all(on, c, create_table(notes(), on.dialect())));
    std::string values;
    for (int i = 1; i <= kRowsToFill; ++i) {
      values += (i > 1 ? ", (" : "(") + std::to_string(i) + ", 5)";
    }
    CO_TRY(Rows rows, co_await on.run(c, testing::statement(on.dialect(), "SELECT id FROM notes")));
    if (!rows.empty()) co_return Status{};
    co_return co_await run_all(on, c, {"INSERT INTO notes (id, old) VALUES " + values});
  }
  Task<Status> add_fresh(MigrationStep& step) {
    ++added_;
    CO_TRY(bool there, co_await has_column(step.db, step.ctx, "fresh"));
    if (there) co_return Status{};
    TableSpec table = notes();
    table.columns.push_back(fresh());
    co_return co_await run_all(step.db, step.ctx, add_column(table, fresh(), step.db.dialect()));
  }
  // Adds, so that a batch done twice shows.
  Task<Status> fill(MigrationStep& step) {
    const int64_t from = step.cursor.empty() ? 0 : std::stoll(step.cursor);
    CO_TRY(Rows rows,
           co_await step.db.run(
               step.ctx, testing::statement(step.db.dialect(),
                                            "UPDATE notes SET fresh = coalesce(fresh, 0) + old "
                                            "WHERE id > ? AND id <= ?",
                                            {Value(from), Value(from + kBatch)})));
    step.cursor = std::to_string(from + kBatch);
    step.done += rows.affected;
    step.total = kRowsToFill;
    step.finished = from + kBatch >= kRowsToFill;
    co_return Status{};
  }
  Task<Status> drop_old(MigrationStep& step) {
    CO_TRY(bool there, co_await has_column(step.db, step.ctx, "old"));
    if (!there) co_return Status{};
    TableSpec table = notes();
    table.columns.push_back(fresh());
    co_return co_await run_all(step.db, step.ctx, drop_column(table, "old", step.db.dialect()));
  }

  std::vector<Migration> list(int up_to = 3) {
    std::vector<Migration> all{
        {1, "add fresh", Phase::kExpand, [this](MigrationStep& s) { return add_fresh(s); }},
        {2, "fill fresh", Phase::kExpand, [this](MigrationStep& s) { return fill(s); }},
        {3, "drop old", Phase::kContract, [this](MigrationStep& s) { return drop_old(s); }}};
    std::erase_if(all, [&](const Migration& m) { return m.number > up_to; });
    return all;
  }
  std::unique_ptr<Migrations> open(Database& on, int up_to = 3,
                                   std::chrono::milliseconds ttl = 60s) {
    MigrationOptions o;
    o.version = "v" + std::to_string(up_to);
    o.host = "here";
    o.lock_ttl = ttl;
    o.poll_interval = 10ms;
    o.base_fits = [this, &on](const Context& c) { return has_notes(on, c); };
    o.make_base = [this, &on](const Context& c) {
      ++based_;
      return make_notes(on, c);
    };
    o.oldest_member_version = [this](const Context&) -> Task<Result<int64_t>> {
      ++asked_;
      co_return oldest_.load();
    };
    return std::make_unique<Migrations>(on, list(up_to), std::move(o));
  }

  Status start(Migrations& migrations) { return await(migrations.start(ctx())); }
  State state(int number) {
    auto all = await(open(db())->status(ctx()));
    EXPECT_TRUE(all);
    for (const MigrationInfo& info : *all) {
      if (info.number == number) return info.state;
    }
    return State::kPending;
  }
  void expect_filled_once() {
    Rows rows = must("SELECT count(*) AS n, min(fresh) AS a, max(fresh) AS b FROM notes");
    EXPECT_EQ(rows.cell(0, 0).text(), std::to_string(kRowsToFill));
    EXPECT_EQ(rows.cell(0, 1).text(), "5");
    EXPECT_EQ(rows.cell(0, 2).text(), "5");
  }
  void drop_everything() {
    for (const char* name : {"notes", "halcyon_migrations", "halcyon_migration_lock"}) {
      must(std::string("DROP TABLE IF EXISTS ") + name);
    }
  }
  // As time would do it.
  void let_lease_run_out() { (void)run("UPDATE halcyon_migration_lock SET until_ms = 0"); }

  std::atomic<int> based_{0}, added_{0}, asked_{0};
  std::atomic<int64_t> oldest_{3};
};

TEST_P(MigrationsTest, OneOfTenMigratesAndAllAreReady) {
  constexpr int kProcesses = 10;
  oldest_ = 2;
  std::vector<std::unique_ptr<Database>> databases;
  std::vector<std::unique_ptr<Migrations>> all;
  for (int i = 0; i < kProcesses; ++i) {
    databases.push_back(database().open_another());
    all.push_back(open(*databases.back()));
  }
  std::vector<std::future<Status>> started;
  for (auto& migrations : all) {
    started.push_back(std::async(std::launch::async, [&] { return start(*migrations); }));
  }
  for (auto& each : started) {
    Status status = each.get();
    EXPECT_TRUE(status) << status.error().message << " " << status.error().internal;
  }
  for (auto& migrations : all) EXPECT_TRUE(migrations->fit().serves);
  EXPECT_EQ(based_, 1);
  EXPECT_EQ(added_, 1);
  EXPECT_EQ(state(3), State::kPending);
  expect_filled_once();
  all.clear();
}

TEST_P(MigrationsTest, AProcessKilledAnywhereLeavesWhatTheNextFinishes) {
  // Every place on SQLite; on the servers, whose DDL is slow, some.
  const int stride = on(DialectKind::kSqlite) ? 1 : on(DialectKind::kPostgres) ? 7 : 4;
  int steps = 0;
  for (bool died = true; died; steps += stride) {
    ASSERT_LT(steps, 500);
    Mortal mortal(db(), steps);
    Status first = start(*open(mortal));
    died = mortal.dead();
    EXPECT_TRUE(first || died) << first.error().message << " " << first.error().internal;
    let_lease_run_out();
    Status next = start(*open(db()));
    ASSERT_TRUE(next) << steps << ": " << next.error().message << " " << next.error().internal;
    EXPECT_EQ(state(3), State::kApplied) << steps;
    EXPECT_FALSE(await(has_column(db(), ctx(), "old")).value());
    expect_filled_once();
    drop_everything();
  }
  EXPECT_GT(steps, 30);
}

TEST_P(MigrationsTest, ALongMigrationKeepsItsLock) {
  constexpr auto kTtl = 400ms;
  auto other = database().open_another();
  std::atomic<int> runs{0};
  auto slow = [&](Database& on) {
    MigrationOptions o;
    o.lock_ttl = kTtl;
    o.poll_interval = 10ms;
    std::vector<Migration> one{{1, "slow", Phase::kExpand, [&](MigrationStep&) -> Task<Status> {
                                  ++runs;
                                  co_await runtime::sleep_for(kTtl * 4);
                                  co_return Status{};
                                }}};
    return std::make_unique<Migrations>(on, std::move(one), std::move(o));
  };
  auto a = slow(db()), b = slow(*other);
  auto first = std::async(std::launch::async, [&] { return start(*a); });
  EXPECT_TRUE(start(*b));
  EXPECT_TRUE(first.get());
  EXPECT_EQ(runs, 1);
}

TEST_P(MigrationsTest, AHolderThatLostTheLockCommitsNothing) {
  ASSERT_TRUE(start(*open(db(), 1)));
  // Somebody else takes the lock while the batch is under way, in a transaction of its own.
  auto other = database().open_another();
  std::atomic<int> tries{0};
  std::vector<Migration> all = list(1);
  all.push_back(
      {2, "fill fresh", Phase::kExpand, [&](MigrationStep& step) -> Task<Status> {
         if (++tries == 1) {
           // Before the step's first write: SQLite has one writer.
           const bool alone = step.db.dialect().kind() == DialectKind::kSqlite;
           Executor& on = alone ? step.db : static_cast<Executor&>(*other);
           CO_TRY(Rows rows,
                  co_await on.run(step.ctx, testing::statement(on.dialect(),
                                                               "UPDATE halcyon_migration_lock SET "
                                                               "token = token + 1")));
         }
         co_return co_await fill(step);
       }});
  MigrationOptions o;
  o.lock_ttl = 500ms;
  o.poll_interval = 10ms;
  Migrations loser(db(), std::move(all), std::move(o));
  EXPECT_TRUE(start(loser));  // waits until the thief's lease has run out, and does it again
  EXPECT_GE(tries, 4);        // one in vain and three batches
  expect_filled_once();
}

TEST_P(MigrationsTest, ContractsWhenTheLastOlderMemberHasGone) {
  auto older = open(db(), 2);
  ASSERT_TRUE(start(*older));
  oldest_ = 2;
  auto newer = open(db());
  ASSERT_TRUE(start(*newer));
  EXPECT_TRUE(newer->fit().serves);
  EXPECT_TRUE(await(has_column(db(), ctx(), "old")).value());
  EXPECT_EQ(await(newer->contract(ctx())).value(), false);
  EXPECT_EQ(state(3), State::kPending);
  ASSERT_TRUE(await(older->check(ctx())));
  EXPECT_TRUE(older->fit().serves);

  oldest_ = 3;
  EXPECT_EQ(await(newer->contract(ctx())).value(), true);
  EXPECT_FALSE(await(has_column(db(), ctx(), "old")).value());
  EXPECT_TRUE(newer->fit().serves);
  // The older program does not serve any more, and does not start.
  ASSERT_TRUE(await(older->check(ctx())));
  EXPECT_FALSE(older->fit().serves);
  EXPECT_NE(older->fit().reason.find("migration 3 \"drop old\" of version v3"), std::string::npos)
      << older->fit().reason;
  Status refused = start(*open(db(), 2));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id, "SCHEMA_TOO_NEW");
}

TEST_P(MigrationsTest, TakesAnAnnouncementBackWhenAnOlderMemberAppears) {
  ASSERT_TRUE(start(*open(db(), 2)));
  auto newer = open(db());
  // New enough at the first look, not at the second, which comes after the announcement.
  int looks = 0;
  MigrationOptions o;
  o.oldest_member_version = [&](const Context&) -> Task<Result<int64_t>> {
    co_return ++looks == 1 ? 3 : 2;
  };
  Migrations racing(db(), list(), std::move(o));
  EXPECT_EQ(await(racing.contract(ctx())).value(), false);
  EXPECT_EQ(looks, 2);
  EXPECT_EQ(state(3), State::kPending);
  EXPECT_TRUE(await(has_column(db(), ctx(), "old")).value());
  // An announcement whose maker died is taken back by the older program that starts.
  must(
      "INSERT INTO halcyon_migrations (number, name, phase, state, version) "
      "VALUES (3, 'drop old', 'contract', 'announced', 'v3')");
  EXPECT_TRUE(start(*open(db(), 2)));
  EXPECT_EQ(state(3), State::kPending);
  // One that has begun is not.
  must(
      "INSERT INTO halcyon_migrations (number, name, phase, state, version) "
      "VALUES (3, 'drop old', 'contract', 'running', 'v3')");
  Status refused = start(*open(db(), 2));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().id, "SCHEMA_TOO_NEW");
  oldest_ = 2;  // it is finished whoever is there
  EXPECT_EQ(await(newer->contract(ctx())).value(), true);
  EXPECT_EQ(state(3), State::kApplied);
}

TEST_P(MigrationsTest, WhoWasGivenUpReturnsOnlyToADatabaseThatFits) {
  auto older = open(db(), 2);
  ASSERT_TRUE(start(*older));
  const auto may_return = [&] { return await(older->may_return(ctx())); };
  EXPECT_EQ(may_return().value(), true);
  const auto put = [&](const char* state) {
    must("DELETE FROM halcyon_migrations WHERE number = 3");
    must(
        "INSERT INTO halcyon_migrations (number, name, phase, state, version) VALUES "
        "(3, 'drop old', 'contract', ?, 'v3')",
        {Value(std::string(state))});
  };
  // Announced by somebody who is at it: not now. By somebody who died: taken back.
  put("announced");
  must("UPDATE halcyon_migration_lock SET owner = 'another', until_ms = 9000000000000");
  EXPECT_EQ(may_return().value(), false);
  let_lease_run_out();
  EXPECT_EQ(may_return().value(), true);
  EXPECT_EQ(state(3), State::kPending);
  put("running");
  EXPECT_EQ(may_return().value(), false);
  EXPECT_FALSE(older->fit().serves);
}

TEST_P(MigrationsTest, WatchesAndContractsLater) {
  oldest_ = 2;
  MigrationOptions o;
  o.watch_interval = 20ms;
  o.oldest_member_version = [this](const Context&) -> Task<Result<int64_t>> {
    ++asked_;
    co_return oldest_.load();
  };
  o.base_fits = [this](const Context& c) { return has_notes(db(), c); };
  o.make_base = [this](const Context& c) { return make_notes(db(), c); };
  Migrations migrations(db(), list(), std::move(o));
  ASSERT_TRUE(start(migrations));
  migrations.watch(database().io().thread(1));
  const auto until = [&](auto condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(condition());
  };
  const int before = asked_;
  until([&] { return asked_ > before; });
  EXPECT_EQ(state(3), State::kPending);
  oldest_ = 3;
  until([&] { return state(3) == State::kApplied; });
  // A database put back to an older state: unready until it is brought up again.
  must("UPDATE halcyon_migrations SET state = 'running' WHERE number = 2");
  until([&] { return !migrations.fit().serves; });
  EXPECT_NE(migrations.fit().reason.find("lacks migration 2"), std::string::npos);
  must("UPDATE halcyon_migrations SET state = 'applied' WHERE number = 2");
  until([&] { return migrations.fit().serves; });
  await(migrations.stop_watching());
}

TEST_P(MigrationsTest, TellsWhatIsAppliedAndWhatIsPending) {
  auto migrations = open(db());
  auto before = await(migrations->status(ctx()));
  ASSERT_TRUE(before);
  ASSERT_EQ(before->size(), 3u);
  EXPECT_EQ((*before)[0].state, State::kPending);
  ASSERT_TRUE(start(*migrations));
  auto older = await(open(db(), 1)->status(ctx()));
  ASSERT_TRUE(older);
  ASSERT_EQ(older->size(), 3u);
  EXPECT_TRUE((*older)[0].known);
  EXPECT_FALSE((*older)[2].known);
  EXPECT_EQ((*older)[2].name, "drop old");
  EXPECT_EQ((*older)[1].version, "v3");
  EXPECT_EQ((*older)[1].done, kRowsToFill);
  EXPECT_GT((*older)[1].applied_at_ms, 1'600'000'000'000);
}

TEST_P(MigrationsTest, AFailureNamesTheMigrationAndLeavesTheLock) {
  MigrationOptions o;
  std::vector<Migration> bad{{1, "bad", Phase::kExpand, [&](MigrationStep& step) {
                                return run_all(step.db, step.ctx, {"SELECT nothing FROM nowhere"});
                              }}};
  Migrations migrations(db(), bad, o);
  Status failed = start(migrations);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().id, "MIGRATION_FAILED");
  EXPECT_NE(failed.error().message.find("Migration 1 \"bad\""), std::string::npos);
  ASSERT_TRUE(start(*open(db())));  // at once: the lock is free
  EXPECT_THROW(Migrations(db(), {bad[0], bad[0]}, o), std::logic_error);
}

HALCYON_INSTANTIATE_DIALECTS(MigrationsTest);

}  // namespace
}  // namespace halcyon::sql
