#include "sql/postgres/driver.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>

#include "base/log.h"
#include "base/text.h"
#include "runtime/io.h"
#include "sql/driver_transaction.h"
#include "sql/errors.h"
#include "sql/postgres/driver_hints.h"
#include "sql/postgres/driver_lane.h"
#include "sql/postgres/driver_pool.h"

namespace halcyon::sql::postgres {

namespace {

using Outcome = Session::Outcome;
using runtime::Clock;

Error closed() { return database_error("DATABASE_UNAVAILABLE", "the database is closed"); }
Error too_late() { return database_error("DATABASE_TIMEOUT", "the deadline has passed"); }

enum class Route { kLane, kPool, kRefuse };

// Lanes are for what is short and leaves nothing behind in the session.
Route route_of(const Statement& statement) {
  std::string_view text = statement.text;
  size_t start = text.find_first_not_of(" \t\r\n(");
  if (start != std::string_view::npos) text.remove_prefix(start);
  if (starts_with_ci(text, "copy")) return Route::kRefuse;
  if (statement.is_slow) return Route::kPool;
  constexpr std::array<std::string_view, 6> kShort{"select", "insert", "update",
                                                   "delete", "with",   "values"};
  for (std::string_view verb : kShort) {
    if (starts_with_ci(text, verb)) return Route::kLane;
  }
  return Route::kPool;
}

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(std::shared_ptr<Core> core, runtime::IoPool& io)
      : core_(std::move(core)), io_(io), pool_(std::make_shared<Pool>(core_, io)) {
    for (size_t t = 0; t < io.size(); ++t) {
      auto& lanes = lanes_.emplace_back();
      for (int i = 0; i < core_->options().lanes_per_thread; ++i) {
        lanes.push_back(std::make_shared<Lane>(core_, io.thread(t)));
      }
    }
  }
  ~PostgresDatabase() override {
    if (notify_) notify_->close();
    shut_down({});
  }

  // Connects once, as a check, and starts the lanes.
  Task<Status> start();

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override;
  Task<Status> in_transaction(const Context& ctx, Body body) override {
    if (closed_) co_return fail(closed());
    Busy busy(*this);
    co_return co_await retry_transaction(ctx, [&] { return attempt(ctx, body); }, core_->retries);
  }
  Task<Status> ping(const Context& ctx) override;
  const Dialect& dialect() const override { return postgres_dialect(); }
  const Options& options() const override { return core_->options(); }
  PoolStats stats() const override;
  Task<Result<std::vector<Standby>>> standbys(const Context& ctx) override;
  uint64_t losses() const override { return core_->losses; }
  Task<void> close() override;
  void hint(std::string channel) override { notify().hint(std::move(channel)); }
  void on_hint(std::string channel, Hints::Callback callback) override {
    notify().listen(std::move(channel), std::move(callback));
  }
  Task<Result<std::unique_ptr<Database>>> open_beside(runtime::IoPool& io) override {
    Options options = core_->options();
    options.pool_max = 2;
    options.pool_min = 0;
    options.lanes_per_thread = 1;
    co_return co_await open_postgres(std::move(options), io);
  }

 private:
  class Tx;

  // Counts the calls under way, for close().
  struct Busy {
    explicit Busy(PostgresDatabase& d) : db(d) { db.busy_.fetch_add(1); }
    ~Busy() { db.busy_.fetch_sub(1); }
    Busy(const Busy&) = delete;
    PostgresDatabase& db;
  };

  Lane* pick_lane();
  Task<Attempt> try_on_pool(const Context& ctx, const Statement& statement, Rows& rows);
  Task<Attempt> attempt(const Context& ctx, const Body& body);
  void shut_down(const std::shared_ptr<std::atomic<int>>& left);
  NotifyHints& notify();
  void send_notify(std::string channel);

