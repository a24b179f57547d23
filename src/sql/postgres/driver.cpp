#include "sql/postgres/driver.h"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "sql/errors.h"
#include "sql/postgres/driver_pool.h"
#include "sql/transaction_retry.h"

namespace halcyon::sql::postgres {
namespace {

using runtime::Clock;

// Cancels a statement on the server when the deadline passes or the client goes before it is done.
class CancelTimer {
 public:
  CancelTimer(const Context& ctx, Connection& connection, Shared& shared)
      : ctx_(ctx),
        shared_(shared),
        io_(*runtime::IoThread::current()),
        cancel_(connection.canceller()) {
    arm();
  }
  ~CancelTimer() { io_.cancel(token_); }
  CancelTimer(const CancelTimer&) = delete;

 private:
  static constexpr std::chrono::milliseconds kLook{100};  // at the flag of a client that has gone

  void arm() {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(ctx_.remaining());
    token_ = io_.after(std::clamp(left, std::chrono::milliseconds(0), kLook), [this] {
      if (ctx_.expired()) {
        shared_.connectors.submit(cancel_);
      } else {
        arm();
      }
    });
  }

  const Context& ctx_;
  Shared& shared_;
  runtime::IoThread& io_;
  std::function<void()> cancel_;
  uint64_t token_ = 0;
};

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(std::shared_ptr<Shared> shared, runtime::IoPool& io)
      : shared_(std::move(shared)) {
    const int threads = static_cast<int>(io.size());
    const int each = std::max(1, (shared_->options.pool_max + threads - 1) / threads);
    for (size_t i = 0; i < io.size(); ++i) {
      threads_.push_back(
          {&io.thread(i), std::make_shared<ThreadConnections>(shared_, io.thread(i), each)});
    }
    for (auto& thread : threads_) keep_house(*thread.io, thread.connections, shared_);
  }

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override;
  Task<Status> in_transaction(const Context& ctx, Body body) override;
  Task<Status> ping(const Context& ctx) override;
  Task<void> close() override;
  const Dialect& dialect() const override { return postgres_dialect(); }
  const Options& options() const override { return shared_->options; }
  PoolStats stats() const override {
    PoolStats s;
    s.open = shared_->open;
    s.idle = shared_->idle;
    s.waiting = shared_->waiting;
    s.statements = shared_->statements;
    s.transactions = shared_->transactions;
    s.retries = shared_->retries;
    return s;
  }

 private:
  class Tx;
  struct Thread {
    runtime::IoThread* io;
    std::shared_ptr<ThreadConnections> connections;
  };
  struct Busy {
    explicit Busy(std::shared_ptr<Shared> s) : shared(std::move(s)) { shared->busy.fetch_add(1); }
    ~Busy() { shared->busy.fetch_sub(1); }
    Busy(const Busy&) = delete;
    std::shared_ptr<Shared> shared;
  };

  ThreadConnections& here() const {
    const auto* current = runtime::IoThread::current();
    for (const Thread& thread : threads_) {
      if (thread.io == current) return *thread.connections;
    }
    throw std::logic_error("the database is used outside of its io threads");
  }
  static void keep_house(runtime::IoThread& io, std::weak_ptr<ThreadConnections> connections,
                         std::shared_ptr<Shared> shared) {
    io.after(std::chrono::milliseconds(std::max(100, shared->options.pool_evict_ms)),
             [&io, connections, shared] {
               auto alive = connections.lock();
               if (!alive || shared->closed) return;
               alive->evict_idle();
               keep_house(io, connections, shared);
             });
  }
  Task<Attempt> try_statement(const Context& ctx, const Statement& statement, Rows& rows);
  Task<Result<Rows>> run_pooled(const Context& ctx, const Statement& statement);
  Task<Attempt> attempt(const Context& ctx, const Body& body);

  std::shared_ptr<Shared> shared_;
  std::vector<Thread> threads_;
};

class PostgresDatabase::Tx final : public Transaction {
 public:
  Tx(PostgresDatabase& db, Connection& connection) : db_(db), connection_(connection) {}

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override {
    if (!failure_ && ctx.expired())
      failure_ = database_error("DATABASE_TIMEOUT", "the deadline has passed");
    if (failure_) co_return fail(*failure_);
    db_.shared_->statements.fetch_add(1, std::memory_order_relaxed);
    // In a transaction nothing is committed by a statement: a loss of the connection loses it all.
    statement.is_write = false;
    const CancelTimer timer(ctx, connection_, *db_.shared_);
    Result<Rows> rows = co_await connection_.execute(statement, !std::exchange(begun_, true));
    if (!rows) failure_ = rows.error();
    co_return rows;
  }
  const Dialect& dialect() const override { return postgres_dialect(); }
  void on_commit(std::move_only_function<void()> action) override {
    actions_.push_back(std::move(action));
  }

  bool begun() const { return begun_; }
  const std::optional<Error>& failure() const { return failure_; }
  std::vector<std::move_only_function<void()>>& actions() { return actions_; }

