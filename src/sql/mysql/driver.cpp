#include "sql/mysql/driver.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include "base/log.h"
#include "runtime/io.h"
#include "sql/driver_transaction.h"
#include "sql/errors.h"
#include "sql/mysql/driver_internal.h"
#include "sql/mysql/driver_pool.h"

namespace halcyon::sql::mysql {

namespace {

Error closed() { return database_error("DATABASE_UNAVAILABLE", "the database is closed"); }

class MysqlDatabase final : public Database {
 public:
  MysqlDatabase(Options options, std::shared_ptr<Pool> pool, bool is_mariadb)
      : options_(std::move(options)),
        dialect_(is_mariadb ? mariadb_dialect() : mysql_dialect()),
        pool_(std::move(pool)) {}

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override;
  Task<Status> in_transaction(const Context& ctx, Body body) override {
    if (closed_) co_return fail(closed());
    Busy busy(*this);
    co_return co_await retry_transaction(ctx, [&] { return attempt(ctx, body); }, retries_);
  }
  Task<Status> ping(const Context& ctx) override;
  const Dialect& dialect() const override { return dialect_; }
  const Options& options() const override { return options_; }
  PoolStats stats() const override {
    PoolStats stats = pool_->stats();
    stats.statements = statements_;
    stats.transactions = transactions_;
    stats.retries = retries_;
    return stats;
  }
  uint64_t losses() const override { return pool_->losses(); }
  Task<void> close() override {
    if (closed_.exchange(true)) co_return;
    while (busy_.load() > 0) co_await runtime::sleep_for(std::chrono::milliseconds(10));
    pool_->close_idle();
  }
  Task<Result<std::unique_ptr<Database>>> open_beside(runtime::IoPool& io) override {
    Options options = options_;
    options.pool_max = 2;
    options.pool_min = 1;
    co_return co_await open_mysql(std::move(options), io);
  }

 private:
  class Tx;

  // Counts the calls under way, for close().
  struct Busy {
    explicit Busy(MysqlDatabase& d) : db(d) { db.busy_.fetch_add(1); }
    ~Busy() { db.busy_.fetch_sub(1); }
    Busy(const Busy&) = delete;
    MysqlDatabase& db;
  };

  Task<Attempt> try_statement(const Context& ctx, const Statement& statement, Rows& rows);
  Task<Attempt> attempt(const Context& ctx, const Body& body);

  const Options options_;
  const Dialect& dialect_;
  std::shared_ptr<Pool> pool_;
  std::atomic<bool> closed_{false};
  std::atomic<int> busy_{0};
  std::atomic<int64_t> statements_{0}, transactions_{0}, retries_{0};
};

class MysqlDatabase::Tx final : public DriverTransaction {
 public:
  Tx(MysqlDatabase& db, Connection& connection) : db_(db), connection_(connection) {}

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override {
    if (failure_) co_return fail(*failure_);
    if (ctx.expired()) {
      failure_ = database_error("DATABASE_TIMEOUT", "the deadline has passed");
      co_return fail(*failure_);
    }
    db_.statements_.fetch_add(1, std::memory_order_relaxed);
    Result<Rows> rows = co_await db_.pool_->on_thread(ctx, connection_, [&]() -> Result<Rows> {
      if (!begun_) {
        TRY_STATUS(connection_.command("START TRANSACTION"));
        begun_ = true;
      }
      return connection_.execute(statement);
    });
    if (!rows) failure_ = rows.error();
    co_return rows;
  }
  const Dialect& dialect() const override { return db_.dialect_; }
  // Runs the statement that goes before COMMIT.
  Task<Status> run_last(const Context& ctx) { co_return co_await sql::run_last(*this, ctx, last_); }

  Task<Status> finish(const Context& ctx, bool commit) {
    if (!begun_ || (!commit && connection_.broken())) co_return Status{};
    co_return co_await db_.pool_->on_thread(ctx, connection_, [&] {
      Status status = connection_.command(commit ? "COMMIT" : "ROLLBACK");
      // Not knowing what state it is in, nobody shall use it.
      if (!status) connection_.discard();
      return status;
    });
  }