  std::shared_ptr<Core> core_;
  runtime::IoPool& io_;
  std::shared_ptr<Pool> pool_;
  std::vector<std::vector<std::shared_ptr<Lane>>> lanes_;  // by io thread
  std::atomic<bool> closed_{false}, lanes_closed_{false};
  std::atomic<int> busy_{0};
  std::once_flag notify_once_;
  std::shared_ptr<NotifyHints> notify_;  // made with the first hint
};

NotifyHints& PostgresDatabase::notify() {
  std::call_once(notify_once_, [this] {
    auto send = [this](std::string channel) { send_notify(std::move(channel)); };
    notify_ = std::make_shared<NotifyHints>(core_->options(), io_.thread(0), std::move(send));
  });
  return *notify_;
}

// On io thread 0. Not waited for: a hint that is lost is made good by looking.
void PostgresDatabase::send_notify(std::string channel) {
  if (closed_) return;
  auto task = [](PostgresDatabase& db, std::string name) -> Task<void> {
    Context ctx;
    ctx.deadline = Clock::now() + std::chrono::seconds(2);
    Statement statement;
    statement.text = "SELECT pg_notify($1, '')";
    statement.params = {Value(std::move(name))};
    statement.is_write = true;
    (void)co_await db.run(ctx, std::move(statement));
  };
  runtime::start_here(task(*this, std::move(channel)), [] {});
}

// The least busy one of this thread; from elsewhere, of the first.
Lane* PostgresDatabase::pick_lane() {
  auto* here = runtime::IoThread::current();
  size_t index = 0;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    if (&io_.thread(i) == here) index = i;
  }
  auto& lanes = lanes_[index];
  if (lanes.empty()) return nullptr;
  if (&lanes.front()->io() != here) return lanes.front().get();
  return std::ranges::min_element(lanes, {}, [](const auto& lane) { return lane->load(); })->get();
}

Task<Result<Rows>> PostgresDatabase::run(const Context& ctx, Statement statement) {
  if (closed_) co_return fail(closed());
  if (ctx.expired()) co_return fail(too_late());
  Busy busy(*this);
  core_->statements.fetch_add(1, std::memory_order_relaxed);
  if (core_->options().log_statements) log_info("sql", {{"text", statement.text}});
  Route route = route_of(statement);
  if (route == Route::kRefuse) {
    co_return fail(database_error("SQL_SYNTAX", "COPY is not supported"));
  }
  Lane* lane = route == Route::kLane ? pick_lane() : nullptr;
  for (int tries = 1; lane != nullptr; ++tries) {
    Lane::Call call(statement, ctx);
    call.typed_text = core_->typed_texts.contains(statement.text);
    co_await lane->execute(call);
    if (call.outcome == Outcome::kAnswered) co_return std::move(call.rows);
    if (call.outcome == Outcome::kSlow) break;
    auto pause = retry_pause(tries);
    bool again = call.outcome == Outcome::kFailed && is_conflict(call.error);
    if (!again || ctx.expired() || ctx.remaining() <= pause) co_return fail(std::move(call.error));
    core_->retries.fetch_add(1, std::memory_order_relaxed);
    co_await runtime::sleep_for(pause);
  }
  Rows rows;
  CO_TRY_STATUS(co_await retry_transaction(
      ctx, [&] { return try_on_pool(ctx, statement, rows); }, core_->retries));
  co_return rows;
}

Task<Attempt> PostgresDatabase::try_on_pool(const Context& ctx, const Statement& statement,
                                            Rows& rows) {
  Result<Pool::Lease> lease = co_await pool_->acquire(ctx);
  if (!lease) co_return Attempt(fail(std::move(lease).error()), false);
  Pool::Call call(statement, ctx);
  call.typed_text = core_->typed_texts.contains(statement.text);
  co_await lease->execute(call);
  if (call.outcome == Outcome::kAnswered) {
    rows = std::move(call.rows);
    co_return Attempt();
  }
  bool again = call.outcome == Outcome::kNotExecuted || call.outcome == Outcome::kStale ||
               core_->wants_typed_text(call) ||
               (call.outcome == Outcome::kFailed && is_transient(call.error));
  co_return Attempt(fail(std::move(call.error)), again);
}

// One try of a transaction: BEGIN goes out with its first statement.
class PostgresDatabase::Tx final : public DriverTransaction {
 public:
  Tx(PostgresDatabase& db, Pool::Lease& lease) : db_(db), lease_(lease) {}

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override {
    if (failure_) co_return fail(*failure_);
    if (ctx.expired()) co_return refuse(too_late(), false);
    if (route_of(statement) == Route::kRefuse) {
      co_return refuse(database_error("SQL_SYNTAX", "COPY is not supported"), false);
    }
    db_.core_->statements.fetch_add(1, std::memory_order_relaxed);
    Pool::Call call(statement, ctx);
    call.in_transaction = true;
    call.typed_text = db_.core_->typed_texts.contains(statement.text);
    bool begin = !std::exchange(begun_, true);
    co_await lease_.execute(call, begin);
    if (call.outcome == Outcome::kAnswered) co_return std::move(call.rows);
    bool again = call.outcome == Outcome::kNotExecuted || call.outcome == Outcome::kStale ||
                 db_.core_->wants_typed_text(call) || is_transient(call.error);
    co_return refuse(std::move(call.error), again && call.outcome != Outcome::kTimeout);
  }
  const Dialect& dialect() const override { return db_.dialect(); }

