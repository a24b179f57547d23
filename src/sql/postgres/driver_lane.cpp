#include "sql/postgres/driver_lane.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "sql/errors.h"
#include "sql/transaction_retry.h"

namespace halcyon::sql::postgres {

using runtime::Clock;
using std::chrono::milliseconds;
using Outcome = Session::Outcome;

namespace {

constexpr size_t kDepth = 64;         // calls under way
constexpr size_t kReadsPerSync = 16;  // a failing or slow one delays no more than these
constexpr int kMostLosses = 5;        // a statement that brings the server down is not repeated
constexpr milliseconds kTick{20};
constexpr milliseconds kFirstPause{20}, kLongestPause{400};

}  // namespace

milliseconds time_left(Clock::time_point when) {
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(when - Clock::now()));
}

Task<std::expected<std::shared_ptr<Session>, Connector::Refusal>> Core::connect(
    Purpose purpose, milliseconds timeout) {
  Connector::Refusal refusal;
  connecting.fetch_add(1);
  auto connected = co_await connects.run([&]() -> Result<ConnectionPtr> {
    auto made = connector->connect(purpose, timeout);
    if (made) return std::move(*made);
    refusal = std::move(made).error();
    return fail(refusal.error);
  });
  connecting.fetch_sub(1);
  if (!connected) {
    refusal.error = std::move(connected).error();
    co_return std::unexpected(std::move(refusal));
  }
  co_return std::make_shared<Session>(std::move(*connected), cancels);
}

bool Core::wants_typed_text(const Session::Call& call) {
  std::string_view state = call.state;
  if (call.outcome != Outcome::kFailed || call.typed_text) return false;
  if (state != "42P18" && state != "42725" && state != "42P08") return false;
  typed_texts.add(call.statement->text);
  return true;
}

void Lane::Call::finished() { lane->decide(*this); }

void Lane::Execution::await_suspend(std::coroutine_handle<> handle) {
  call.lane = &lane;
  call.waiting = handle;
  call.home = runtime::IoThread::current();
  if (call.home == &lane.io_) return lane.submit(call);
  lane.io_.post([lane = lane.shared_from_this(), &call = call] { lane->submit(call); });
}

void Lane::submit(Call& call) {
  call.since = Clock::now();
  calls_.fetch_add(1, std::memory_order_relaxed);
  queue_.push_back(&call);
  if (!session_) {
    if (closed_) return after_refusal({database_error("DATABASE_UNAVAILABLE", "closed"), true});
    connect();
    return watch();
  }
  if (!pumping_) pump_soon();
}

// After the handlers that are ready now, which may have statements too.
void Lane::pump_soon() {
  if (pump_posted_) return;
  pump_posted_ = true;
  io_.post([self = shared_from_this()] {
    self->pump_posted_ = false;
    self->pump();
  });
}

void Lane::pump() {
  if (!again_.empty()) {
    queue_.insert(queue_.begin(), again_.begin(), again_.end());
    again_.clear();
  }
  if (queue_.empty() || !session_ || session_->lost() || pumping_) return;
  pumping_ = true;
  send_some();
  pumping_ = false;
  if (!queue_.empty()) watch();
}

void Lane::send_some() {
  size_t room = kDepth - std::min(kDepth, session_->under_way());
  size_t count = std::min(room, queue_.size());
  if (count == 0) return;
  const bool several = count > 1;
  if (several) session_->begin_batch();
  size_t reads = 0;
  for (size_t i = 0; i < count; ++i) {
    Call& call = *queue_.front();
    queue_.pop_front();
    if (call.ctx->expired()) {
      give_up(call, Outcome::kTimeout,
              database_error("DATABASE_TIMEOUT", "the deadline passed before it was sent"));
      continue;
    }
    bool alone = call.statement->is_write;
    if (alone || reads == kReadsPerSync) session_->sync();
    reads = alone || reads == kReadsPerSync ? 0 : reads;
    session_->send(call);
    if (alone) {
      session_->sync();
    } else {
      ++reads;
    }
  }
  session_->sync();
  session_->tidy();
  session_->flush();
  if (several) session_->end_batch();
}

