// The turn-taking of a process's writers: autocommit writes and transactions, first come first
// served, one thread and one connection. Only for sql/sqlite.
//
//   Result<Rows> r = co_await writer.write(ctx, statement);          // autocommit
//
//   CO_TRY_STATUS(co_await writer.acquire(ctx, wait));               // a transaction's turn
//   Result<Rows> r = co_await writer.execute(ctx, statement);        // ... any number of times
//   writer.release();
//
// Thread rule: call from io threads.
#pragma once

#include <memory>
#include <vector>

#include "runtime/blocking_pool.h"
#include "sql/dialect.h"
#include "sql/value.h"
#include "sql/wait_list.h"

namespace halcyon::sql::sqlite {

class Connection;

class Writer {
 public:
  explicit Writer(std::unique_ptr<Connection> connection);
  ~Writer();

  // Waits for its turn until the deadline, runs alone or together with its neighbours in line.
  Task<Result<Rows>> write(const Context& ctx, const Statement& statement);

  // DATABASE_TIMEOUT when the turn does not come before `until` or the context's deadline.
  Task<Status> acquire(const Context& ctx, runtime::Clock::time_point until);
  void release();

  // Of the task whose turn it is. The first statement begins the transaction.
  Task<Result<Rows>> execute(const Context& ctx, const Statement& statement);
  // Commits or rolls back what was begun; nothing when nothing was.
  Task<Status> finish(bool commit);

  Task<void> close();
  size_t waiting() const { return line_.size(); }

 private:
  struct Request;
  void pump();
  void run_batch(std::vector<Request*>& batch);
  void run_together(std::vector<Request*>& batch);
  void run_alone(Request& request);

  std::unique_ptr<Connection> connection_;
  WaitList line_;
  std::mutex mutex_;
  bool taken_ = false;            // guarded by mutex_
  bool begun_ = false;            // of the task whose turn it is
  runtime::BlockingPool thread_;  // last: it is joined before the connection is closed
};

}  // namespace halcyon::sql::sqlite