  Task<Attempt> finish(const Context& ctx, bool commit) {
    if (commit && last_) co_return co_await commit_after_last(ctx);
    if (!begun_) co_return Attempt();
    Statement statement;
    statement.text = commit ? "COMMIT" : "ROLLBACK";
    statement.is_write = true;
    Pool::Call call(statement, ctx);
    call.in_transaction = !commit;
    call.one_way = commit;
    co_await lease_.execute(call);
    if (call.outcome == Outcome::kAnswered) co_return Attempt();
    // Not executed is what was not even sent, as the connection was known to be lost.
    bool again = call.outcome == Outcome::kNotExecuted ||
                 (call.outcome == Outcome::kFailed && is_transient(call.error));
    co_return Attempt(fail(std::move(call.error)), again);
  }

  bool may_retry() const { return may_retry_; }

 private:
  // The last statement and COMMIT in one packet: when the first fails, the server skips the second.
  Task<Attempt> commit_after_last(const Context& ctx) {
    const Statement& last = last_->statement;
    db_.core_->statements.fetch_add(1, std::memory_order_relaxed);
    Statement end;
    end.text = "COMMIT";
    end.is_write = true;
    Pool::Companion first(last, ctx);
    first.typed_text = db_.core_->typed_texts.contains(last.text);
    Pool::Call call(end, ctx);
    call.one_way = true;
    co_await lease_.execute(call, !std::exchange(begun_, true), &first);
    if (call.outcome == Outcome::kAnswered) co_return Attempt();
    // COMMIT was sent and nothing came back: whatever became of the first, this may have happened.
    if (call.outcome == Outcome::kUnknown) co_return Attempt(fail(std::move(call.error)), false);
    if (first.outcome == Outcome::kAnswered) {
      bool again = call.outcome == Outcome::kNotExecuted || is_transient(call.error);
      co_return Attempt(fail(std::move(call.error)), again);
    }
    bool again = first.outcome == Outcome::kNotExecuted || first.outcome == Outcome::kStale ||
                 db_.core_->wants_typed_text(first) || is_transient(first.error);
    again = again && first.outcome != Outcome::kTimeout;
    Error error = again ? std::move(first.error) : last_->explain(std::move(first.error));
    co_return Attempt(fail(std::move(error)), again);
  }

  std::unexpected<Error> refuse(Error error, bool may_retry) {
    failure_ = std::move(error);
    may_retry_ = may_retry;
    return fail(*failure_);
  }

  PostgresDatabase& db_;
  Pool::Lease& lease_;
  bool begun_ = false, may_retry_ = false;
};

Task<Attempt> PostgresDatabase::attempt(const Context& ctx, const Body& body) {
  Result<Pool::Lease> lease = co_await pool_->acquire(ctx);
  if (!lease) co_return Attempt(fail(std::move(lease).error()), false);
  core_->transactions.fetch_add(1, std::memory_order_relaxed);
  Tx tx(*this, *lease);
  Status status;
  std::exception_ptr thrown;
  try {
    status = co_await body(tx);
  } catch (...) {
    thrown = std::current_exception();
  }
  if (status && tx.failure()) status = fail(*tx.failure());
  if (status && !thrown && ctx.expired()) status = fail(too_late());
  if (!status || thrown) {
    // Within its own time: the context's may be over. A connection that does not answer is closed,
    // which rolls back as well.
    Context patience;
    patience.deadline = Clock::now() + std::chrono::seconds(2);
    (void)co_await tx.finish(patience, false);
    if (thrown) std::rethrow_exception(thrown);
    co_return Attempt(std::move(status), tx.failure() && tx.may_retry());
  }
  Attempt committed = co_await tx.finish(ctx, true);
  if (!committed.status) {
    // Not committed for all that is known: without a clean end the pool would close the connection.
    if (committed.status.error().id != "DATABASE_COMMIT_UNKNOWN") {
      Context patience;
      patience.deadline = Clock::now() + std::chrono::seconds(2);
      (void)co_await tx.finish(patience, false);
    }
    co_return committed;
  }
  *lease = Pool::Lease();  // others may have the connection while the actions run
  tx.tell_committed();
  co_return Attempt();
}