 private:
  MysqlDatabase& db_;
  Connection& connection_;
  bool begun_ = false;
};

Task<Attempt> MysqlDatabase::try_statement(const Context& ctx, const Statement& statement,
                                           Rows& rows) {
  Result<Pool::Lease> lease = co_await pool_->acquire(ctx);
  if (!lease) co_return Attempt(fail(std::move(lease).error()), false);
  Connection& connection = **lease;
  Result<Rows> result =
      co_await pool_->on_thread(ctx, connection, [&] { return connection.execute(statement); });
  if (result) {
    rows = std::move(*result);
    co_return Attempt();
  }
  Error error = std::move(result).error();
  bool timed_out = connection.interrupted();
  if (!timed_out && statement.is_write && connection.unanswered()) {
    co_return Attempt(fail(commit_unknown(std::move(error.internal))), false);
  }
  // The server refused or undid it, or it only read.
  bool again = !timed_out && is_transient(error);
  co_return Attempt(fail(std::move(error)), again);
}

Task<Result<Rows>> MysqlDatabase::run(const Context& ctx, Statement statement) {
  if (closed_) co_return fail(closed());
  Busy busy(*this);
  statements_.fetch_add(1, std::memory_order_relaxed);
  Rows rows;
  CO_TRY_STATUS(co_await retry_transaction(
      ctx, [&] { return try_statement(ctx, statement, rows); }, retries_));
  co_return rows;
}

Task<Status> MysqlDatabase::ping(const Context& ctx) {
  if (closed_) co_return fail(closed());
  Busy busy(*this);
  CO_TRY(Pool::Lease lease, co_await pool_->acquire(ctx, true));
  co_return co_await pool_->on_thread(ctx, *lease, [&] { return lease->command("DO 1"); });
}

Task<Attempt> MysqlDatabase::attempt(const Context& ctx, const Body& body) {
  Result<Pool::Lease> lease = co_await pool_->acquire(ctx);
  if (!lease) co_return Attempt(fail(std::move(lease).error()), false);
  transactions_.fetch_add(1, std::memory_order_relaxed);
  Connection& connection = **lease;
  Tx tx(*this, connection);
  Status status;
  std::exception_ptr thrown;
  try {
    status = co_await body(tx);
  } catch (...) {
    thrown = std::current_exception();
  }
  if (status && tx.failure()) status = fail(*tx.failure());
  if (status && !thrown && ctx.expired()) {
    status = fail(database_error("DATABASE_TIMEOUT", "the deadline passed before COMMIT"));
  }
  if (status && !thrown) status = co_await tx.run_last(ctx);
  if (!status || thrown) {
    // Within its own time: the context's may be over. A connection that does not answer is closed,
    // which rolls back as well.
    Context patience;
    patience.deadline = runtime::Clock::now() + std::chrono::seconds(5);
    (void)co_await tx.finish(patience, false);
    if (thrown) std::rethrow_exception(thrown);
    co_return Attempt(std::move(status), tx.failure() && is_transient(*tx.failure()));
  }
  Status committed = co_await tx.finish(ctx, true);
  if (!committed) {
    if (connection.unanswered()) {
      co_return Attempt(fail(commit_unknown(committed.error().internal)), false);
    }
    bool again = is_transient(committed.error());
    co_return Attempt(std::move(committed), again);
  }
  tx.tell_committed();
  co_return Attempt();
}

}  // namespace

Task<Result<std::unique_ptr<Database>>> open_mysql(Options options, runtime::IoPool& io) {
  auto pool = std::make_shared<Pool>(options, io);
  Context ctx;
  ctx.deadline = runtime::Clock::now() + std::chrono::milliseconds(options.failover_wait_ms);
  CO_TRY(Pool::Lease lease, co_await pool->acquire(ctx));
  bool is_mariadb = lease->is_mariadb();
  if (is_mariadb != (options.dialect == DialectKind::kMariadb)) {
    log_warn("DB_DIALECT corrected", {{"server", is_mariadb ? "mariadb" : "mysql"}});
    options.dialect = is_mariadb ? DialectKind::kMariadb : DialectKind::kMysql;
  }
  pool->keep_house();
  co_return std::make_unique<MysqlDatabase>(std::move(options), std::move(pool), is_mariadb);
}

}  // namespace halcyon::sql::mysql
