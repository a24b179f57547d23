#include <fmt/format.h>

#include <array>
#include <charconv>

#include "sql/errors.h"
#include "sql/postgres/connection_internal.h"

namespace halcyon::sql::postgres {
namespace {

constexpr size_t kMaxBatch = 32;      // reads that share a Sync
constexpr size_t kMaxInFlight = 256;  // answers owed before more is sent
constexpr size_t kMaxPrepared = 1000;

// Type OIDs from PostgreSQL's pg_type.dat. 0 lets the server infer, which is right for text in any
// text-like column.
Oid oid_of(Type type) {
  switch (type) {
    case Type::kBoolean:
      return 16;
    case Type::kBytes:
      return 17;
    case Type::kInt32:
    case Type::kInt64:
      return 20;
    case Type::kReal:
    case Type::kDouble:
      return 701;
    case Type::kDecimal:
      return 1700;
    case Type::kJson:
      return 114;
    case Type::kJsonb:
      return 3802;
    case Type::kDate:
      return 1082;
    case Type::kTime:
      return 1083;
    case Type::kTimestamp:
      return 1114;
    case Type::kTimestampTz:
      return 1184;
    case Type::kUuid:
      return 2950;
    case Type::kText:
    case Type::kUnknown:
      break;
  }
  return 0;
}

// Parameters in libpq's form. Numbers are printed into one reserved buffer.
class Parameters {
 public:
  explicit Parameters(const std::vector<Value>& values) {
    numbers_.reserve(values.size() * 32);
    for (const Value& value : values) add(value);
  }
  int count() const { return static_cast<int>(values_.size()); }
  const Oid* types() const { return types_.data(); }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  void add(const Value& value) {
    types_.push_back(oid_of(value.type));
    formats_.push_back(value.type == Type::kBytes ? 1 : 0);
    lengths_.push_back(0);
    if (const auto* text = std::get_if<std::string>(&value.data)) {
      lengths_.back() = static_cast<int>(text->size());
      values_.push_back(text->c_str());
    } else if (const auto* flag = std::get_if<bool>(&value.data)) {
      values_.push_back(*flag ? "true" : "false");
    } else if (const auto* integer = std::get_if<int64_t>(&value.data)) {
      values_.push_back(print(*integer));
    } else if (const auto* real = std::get_if<double>(&value.data)) {
      values_.push_back(print(*real));
    } else {
      values_.push_back(nullptr);
    }
  }
  template <class T>
  const char* print(T number) {
    std::array<char, 32> digits;
    char* end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    const size_t at = numbers_.size();
    numbers_.append(digits.data(), end);
    numbers_ += '\0';
    return numbers_.data() + at;  // reserved: it does not move
  }

  std::string numbers_;
  std::vector<Oid> types_;
  std::vector<const char*> values_;
  std::vector<int> lengths_, formats_;
};

}  // namespace

Connection::Connection(runtime::IoThread& io, PGconn* connection)
    : io_(io),
      connection_(connection),
      socket_(static_cast<boost::asio::io_context*>(io.native())->get_executor(),
              PQsocket(connection)) {
  PQsetnonblocking(connection_, 1);
  PQenterPipelineMode(connection_);
  // Notices such as "already exists, skipping" are no news.
  PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
}

Connection::~Connection() {
  socket_.release();  // libpq closes it
  PQfinish(connection_);
}

std::function<void()> Connection::canceller() {
  std::shared_ptr<PGcancel> cancel(PQgetCancel(connection_), [](PGcancel* c) { PQfreeCancel(c); });
  return [cancel] {
    std::array<char, 256> why;
    if (cancel) PQcancel(cancel.get(), why.data(), static_cast<int>(why.size()));
  };
}

void Connection::submit(Request& request) {
  for (const Value& value : request.statement->params) {
    const auto* text = std::get_if<std::string>(&value.data);
    // libpq passes text up to its first NUL; the rest would be lost silently.
    if (text == nullptr || value.type == Type::kBytes || text->find('\0') == std::string::npos) {
      continue;
    }
    request.result.emplace(fail(database_error("INVALID_VALUE", "text with a NUL character")));
    done_.push_back(&request);
    io_.post([self = shared_from_this()] { self->complete_done(); });
    return;
  }
  if (broken_) {
    request.lost = true;
    request.result.emplace(fail(database_error("DATABASE_UNAVAILABLE", "the connection is lost")));
    done_.push_back(&request);
    io_.post([self = shared_from_this()] { self->complete_done(); });
    return;
  }
  unsent_.push_back(&request);
  schedule_flush();
}

Task<Result<Rows>> Connection::execute(const Statement& statement, bool begins) {
  Request request;
  request.statement = &statement;
  request.begins = begins;
  struct Wait {
    Connection& connection;
    Request& request;
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      request.done = [handle] { handle.resume(); };
      connection.submit(request);
    }
    void await_resume() noexcept {}
  };
  auto self = shared_from_this();
  co_await Wait{*this, request};
  last_lost_ = request.lost;
  co_return std::move(*request.result);
}

