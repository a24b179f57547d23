#include "sql/sqlite/driver_writer.h"

#include <algorithm>

#include "base/text.h"
#include "sql/errors.h"
#include "sql/sqlite/driver_internal.h"

namespace halcyon::sql::sqlite {

namespace {

constexpr size_t kLargestBatch = 64;
constexpr auto kCommitWait = std::chrono::seconds(10);

Limits commit_limits() { return Limits(runtime::Clock::now() + kCommitWait); }

// Statements that may share a transaction; DDL, PRAGMA and VACUUM run alone.
bool may_share(const Statement& statement) {
  std::string_view text = trim(statement.text);
  return starts_with_ci(text, "INSERT") || starts_with_ci(text, "UPDATE") ||
         starts_with_ci(text, "DELETE");
}

Error timed_out() { return database_error("DATABASE_TIMEOUT", "waited for the writer"); }

}  // namespace

struct Writer::Request : WaitList::Waiter {
  const Context* ctx = nullptr;
  const Statement* statement = nullptr;  // nullptr: a transaction asks for its turn
  Result<Rows> answer = Rows{};
};

Writer::Writer(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)), thread_("sqlite-write", 1, 1 << 20) {}
Writer::~Writer() = default;

void Writer::pump() {
  std::vector<Request*> batch;
  {
    std::lock_guard lock(mutex_);
    if (taken_) return;
    auto* first = static_cast<Request*>(line_.take());
    if (first == nullptr) return;
    taken_ = true;
    batch.push_back(first);
    if (first->statement != nullptr && may_share(*first->statement)) {
      auto wanted = [](WaitList::Waiter& waiter) {
        const auto& request = static_cast<Request&>(waiter);
        return request.statement != nullptr && may_share(*request.statement);
      };
      while (batch.size() < kLargestBatch) {
        auto* next = static_cast<Request*>(line_.take_if(wanted));
        if (next == nullptr) break;
        batch.push_back(next);
      }
    }
  }
  if (batch.front()->statement == nullptr) return batch.front()->resume();
  thread_.submit([this, batch = std::move(batch)]() mutable {
    run_batch(batch);
    // Released first: the resumed tasks may end at once and take their requests with them.
    auto done = std::move(batch);
    std::vector<std::move_only_function<void()>> resume;
    for (Request* request : done) resume.push_back(std::move(request->resume));
    release();
    for (auto& go_on : resume) go_on();
  });
}

void Writer::release() {
  {
    std::lock_guard lock(mutex_);
    taken_ = false;
    begun_ = false;
  }
  pump();
}

void Writer::run_alone(Request& request) {
  request.answer = connection_->execute(*request.statement, Limits(*request.ctx));
  if (connection_->in_transaction()) {  // an autocommit "BEGIN" must not outlive its turn
    (void)connection_->command("ROLLBACK", commit_limits());
    request.answer = fail(database_error("DATABASE_ERROR", "the statement left a transaction"));
  }
}

void Writer::run_together(std::vector<Request*>& batch) {
  auto latest = std::ranges::max(batch, {}, [](Request* r) { return r->ctx->deadline; });
  Status status = connection_->command("BEGIN IMMEDIATE", Limits(latest->ctx->deadline));
  if (!status) {
    for (Request* request : batch) request->answer = fail(status.error());
    return;
  }
  // A failed statement undoes only itself, unless SQLite gave up the whole transaction.
  Request* culprit = nullptr;
  for (Request* request : batch) {
    request->answer = connection_->execute(*request->statement, Limits(*request->ctx));
    if (!connection_->in_transaction()) {
      culprit = request;
      break;
    }
  }
  if (culprit == nullptr) {
    status = connection_->command("COMMIT", commit_limits());
    if (status) return;
    if (connection_->in_transaction()) (void)connection_->command("ROLLBACK", commit_limits());
    for (Request* request : batch) {
      if (request->answer) request->answer = fail(status.error());
    }
    return;
  }
  for (Request* request : batch) {
    if (request != culprit) run_alone(*request);
  }
}

void Writer::run_batch(std::vector<Request*>& batch) {
  if (batch.size() == 1) return run_alone(*batch.front());
  run_together(batch);
}

Task<Result<Rows>> Writer::write(const Context& ctx, const Statement& statement) {
  if (ctx.expired()) co_return fail(timed_out());
  Request request;
  request.ctx = &ctx;
  request.statement = &statement;
  bool taken = co_await line_.wait(request, ctx.deadline, [this] { pump(); });
  if (!taken) co_return fail(timed_out());
  co_return std::move(request.answer);
}

Task<Status> Writer::acquire(const Context& ctx, runtime::Clock::time_point until) {
  if (ctx.expired()) co_return fail(timed_out());
  Request request;
  request.ctx = &ctx;
  bool taken = co_await line_.wait(request, std::min(until, ctx.deadline), [this] { pump(); });
  if (!taken) co_return fail(timed_out());
  co_return Status{};
}

Task<Result<Rows>> Writer::execute(const Context& ctx, const Statement& statement) {
  co_return co_await thread_.run([&]() -> Result<Rows> {
    Limits limits(ctx);
    if (!begun_) {
      TRY_STATUS(connection_->command("BEGIN IMMEDIATE", limits));
      begun_ = true;
    }
    return connection_->execute(statement, limits);
  });
}

Task<Status> Writer::finish(bool commit) {
  if (!begun_) co_return Status{};
  co_return co_await thread_.run([&]() -> Status {
    if (!connection_->in_transaction()) {
      if (!commit) return {};
      return fail(database_error("DATABASE_ERROR", "the transaction was rolled back"));
    }
    Status status = connection_->command(commit ? "COMMIT" : "ROLLBACK", commit_limits());
    if (!status && connection_->in_transaction()) {
      (void)connection_->command("ROLLBACK", commit_limits());
    }
    return status;
  });
}

Task<void> Writer::close() {
  Context ctx;
  ctx.deadline = runtime::Clock::now() + std::chrono::hours(1);
  Status turn = co_await acquire(ctx, ctx.deadline);
  if (!turn) co_return;
  (void)co_await thread_.run([&]() -> Status {
    connection_.reset();  // the last connection of the last process folds the WAL into the file
    return {};
  });
  // The turn is kept: nobody may write any more.
}

}  // namespace halcyon::sql::sqlite
