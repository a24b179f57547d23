#include "sql/postgres/driver_session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "sql/errors.h"
#include "sql/postgres/driver_errors.h"

namespace halcyon::sql::postgres {

using runtime::Clock;
using std::chrono::milliseconds;

Session::Session(ConnectionPtr connection, runtime::BlockingPool& cancels)
    : connection_(std::move(connection)), cancels_(cancels) {
  tls_ = PQsslInUse(connection_.get()) != 0;
}

Session::~Session() {
  if (descriptor_) descriptor_->release();
}

void Session::attach(runtime::IoThread& io, Owner* owner) {
  io_ = &io;
  owner_ = owner;
  if (lost()) return;
  ++attachment_;
  ticking_ = false;
  auto& context = *static_cast<boost::asio::io_context*>(io.native());
  descriptor_.emplace(context.get_executor(), PQsocket(connection_.get()));
  wait_readable();
}

void Session::detach() {
  ++attachment_;
  if (descriptor_) descriptor_->release();
  descriptor_.reset();
  waiting_for_write_ = false;
  owner_ = nullptr;
}

bool Session::is_clean() const {
  return connection_ && head_ == ops_.size() && !unsynced_ && !was_cancelled_ &&
         PQtransactionStatus(connection_.get()) == PQTRANS_IDLE;
}

bool Session::is_alive() {
  // Messages out of turn: a changed setting, or that the session ends.
  for (int tries = 0; tries < 4 && !lost(); ++tries) {
    pollfd entry{PQsocket(connection_.get()), POLLIN, 0};
    if (poll(&entry, 1, 0) == 0) return PQstatus(connection_.get()) == CONNECTION_OK;
    if (PQconsumeInput(connection_.get()) == 0) return false;
    (void)PQisBusy(connection_.get());
  }
  return false;
}

// ---- sending

namespace {
constexpr int kUsesBeforeName = 2, kUsesAfterRefusal = -1000;
}

void Session::push(Kind kind, Call* call, Seen* seen) {
  if (head_ == ops_.size()) {
    ops_.clear();
    head_ = 0;
    head_since_ = Clock::now();
  } else if (head_ > 256) {
    ops_.erase(ops_.begin(), ops_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
  uint64_t name = seen != nullptr && !seen->name.empty() ? seen->number : 0;
  ops_.push_back(Op{kind, false, kind == Kind::kQuery && call != nullptr, call, seen, name});
}

void Session::pop() {
  ++head_;
  ++popped_;
}

bool Session::send(Call& call) {
  call.settled = call.given_up = false;
  if (lost()) {
    settle(call, Outcome::kNotExecuted,
           database_error("DATABASE_UNAVAILABLE", "the connection is closed"));
    finish(&call);
    return false;
  }
  if (Status encoded = parameters_.encode(call.statement->params, call.typed_text); !encoded) {
    settle(call, Outcome::kFailed, std::move(encoded).error());
    finish(&call);
    return false;
  }
  Seen& seen = look_up(call.statement->text);
  if (call.short_only && seen.slow_until != Time{} && Clock::now() < seen.slow_until) {
    settle(call, Outcome::kSlow);
    finish(&call);
    return false;
  }
  PGconn* pg = connection_.get();
  // What is run once needs no name.
  bool sent = true;
  if (seen.name.empty() && ++seen.uses >= kUsesBeforeName) sent = prepare(seen, &call);
  const Parameters& p = parameters_;
  if (sent && seen.name.empty()) {
    sent = PQsendQueryParams(pg, seen.text.c_str(), p.count(), p.types().data(), p.values(),
                             p.lengths(), p.formats(), 0) != 0;
  } else if (sent) {
    sent = PQsendQueryPrepared(pg, seen.name.c_str(), p.count(), p.values(), p.lengths(),
                               p.formats(), 0) != 0;
  }
  push(Kind::kQuery, &call, &seen);
  ++calls_;
  unsynced_ = true;
  if (!sent) lose(database_error("DATABASE_UNAVAILABLE", PQerrorMessage(pg)));
  return sent;
}

void Session::skip(Call& call, Error reason) {
  call.settled = call.given_up = false;
  settle(call, Outcome::kNotExecuted, std::move(reason));
  finish(&call);
}

void Session::send_begin() {
  if (lost()) return;
  static const std::string kBegin = "BEGIN";
  PGconn* pg = connection_.get();
  bool sent = PQsendQueryParams(pg, kBegin.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) != 0;
  push(Kind::kQuery, nullptr, nullptr);
  unsynced_ = true;
  if (!sent) lose(database_error("DATABASE_UNAVAILABLE", PQerrorMessage(pg)));
}

void Session::sync() {
  if (lost() || !unsynced_) return;
  unsynced_ = false;
  // Who waits for the commit is told by the answer to the Sync.
  Call* last = ops_.back().call;
  push(Kind::kSync, last != nullptr && last->at_sync ? last : nullptr, nullptr);
  if (PQpipelineSync(connection_.get()) == 0) {
    lose(database_error("DATABASE_UNAVAILABLE", PQerrorMessage(connection_.get())));
  }
}

// libpq 15 makes a send() of its own for each Sync. Corked, the kernel makes one segment of them,
// so that the server wakes up once.
void Session::begin_batch() {
  if (lost() || !can_cork_ || corked_) return;
  int on = 1;
  corked_ = setsockopt(PQsocket(connection_.get()), IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0;
  can_cork_ = corked_;
}

void Session::end_batch() {
  if (!corked_) return;
  corked_ = false;
  if (lost()) return;
  int off = 0;
  setsockopt(PQsocket(connection_.get()), IPPROTO_TCP, TCP_CORK, &off, sizeof off);
}

void Session::flush() {
  if (!lost()) {
    int left = PQflush(connection_.get());
    if (left < 0) {
      lose(database_error("DATABASE_UNAVAILABLE", PQerrorMessage(connection_.get())));
    } else if (left > 0) {
      wait_writable();
    }
  }
  watch();
  if (!finished_.empty() && !delivering_) {
    io_->post([self = shared_from_this(), number = attachment_.load()] {
      if (number == self->attachment_) self->deliver();
    });
  }
}

// ---- receiving

void Session::wait_readable() {
  descriptor_->async_wait(
      Descriptor::wait_read,
      [self = shared_from_this(), number = attachment_.load()](boost::system::error_code error) {
        if (error || number != self->attachment_) return;
        self->read();
      });
}

void Session::wait_writable() {
  if (waiting_for_write_ || !descriptor_) return;
  waiting_for_write_ = true;
  descriptor_->async_wait(
      Descriptor::wait_write,
      [self = shared_from_this(), number = attachment_.load()](boost::system::error_code error) {
        if (error || number != self->attachment_) return;
        self->waiting_for_write_ = false;
        self->flush();
      });
}

// TLS may hold decrypted bytes that no readiness of the socket will tell of.
bool Session::needs_another_read() {
  if (!tls_ || lost()) return false;
  auto* ssl = static_cast<SSL*>(PQsslStruct(connection_.get(), "OpenSSL"));
  return ssl != nullptr && SSL_pending(ssl) > 0;
}

void Session::read() {
  bool intact = true;
  do {
    intact = PQconsumeInput(connection_.get()) != 0;
    drain();
  } while (intact && needs_another_read());
  if (!lost() &&
      (!intact || !graceful_end_.empty() || PQstatus(connection_.get()) == CONNECTION_BAD)) {
    lose(database_error("DATABASE_UNAVAILABLE", PQerrorMessage(connection_.get())));
  }
  // While a large answer comes in, libpq may want to write as well.
  if (!lost() && PQflush(connection_.get()) > 0) wait_writable();
  if (!lost() && descriptor_) wait_readable();
  deliver();
}

void Session::drain() {
  int nothing = 0;
  const uint64_t before = popped_;
  read_at_ = Clock::now();
  while (!lost() && head_ < ops_.size() && graceful_end_.empty() &&
         PQisBusy(connection_.get()) == 0) {
    ResultPtr result(PQgetResult(connection_.get()));
    if (result) {
      nothing = 0;
      take(std::move(result));
    } else if (ops_[head_].answered && ops_[head_].kind != Kind::kSync) {
      nothing = 0;
      pop();
    } else if (++nothing > 3) {
      break;
    }
  }
  if (popped_ != before) head_since_ = read_at_;
}

void Session::take(ResultPtr result) {
  Op& op = ops_[head_];
  switch (PQresultStatus(result.get())) {
    case PGRES_PIPELINE_SYNC:
      if (op.kind != Kind::kSync) {
        return lose(database_error("DATABASE_UNAVAILABLE", "answers out of order"));
      }
      if (op.call != nullptr) finish(op.call);
      return pop();
    case PGRES_PIPELINE_ABORTED:
      op.answered = true;
      if (op.kind == Kind::kPrepare) op.seen->name.clear();
      if (op.kind != Kind::kQuery) return;
      if (op.is_call) --calls_;
      if (op.call == nullptr) return;
      settle(*op.call, Outcome::kNotExecuted,
             database_error("DATABASE_ERROR", "an earlier statement failed"));
      if (!op.call->at_sync) finish(op.call);
      return;
    case PGRES_FATAL_ERROR:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
      return take_error(op, result.get());
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
      return lose(database_error("SQL_SYNTAX", "COPY is not supported"));
    default:
      return take_answer(op, std::move(result));
  }
}

void Session::take_answer(Op& op, ResultPtr result) {
  op.answered = true;
  if (op.kind != Kind::kQuery) return;
  mark_if_slow(op);
  if (op.is_call) --calls_;
  if (op.call == nullptr) return;
  op.call->rows = to_rows(std::move(result));
  settle(*op.call, Outcome::kAnswered);
  if (!op.call->at_sync) finish(op.call);
}

void Session::take_error(Op& op, const PGresult* result) {
  std::string_view state = sqlstate(result);
  const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  bool fatal = severity != nullptr &&
               (std::strcmp(severity, "FATAL") == 0 || std::strcmp(severity, "PANIC") == 0);
  if (state.empty() || fatal || ends_session(state)) {
    // Told to end by an administrator or a shutdown, a backend ends between two statements or
    // undoes the one at hand, and answers come in order; after a crash nothing is certain.
    if (state == "57P01" || (!fatal && !state.empty())) graceful_end_ = state;
    return lose(map_error(result));
  }
  op.answered = true;
  if (op.kind == Kind::kQuery && op.is_call) --calls_;
  Call* call = op.call;
  bool prepared = op.kind == Kind::kQuery && op.name != 0;
  if (op.kind == Kind::kPrepare) {
    op.seen->name.clear();
    op.seen->uses = kUsesAfterRefusal;  // sent without a name each gets its own error at once
  }
  if (call == nullptr) return;
  call->settled = call->settled && op.kind != Kind::kSync;  // the commit failed after the statement
  // A plan that was made before the table changed, or a session that was reset behind us.
  bool stale = prepared && (state == "0A000" || state == "26000");
  settle(*call, stale ? Outcome::kStale : Outcome::kFailed, map_error(result));
  state.copy(call->state, 5);
  if (stale && op.seen->number == op.name) forget(*op.seen);
  if (state == "57014") mark_slow(op);
  if (op.kind == Kind::kQuery && !call->at_sync) finish(op.call);
}

void Session::settle(Call& call, Outcome outcome, Error error) {
  if (call.settled) return;
  call.settled = true;
  call.outcome = outcome;
  call.error = std::move(error);
}

void Session::finish(Call* call) {
  bool found = false;  // nearly always at the head
  for (size_t i = head_; i < ops_.size(); ++i) {
    if (ops_[i].call == call) {
      ops_[i].call = nullptr;
      found = true;
    } else if (found) {
      break;
    }
  }
  finished_.push_back(call);
}

// The tasks go on here, after everything that came in was looked at; they may send again at once.
void Session::deliver() {
  if (delivering_) return;
  auto self = shared_from_this();
  std::vector<Call*> batch;
  if (owner_ == nullptr) {
    // One user, who may hand the session on, even to another thread: not to be touched after that.
    batch.swap(finished_);
    for (Call* call : batch) call->finished();
    return;
  }
  delivering_ = true;
  while (!finished_.empty()) {
    batch.clear();
    batch.swap(finished_);
    for (Call* call : batch) call->finished();
  }
  delivering_ = false;
  if (!lost() && owner_ != nullptr) owner_->on_progress();
}

// ---- the end

void Session::lose_call(const Op& op, bool is_head, const Error& reason) {
  Call& call = *op.call;
  if (call.in_transaction || (!call.statement->is_write && !call.one_way)) {
    settle(call, Outcome::kNotExecuted, reason);
  } else {
    bool undone = !graceful_end_.empty() && !call.one_way && !(is_head && call.settled);
    if (!undone || is_head) call.settled = call.settled && call.outcome != Outcome::kAnswered;
    settle(call, undone ? Outcome::kNotExecuted : Outcome::kUnknown,
           undone ? reason : commit_unknown(reason.internal));
  }
  finish(&call);
}

void Session::lose(Error reason) {
  if (lost()) return;
  auto self = shared_from_this();
  bool is_head = true;
  for (size_t i = head_; i < ops_.size(); ++i) {
    if (ops_[i].call == nullptr) continue;
    lose_call(ops_[i], is_head, reason);
    is_head = false;
  }
  ops_.clear();
  head_ = calls_ = 0;
  unsynced_ = corked_ = false;
  ++attachment_;
  if (descriptor_) descriptor_->release();
  descriptor_.reset();
  connection_.reset();
  if (io_ != nullptr) {
    io_->post([self, reason = std::move(reason)] {
      self->deliver();
      if (self->owner_ != nullptr) self->owner_->on_lost(reason);
    });
  }
}

}  // namespace halcyon::sql::postgres