Task<Status> Connection::command(std::string sql) {
  Statement statement;
  statement.text = std::move(sql);
  statement.is_write = true;
  Result<Rows> rows = co_await execute(statement);
  if (!rows) co_return std::unexpected(std::move(rows).error());
  co_return Status{};
}

// What arrives in one turn of the loop goes out together.
void Connection::schedule_flush() {
  if (flush_scheduled_) return;
  flush_scheduled_ = true;
  io_.post([self = shared_from_this()] {
    self->flush_scheduled_ = false;
    self->flush();
  });
}

void Connection::flush() {
  size_t batch = 0;
  while (!unsent_.empty() && !broken_ && waiting_.size() < kMaxInFlight) {
    Request& request = *unsent_.front();
    const bool alone = request.statement->is_write || request.begins || request.reprepared;
    if (batch > 0 && (alone || batch >= kMaxBatch)) {
      if (!sync()) return;
      batch = 0;
    }
    unsent_.pop_front();
    request.sent = true;
    if (!send(request)) {
      break_off(PQerrorMessage(connection_));
      return;
    }
    ++batch;
    if (alone) {
      if (!sync()) return;
      batch = 0;
    }
  }
  if (batch > 0 && !sync()) return;
  write_out();
  if (!reading_ && !waiting_.empty()) wait_readable();
}

bool Connection::sync() {
  waiting_.push_back({Kind::kSync, nullptr, {}});
  if (PQpipelineSync(connection_) == 1) return true;
  break_off(PQerrorMessage(connection_));
  return false;
}

bool Connection::send(Request& request) {
  if (request.begins) {
    in_transaction_ = true;
    waiting_.push_back({Kind::kIgnored, nullptr, {}});
    if (PQsendQueryParams(connection_, "BEGIN", 0, nullptr, nullptr, nullptr, nullptr, 0) != 1)
      return false;
  }
  return send_prepared(request);
}

bool Connection::send_prepared(Request& request) {
  const Statement& statement = *request.statement;
  const Parameters parameters(statement.params);
  // DDL and commands run once; preparing them would only fill the cache.
  if (statement.is_slow && statement.params.empty()) {
    waiting_.push_back({Kind::kQuery, &request, {}});
    return PQsendQueryParams(connection_, statement.text.c_str(), 0, nullptr, nullptr, nullptr,
                             nullptr, 0) == 1;
  }
  auto it = prepared_.find(statement.text);
  if (it == prepared_.end()) {
    if (prepared_.size() >= kMaxPrepared) {
      prepared_.clear();
      waiting_.push_back({Kind::kIgnored, nullptr, {}});
      if (PQsendQueryParams(connection_, "DEALLOCATE ALL", 0, nullptr, nullptr, nullptr, nullptr,
                            0) != 1)
        return false;
    }
    it = prepared_.emplace(statement.text, fmt::format("h{}", next_name_++)).first;
    waiting_.push_back({Kind::kPrepare, &request, statement.text});
    if (PQsendPrepare(connection_, it->second.c_str(), statement.text.c_str(), parameters.count(),
                      parameters.types()) != 1) {
      return false;
    }
  }
  waiting_.push_back({Kind::kQuery, &request, {}});
  return PQsendQueryPrepared(connection_, it->second.c_str(), parameters.count(),
                             parameters.values(), parameters.lengths(), parameters.formats(),
                             0) == 1;
}

