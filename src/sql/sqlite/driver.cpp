#include "sql/sqlite/driver.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>

#include "runtime/blocking_pool.h"
#include "runtime/io.h"
#include "sql/driver_transaction.h"
#include "sql/errors.h"
#include "sql/sqlite/driver_internal.h"
#include "sql/sqlite/driver_writer.h"

namespace halcyon::sql::sqlite {

namespace {

constexpr size_t kFewestReaders = 2, kMostReaders = 8;
constexpr size_t kLongestReadQueue = 20'000;
constexpr auto kOpenWait = std::chrono::seconds(15);

Error closed() { return database_error("DATABASE_UNAVAILABLE", "the database is closed"); }

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(Options options, std::unique_ptr<Connection> writer,
                 std::vector<std::unique_ptr<Connection>> readers)
      : options_(std::move(options)),
        readers_(std::move(readers)),
        reader_count_(static_cast<int>(readers_.size())),
        writer_(std::move(writer)),
        threads_("sqlite-read", readers_.size(), kLongestReadQueue) {}

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override {
    if (closed_) co_return fail(closed());
    statements_.fetch_add(1, std::memory_order_relaxed);
    Busy busy(*this);
    if (statement.is_write) co_return co_await writer_.write(ctx, statement);
    co_return co_await threads_.run([&]() -> Result<Rows> {
      std::unique_ptr<Connection> reader = take_reader();
      Result<Rows> rows = reader->execute(statement, Limits(ctx));
      give_back(std::move(reader));
      return rows;
    });
  }

  const Dialect& dialect() const override { return sqlite_dialect(); }

  Task<Status> in_transaction(const Context& ctx, Body body) override {
    if (closed_) co_return fail(closed());
    Busy busy(*this);
    co_return co_await retry_transaction(ctx, [&] { return attempt(ctx, body); }, retries_);
  }

  Task<Status> ping(const Context& ctx) override {
    Statement statement;
    statement.text = "SELECT 1";
    CO_TRY(Rows rows, co_await run(ctx, std::move(statement)));
    (void)rows;
    co_return Status{};
  }

  PoolStats stats() const override {
    PoolStats stats;
    std::lock_guard lock(mutex_);
    stats.open = reader_count_ + 1;
    stats.idle = static_cast<int>(readers_.size());
    stats.waiting = static_cast<int>(writer_.waiting() + threads_.queued());
    stats.statements = statements_;
    stats.transactions = transactions_;
    stats.retries = retries_;
    return stats;
  }

  const Options& options() const override { return options_; }
  std::chrono::milliseconds longest_stall() const override {
    return std::chrono::milliseconds(options_.pool_acquire_ms);
  }

  Task<void> close() override {
    if (closed_.exchange(true)) co_return;
    while (busy_.load() > 0) co_await runtime::sleep_for(std::chrono::milliseconds(10));
    {
      std::lock_guard lock(mutex_);
      readers_.clear();
    }
    co_await writer_.close();
  }

 private:
  class Tx;

  // Counts the calls under way, for close().
  struct Busy {
    explicit Busy(SqliteDatabase& d) : db(d) { db.busy_.fetch_add(1); }
    ~Busy() { db.busy_.fetch_sub(1); }
    Busy(const Busy&) = delete;
    SqliteDatabase& db;
  };

  // There are as many connections as threads, so one is always free.
  std::unique_ptr<Connection> take_reader() {
    std::lock_guard lock(mutex_);
    auto reader = std::move(readers_.back());
    readers_.pop_back();
    return reader;
  }
  void give_back(std::unique_ptr<Connection> reader) {
    std::lock_guard lock(mutex_);
    readers_.push_back(std::move(reader));
  }

  Task<Attempt> attempt(const Context& ctx, const Body& body);

  const Options options_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> readers_;  // the free ones; guarded by mutex_
  const int reader_count_;
  Writer writer_;
  std::atomic<bool> closed_{false};
  std::atomic<int> busy_{0};
  std::atomic<int64_t> statements_{0}, transactions_{0}, retries_{0};
  runtime::BlockingPool threads_;  // last: joined before the connections are closed
};

class SqliteDatabase::Tx final : public DriverTransaction {
 public:
  explicit Tx(SqliteDatabase& db) : db_(db) {}

  Task<Result<Rows>> run(const Context& ctx, Statement statement) override {
    if (failure_) co_return fail(*failure_);
    db_.statements_.fetch_add(1, std::memory_order_relaxed);
    Result<Rows> rows = co_await db_.writer_.execute(ctx, statement);
    if (!rows) failure_ = rows.error();
    co_return rows;
  }
  const Dialect& dialect() const override { return sqlite_dialect(); }
  // Runs the statement that goes before COMMIT.
  Task<Status> run_last(const Context& ctx) { co_return co_await sql::run_last(*this, ctx, last_); }

 private:
  SqliteDatabase& db_;
};

Task<Attempt> SqliteDatabase::attempt(const Context& ctx, const Body& body) {
  auto until = runtime::Clock::now() + std::chrono::milliseconds(options_.pool_acquire_ms);
  Status turn = co_await writer_.acquire(ctx, until);
  if (!turn) co_return Attempt(std::move(turn), false);
  transactions_.fetch_add(1, std::memory_order_relaxed);
  Tx tx(*this);
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
  bool commit = status && !thrown;
  Status finished = co_await writer_.finish(commit);
  writer_.release();
  if (thrown) std::rethrow_exception(thrown);
  if (!status) {
    bool again = tx.failure() && is_conflict(*tx.failure());
    co_return Attempt(std::move(status), again);
  }
  if (!finished) co_return Attempt(std::move(finished), false);
  tx.tell_committed();
  co_return Attempt();
}

struct Opened {
  std::unique_ptr<Connection> writer;
  std::vector<std::unique_ptr<Connection>> readers;
};

Result<Opened> open_connections(const Options& options) {
  if (options.storage.empty() || options.storage == ":memory:") {
    return invalid("DB_STORAGE", "DB_STORAGE must name a file; \":memory:\" is not supported.");
  }
  std::error_code ignored;  // opening the file tells
  auto folder = std::filesystem::path(options.storage).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  Limits limits(runtime::Clock::now() + kOpenWait);
  Opened opened;
  TRY(opened.writer, Connection::open(options.storage, false, limits));
  size_t readers = std::clamp(runtime::usable_cpus(), kFewestReaders, kMostReaders);
  for (size_t i = 0; i < readers; ++i) {
    TRY(auto reader, Connection::open(options.storage, true, limits));
    opened.readers.push_back(std::move(reader));
  }
  return opened;
}

}  // namespace

Task<Result<std::unique_ptr<Database>>> open_sqlite(Options options, runtime::IoPool&) {
  runtime::BlockingPool opener("sqlite-open", 1, 1);
  CO_TRY(Opened opened, co_await opener.run([&] { return open_connections(options); }));
  co_return std::make_unique<SqliteDatabase>(std::move(options), std::move(opened.writer),
                                             std::move(opened.readers));
}

}  // namespace halcyon::sql::sqlite