 private:
  PostgresDatabase& db_;
  Connection& connection_;
  bool begun_ = false;
  std::optional<Error> failure_;  // of the first statement that failed
  std::vector<std::move_only_function<void()>> actions_;
};

Task<Result<Rows>> PostgresDatabase::run_pooled(const Context& ctx, const Statement& statement) {
  CO_TRY(ThreadConnections::Lease lease, co_await here().acquire(ctx, true));
  const CancelTimer timer(ctx, *lease, *shared_);
  co_return co_await lease->execute(statement);
}

Task<Attempt> PostgresDatabase::try_statement(const Context& ctx, const Statement& statement,
                                              Rows& rows) {
  Result<Rows> result;
  // A lane cannot give up one statement among others, so a short deadline needs its own connection.
  const auto lane_limit = std::chrono::milliseconds(shared_->options.lane_timeout_ms);
  if (statement.is_slow || ctx.remaining() < lane_limit) {
    result = co_await run_pooled(ctx, statement);
  } else {
    auto lane = co_await here().lane(ctx);
    if (!lane) co_return Attempt(fail(std::move(lane).error()), false);
    result = co_await (*lane)->execute(statement);
  }
  if (result) {
    rows = std::move(*result);
    co_return Attempt();
  }
  const bool again = is_transient(result.error());
  co_return Attempt(fail(std::move(result).error()), again);
}

Task<Result<Rows>> PostgresDatabase::run(const Context& ctx, Statement statement) {
  if (shared_->closed)
    co_return fail(database_error("DATABASE_UNAVAILABLE", "the database is closed"));
  if (ctx.expired()) co_return fail(database_error("DATABASE_TIMEOUT", "the deadline has passed"));
  const Busy busy(shared_);
  shared_->statements.fetch_add(1, std::memory_order_relaxed);
  Rows rows;
  // The usual case without the machinery of retries.
  Attempt first = co_await try_statement(ctx, statement, rows);
  if (first.status) co_return rows;
  if (!first.may_retry) co_return std::unexpected(std::move(first.status).error());
  shared_->retries.fetch_add(1, std::memory_order_relaxed);
  CO_TRY_STATUS(co_await retry_transaction(
      ctx, [&] { return try_statement(ctx, statement, rows); }, shared_->retries));
  co_return rows;
}

Task<Attempt> PostgresDatabase::attempt(const Context& ctx, const Body& body) {
  auto lease = co_await here().acquire(ctx, true);
  if (!lease) co_return Attempt(fail(std::move(lease).error()), false);
  shared_->transactions.fetch_add(1, std::memory_order_relaxed);
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
  if (status && !thrown && ctx.expired())
    status = fail(database_error("DATABASE_TIMEOUT", "the deadline passed before COMMIT"));
  if (!status || thrown) {
    if (tx.begun() && !connection.broken()) (void)co_await connection.command("ROLLBACK");
    if (thrown) std::rethrow_exception(thrown);
    co_return Attempt(std::move(status), tx.failure() && is_transient(*tx.failure()));
  }
  if (tx.begun()) {
    Status committed = co_await connection.command("COMMIT");
    if (!committed) {
      const bool again = is_transient(committed.error());
      co_return Attempt(std::move(committed), again);
    }
  }
  for (auto& action : tx.actions()) action();
  co_return Attempt();
}

Task<Status> PostgresDatabase::in_transaction(const Context& ctx, Body body) {
  if (shared_->closed)
    co_return fail(database_error("DATABASE_UNAVAILABLE", "the database is closed"));
  const Busy busy(shared_);
  co_return co_await retry_transaction(ctx, [&] { return attempt(ctx, body); }, shared_->retries);
}

Task<Status> PostgresDatabase::ping(const Context& ctx) {
  if (shared_->closed)
    co_return fail(database_error("DATABASE_UNAVAILABLE", "the database is closed"));
  const Busy busy(shared_);
  CO_TRY(ThreadConnections::Lease lease, co_await here().acquire(ctx, false));
  const CancelTimer timer(ctx, *lease, *shared_);
  Statement statement;
  statement.text = "SELECT 1";
  Result<Rows> rows = co_await lease->execute(statement);
  if (!rows) co_return std::unexpected(std::move(rows).error());
  co_return Status{};
}

Task<void> PostgresDatabase::close() {
  if (shared_->closed.exchange(true)) co_return;
  while (shared_->busy.load() > 0) co_await runtime::sleep_for(std::chrono::milliseconds(10));
  for (auto& thread : threads_) {
    auto starter = [&thread](std::move_only_function<void()> resume) {
      thread.io->post([connections = thread.connections, resume = std::move(resume)]() mutable {
        connections->close();
        resume();
      });
    };
    co_await runtime::Suspend(std::move(starter));
  }
}

}  // namespace

Task<Result<std::unique_ptr<Database>>> open_postgres(Options options, runtime::IoPool& io) {
  Context ctx;
  ctx.deadline = Clock::now() + std::chrono::milliseconds(options.failover_wait_ms);
  auto db = std::make_unique<PostgresDatabase>(std::make_shared<Shared>(std::move(options)), io);
  Statement probe;
  probe.text = "SELECT 1";
  probe.is_slow = true;
  auto reached = co_await db->run(ctx, std::move(probe));
  if (!reached) co_return std::unexpected(std::move(reached).error());
  co_return std::unique_ptr<Database>(std::move(db));
}

}  // namespace halcyon::sql::postgres