void Connection::write_out() {
  if (writing_ || broken_) return;
  const int left = PQflush(connection_);
  if (left < 0) return break_off(PQerrorMessage(connection_));
  if (left == 0) return;
  writing_ = true;
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_write,
                     [self = shared_from_this()](boost::system::error_code error) {
                       self->writing_ = false;
                       if (!error) self->write_out();
                     });
}

void Connection::wait_readable() {
  if (broken_) return;
  reading_ = true;
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [self = shared_from_this()](boost::system::error_code error) {
                       self->reading_ = false;
                       if (!error) self->read_in();
                     });
}

void Connection::read_in() {
  if (broken_) return;
  if (PQconsumeInput(connection_) != 1) return break_off(PQerrorMessage(connection_));
  while (!waiting_.empty() && PQisBusy(connection_) == 0) {
    PGresult* result = PQgetResult(connection_);
    if (result == nullptr) {
      finish_front();  // the end of one command's results
    } else {
      take(result);
    }
  }
  if (PQstatus(connection_) == CONNECTION_BAD) break_off(PQerrorMessage(connection_));
  auto self = shared_from_this();
  complete_done();
  if (broken_) return;
  if (!unsent_.empty()) schedule_flush();
  write_out();
  if (!waiting_.empty() && !reading_) wait_readable();
}

void Connection::take(PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  Expected& front = waiting_.front();
  if (status == PGRES_PIPELINE_SYNC) {
    PQclear(result);
    waiting_.pop_front();
    return;
  }
  Request* request = front.request;
  if (status == PGRES_FATAL_ERROR) {
    if (front.kind == Kind::kPrepare) prepared_.erase(front.text);
    if (request != nullptr && !request->result) request->result.emplace(fail(error_of(result)));
    PQclear(result);
  } else if (status == PGRES_PIPELINE_ABORTED) {
    if (front.kind == Kind::kPrepare) prepared_.erase(front.text);
    PQclear(result);  // an earlier statement of the batch failed; finish_front sends this one again
  } else if (front.kind == Kind::kQuery) {
    request->result.emplace(rows_of(result));
  } else {
    PQclear(result);
  }
}

void Connection::finish_front() {
  const Expected front = std::move(waiting_.front());
  waiting_.pop_front();
  if (front.kind != Kind::kQuery) return;
  Request& request = *front.request;
  if (request.is_plain) in_transaction_ = false;  // COMMIT or ROLLBACK
  if (!request.result) {
    // Aborted by a neighbour: it did not run. Alone it gets its own verdict.
    request.reprepared = true;
    unsent_.push_back(&request);
    return;
  }
  // The plan or the table changed under a prepared statement: prepare it anew, once. Inside a
  // transaction the transaction is lost, and the retry policy above repeats it.
  if (!*request.result && request.result->error().id == "STALE_STATEMENT") {
    prepared_.erase(request.statement->text);
    if (!request.reprepared && !in_transaction_) {
      request.reprepared = true;
      request.result.reset();
      unsent_.push_back(&request);
      return;
    }
    request.result.emplace(
        fail(database_error("SERIALIZATION_FAILURE", request.result->error().internal)));
  }
  done_.push_back(&request);
}

void Connection::complete_done() {
  auto self = shared_from_this();
  std::vector<Request*> ready;
  ready.swap(done_);
  for (Request* request : ready) {
    auto done = std::move(request->done);
    done();
  }
}

void Connection::break_off(const std::string& why) {
  if (broken_) return;
  broken_ = true;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  auto lose = [&](Request* request) {
    if (!request->result) {
      request->lost = true;
      const bool unknown = request->sent && request->statement->is_write;
      request->result.emplace(
          fail(unknown ? commit_unknown(why) : database_error("DATABASE_UNAVAILABLE", why)));
    }
    done_.push_back(request);
  };
  for (const Expected& expected : waiting_) {
    if (expected.kind == Kind::kQuery) lose(expected.request);
  }
  waiting_.clear();
  for (Request* request : unsent_) lose(request);
  unsent_.clear();
  if (on_broken) on_broken();
  io_.post([self = shared_from_this()] { self->complete_done(); });
}

}  // namespace halcyon::sql::postgres