Task<Status> PostgresDatabase::ping(const Context& ctx) {
  if (closed_) co_return fail(closed());
  Busy busy(*this);
  Statement statement;
  statement.text = "SELECT 1";
  if (Lane* lane = pick_lane()) {
    Lane::Call call(statement, ctx, true);
    co_await lane->execute(call);
    if (call.outcome == Outcome::kAnswered) co_return Status{};
    co_return fail(std::move(call.error));
  }
  CO_TRY(Pool::Lease lease, co_await pool_->acquire(ctx, true));
  Pool::Call call(statement, ctx);
  co_await lease.execute(call);
  if (call.outcome == Outcome::kAnswered) co_return Status{};
  co_return fail(std::move(call.error));
}

// Users without pg_monitor see that there are standbys, but not how far they are.
Task<Result<std::vector<Standby>>> PostgresDatabase::standbys(const Context& ctx) {
  Statement statement;
  statement.text =
      "SELECT coalesce(nullif(application_name, ''), host(client_addr), ''), "
      "sync_state IN ('sync', 'quorum'), greatest(0, pg_wal_lsn_diff(pg_current_wal_lsn(), "
      "coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn))), "
      "coalesce(extract(epoch FROM coalesce(replay_lag, flush_lag, write_lag)), 0) "
      "FROM pg_stat_replication WHERE state IS NOT NULL";
  CO_TRY(Rows rows, co_await run(ctx, std::move(statement)));
  std::vector<Standby> standbys;
  for (size_t row = 0; row < rows.size(); ++row) {
    Standby standby;
    standby.name = rows.cell(row, 0).text();
    standby.synchronous = rows.cell(row, 1).text() == "t";
    standby.lag_bytes = to_double(rows.cell(row, 2).text()).value_or(0);
    standby.lag_seconds = to_double(rows.cell(row, 3).text()).value_or(0);
    standbys.push_back(std::move(standby));
  }
  co_return standbys;
}

PoolStats PostgresDatabase::stats() const {
  PoolStats stats = pool_->stats();
  for (const auto& lanes : lanes_) {
    for (const auto& lane : lanes) {
      stats.lanes_open += lane->connected() ? 1 : 0;
      stats.lane_load += lane->calls();
    }
    stats.lanes += static_cast<int>(lanes.size());
  }
  stats.open += stats.lanes_open;
  stats.failovers = core_->connector->failovers();
  stats.statements = core_->statements;
  stats.transactions = core_->transactions;
  stats.retries = core_->retries;
  return stats;
}

void PostgresDatabase::shut_down(const std::shared_ptr<std::atomic<int>>& left) {
  closed_ = true;
  pool_->close_idle();
  if (lanes_closed_.exchange(true)) return;
  for (const auto& lanes : lanes_) {
    for (const auto& lane : lanes) {
      if (left) left->fetch_add(1);
      lane->io().post([lane, left] {
        lane->shut_down();
        if (left) left->fetch_sub(1);
      });
    }
  }
}

Task<void> PostgresDatabase::close() {
  if (closed_.exchange(true)) co_return;
  if (notify_) notify_->close();
  while (busy_.load() > 0) co_await runtime::sleep_for(std::chrono::milliseconds(10));
  auto left = std::make_shared<std::atomic<int>>(0);
  shut_down(left);
  core_->connector->stop();
  // A connect under way would come back to an io thread that may be gone by then.
  const auto at_work = [&] {
    return left->load() > 0 || core_->connecting.load() > 0 || (notify_ && notify_->connecting());
  };
  while (at_work()) co_await runtime::sleep_for(std::chrono::milliseconds(1));
}

Task<Status> PostgresDatabase::start() {
  Context ctx;
  ctx.deadline = Clock::now() + std::chrono::milliseconds(core_->options().failover_wait_ms);
  CO_TRY_STATUS(co_await pool_->acquire(ctx));
  pool_->keep_house();
  for (const auto& lanes : lanes_) {
    for (const auto& lane : lanes) {
      lane->io().post([lane] { lane->connect(); });
    }
  }
  co_return Status{};
}

}  // namespace

Task<Result<std::unique_ptr<Database>>> open_postgres(Options options, runtime::IoPool& io) {
  CO_TRY(std::shared_ptr<Connector> connector, Connector::create(options));
  auto core = std::make_shared<Core>(std::move(connector));
  auto database = std::make_unique<PostgresDatabase>(std::move(core), io);
  CO_TRY_STATUS(co_await database->start());
  co_return std::move(database);
}

}  // namespace halcyon::sql::postgres
