// One PostgreSQL connection on one io thread, in pipeline mode. Private to sql/postgres.
#pragma once

#include <libpq-fe.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/io.h"
#include "sql/database.h"

namespace halcyon::sql::postgres {

// One statement on its way. Lives in the awaiting coroutine's frame until `done` is called.
struct Request {
  const Statement* statement = nullptr;
  bool begins = false;    // BEGIN goes before it, in the same round trip
  bool is_plain = false;  // a command without parameters: COMMIT, ROLLBACK
  std::optional<Result<Rows>> result;
  bool sent = false;
  bool reprepared = false;
  bool lost = false;  // the connection broke before its answer came
  std::move_only_function<void()> done;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Takes over an open connection; on the io thread it will live on.
  Connection(runtime::IoThread& io, PGconn* connection);
  ~Connection();

  void submit(Request& request);
  // As submit, for one who waits: the statement's rows or error.
  Task<Result<Rows>> execute(const Statement& statement, bool begins = false);
  Task<Status> command(std::string sql);
  bool broken() const { return broken_; }
  bool last_lost() const { return last_lost_; }  // the last execute() broke off without an answer
  // Asks the server to give up what this connection is doing; from any thread, blocking.
  std::function<void()> canceller();
  size_t load() const { return unsent_.size() + waiting_.size(); }

  int uses = 0;
  runtime::Clock::time_point idle_since{};
  std::function<void()> on_broken;  // called once

 private:
  enum class Kind { kPrepare, kQuery, kIgnored, kSync };
  struct Expected {
    Kind kind;
    Request* request = nullptr;
    std::string text;  // kPrepare: of the statement
  };

  void schedule_flush();
  void flush();
  bool send(Request& request);
  bool send_prepared(Request& request);
  bool sync();
  void write_out();
  void wait_readable();
  void read_in();
  void take(PGresult* result);
  void finish_front();
  void answer(Request& request, Result<Rows> result);
  void break_off(const std::string& why);
  void complete_done();

  runtime::IoThread& io_;
  PGconn* connection_;
  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> socket_;
  std::deque<Request*> unsent_;
  std::deque<Expected> waiting_;  // answers the server owes, in order
  std::vector<Request*> done_;
  std::unordered_map<std::string, std::string> prepared_;  // text -> name
  uint64_t next_name_ = 0;
  bool flush_scheduled_ = false;
  bool writing_ = false, reading_ = false;
  bool in_transaction_ = false;  // a stale statement cannot be repeated by itself
  bool broken_ = false;
  bool last_lost_ = false;
};

// Blocking; on a connector thread. nullptr with the reason when no server could be reached.
PGconn* connect_blocking(const Options& options, std::string& why);
Error error_of(PGresult* result);
Rows rows_of(PGresult* result);  // takes it over

}  // namespace halcyon::sql::postgres