// What an answer, or none, means for a statement on a lane.
void Lane::decide(Call& call) {
  bool expired = call.ctx->expired();
  switch (call.outcome) {
    case Outcome::kStale:
      return again(call);
    case Outcome::kNotExecuted:
      if (call.error.id == "DATABASE_UNAVAILABLE" && ++call.losses > kMostLosses) break;
      if (expired) {
        call.outcome = Outcome::kTimeout;
        call.error = database_error("DATABASE_TIMEOUT", call.error.internal);
        break;
      }
      if (call.error.id == "DATABASE_UNAVAILABLE") core_->retries.fetch_add(1);
      return again(call);
    case Outcome::kFailed: {
      std::string_view state = call.state;
      // Cancelled or waiting for a lock, and not by its own deadline: undone, to be run elsewhere.
      if (!expired && (state == "57014" || state == "55P03")) call.outcome = Outcome::kSlow;
      if (core_->wants_typed_text(call)) {
        call.typed_text = true;
        return again(call);
      }
      break;
    }
    default:
      break;
  }
  resume(call);
}

void Lane::again(Call& call) {
  if (closed_) {
    call.outcome = Outcome::kFailed;
    return resume(call);
  }
  again_.push_back(&call);
  pump_soon();
  if (!session_) watch();
}

void Lane::give_up(Call& call, Outcome outcome, Error error) {
  call.outcome = outcome;
  call.error = std::move(error);
  // Not at once: the caller is in the midst of its queue.
  io_.post([self = shared_from_this(), &call] { self->resume(call); });
}

void Lane::resume(Call& call) {
  calls_.fetch_sub(1, std::memory_order_relaxed);
  if (call.home == &io_) return call.waiting.resume();
  if (call.home == nullptr) return call.waiting.resume();
  call.home->post([handle = call.waiting] { handle.resume(); });
}

// ---- connecting

void Lane::connect() {
  if (connecting_ || closed_ || session_) return;
  connecting_ = true;
  keep_connecting(shared_from_this());
}

runtime::Detached Lane::keep_connecting(std::shared_ptr<Lane> self) {
  milliseconds pause = kFirstPause;
  while (!self->closed_) {
    auto connected = co_await self->core_->connect(Purpose::kLane, milliseconds(5000));
    if (self->closed_) break;
    if (connected) {
      self->session_ = std::move(*connected);
      self->session_->attach(self->io_, self.get());
      self->connected_ = true;
      self->pump();
      break;
    }
    self->after_refusal(connected.error());
    // With nobody waiting the next statement will start it again.
    if (self->queue_.empty()) break;
    co_await runtime::sleep_for(pause / 2 + retry_pause(1) + pause / 2);
    pause = std::min(kLongestPause, pause * 2);
  }
  self->connecting_ = false;
}

void Lane::after_refusal(const Connector::Refusal& refusal) {
  queue_.insert(queue_.begin(), again_.begin(), again_.end());
  again_.clear();
  std::erase_if(queue_, [&](Call* call) {
    if (!refusal.permanent && !call->fail_fast) return false;
    give_up(*call, Outcome::kFailed, refusal.error);
    return true;
  });
}

void Lane::on_lost(const Error& reason) {
  if (closed_ || !session_) return;
  core_->losses.fetch_add(1);
  log_warn("database connection lost", {{"reason", trim(reason.internal)}});
  session_->detach();
  session_.reset();
  connected_ = false;
  connect();
  watch();
}

void Lane::shut_down() {
  if (closed_) return;
  closed_ = true;
  connected_ = false;
  Error reason = database_error("DATABASE_UNAVAILABLE", "the database is closed");
  after_refusal({reason, true});
  if (auto session = std::exchange(session_, nullptr)) {
    session->abandon(reason);
    session->detach();
  }
}

// ---- statements that wait in the queue

void Lane::watch() {
  if (ticking_ || (queue_.empty() && again_.empty())) return;
  ticking_ = true;
  io_.after(kTick, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->on_tick();
  });
}

void Lane::on_tick() {
  ticking_ = false;
  auto now = Clock::now();
  auto longest = milliseconds(core_->options().failover_wait_ms);
  std::erase_if(queue_, [&](Call* call) {
    if (call->ctx->expired()) {
      give_up(*call, Outcome::kTimeout,
              database_error("DATABASE_TIMEOUT", "the deadline passed before it was sent"));
      return true;
    }
    if (!session_ && now - call->since > longest) {
      give_up(*call, Outcome::kFailed,
              database_error("DATABASE_UNAVAILABLE", "no server that takes writes"));
      return true;
    }
    return false;
  });
  pump();
  watch();
}

}  // namespace halcyon::sql::postgres
