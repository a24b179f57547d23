// The parts of Session that look after time and prepared statements.
#include <algorithm>

#include "sql/errors.h"
#include "sql/postgres/driver_session.h"

namespace halcyon::sql::postgres {

using runtime::Clock;
using std::chrono::milliseconds;

namespace {

constexpr size_t kMostStatements = 1000;
constexpr milliseconds kTick{20};
// A write under way at its deadline: how long to wait for word that it was cancelled.
constexpr milliseconds kGrace{1500};
// Longer than any answer to a cancellation takes.
constexpr milliseconds kDeafAfter{10'000};
// A statement that keeps its neighbours waiting longer than this is sent off the shared connection,
// and kept off for a while.
constexpr milliseconds kLongestTurn{150}, kSlowPause{10'000};

}  // namespace

// ---- prepared statements

Session::Seen& Session::look_up(const std::string& text) {
  auto [first, last] = seen_.equal_range(text);
  for (auto it = first; it != last; ++it) {
    if (it->second->types != parameters_.types()) continue;
    Seen& seen = *it->second;
    by_age_.splice(by_age_.begin(), by_age_, seen.age);
    return seen;
  }
  if (seen_.size() >= kMostStatements) evict();
  auto made = std::make_unique<Seen>();
  made->text = text;
  made->types = parameters_.types();
  by_age_.push_front(made.get());
  made->age = by_age_.begin();
  Seen& seen = *made;
  seen_.emplace(seen.text, std::move(made));
  return seen;
}

// The oldest that is not under way. The pipeline is at most as long as a lane is deep, so a few
// steps find one.
void Session::evict() {
  for (auto it = by_age_.rbegin(); it != by_age_.rend(); ++it) {
    Seen* oldest = *it;
    bool in_use = std::any_of(ops_.begin() + static_cast<ptrdiff_t>(head_), ops_.end(),
                              [&](const Op& op) { return op.seen == oldest; });
    if (in_use) continue;
    forget(*oldest);
    auto [first, last] = seen_.equal_range(oldest->text);
    by_age_.erase(oldest->age);
    seen_.erase(std::find_if(first, last, [&](auto& e) { return e.second.get() == oldest; }));
    return;
  }
}

// Its name is given back to the server in passing, the text stays known.
void Session::forget(Seen& seen) {
  if (seen.name.empty()) return;
  std::string sql = "DEALLOCATE " + seen.name;
  seen.name.clear();
  to_deallocate_.push_back(std::move(sql));
}

// Each on its own: one that is gone already must not abort its neighbours.
void Session::tidy() {
  while (!to_deallocate_.empty() && !lost() && !unsynced_) {
    std::string sql = std::move(to_deallocate_.back());
    to_deallocate_.pop_back();
    PGconn* pg = connection_.get();
    bool sent = PQsendQueryParams(pg, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) != 0;
    push(Kind::kQuery, nullptr, nullptr);
    unsynced_ = true;
    if (!sent) return lose(database_error("DATABASE_UNAVAILABLE", PQerrorMessage(pg)));
    sync();
  }
}

bool Session::prepare(Seen& seen, Call* call) {
  seen.number = ++names_;
  seen.name = "h" + std::to_string(seen.number);
  const auto& types = parameters_.types();
  bool sent = PQsendPrepare(connection_.get(), seen.name.c_str(), seen.text.c_str(),
                            static_cast<int>(types.size()), types.data()) != 0;
  push(Kind::kPrepare, call, &seen);
  unsynced_ = true;
  return sent;
}

// ---- time

// Looks after the deadlines with one coarse timer for all calls.
void Session::watch() {
  if (ticking_ || head_ == ops_.size() || io_ == nullptr) return;
  ticking_ = true;
  popped_at_tick_ = popped_;
  io_->after(kTick, [weak = weak_from_this(), number = attachment_.load()] {
    auto self = weak.lock();
    if (!self || number != self->attachment_) return;
    self->on_tick();
  });
}

void Session::on_tick() {
  ticking_ = false;
  if (lost() || head_ == ops_.size()) return;
  Time now = Clock::now();
  check_head(now);
  for (size_t i = head_; i < ops_.size() && !lost(); ++i) {
    Op& op = ops_[i];
    if (op.kind == Kind::kQuery && op.call != nullptr && op.call->ctx->expired()) give_up(op, now);
  }
  watch();
  deliver();  // last: the session may have another user after it
}

// The server holds back its answers until the Sync, so all that is known is which group of
// statements it is at. If one of them is not wanted any more, or keeps others waiting, what runs
// now is cancelled; the owner runs again what was hit by mistake.
void Session::check_head(Time now) {
  bool same = popped_ == popped_at_tick_;
  popped_at_tick_ = popped_;
  if (!same) return;
  bool unwanted = false, shared = false;
  for (size_t i = head_; i < ops_.size() && ops_[i].kind != Kind::kSync; ++i) {
    const Op& op = ops_[i];
    if (!op.is_call || op.answered) continue;
    unwanted = unwanted || op.call == nullptr || op.call->ctx->expired();
    shared = shared || (op.call != nullptr && op.call->short_only);
  }
  auto turn = now - head_since_;
  if (!unwanted && !(shared && calls_ > 1 && turn > kLongestTurn)) return;
  if (cancelled_head_ != popped_) {
    cancelled_head_ = popped_;
    cancel();
  } else if (turn > kDeafAfter) {
    lose(database_error("DATABASE_UNAVAILABLE", "the server does not answer"));
  }
}

void Session::mark_slow(Op& op) {
  if (op.seen != nullptr && op.call != nullptr && op.call->short_only) {
    op.seen->slow_until = Clock::now() + kSlowPause;
  }
}

// Alone under way, it is known to have taken all that time.
void Session::mark_if_slow(Op& op) {
  if (calls_ == 1 && head_since_ + kLongestTurn < read_at_) mark_slow(op);
}

void Session::give_up(Op& op, Time now) {
  Call* call = op.call;
  if (call->statement->is_write) {
    if (!call->given_up) {
      call->given_up = true;
      call->given_up_at = now;
    }
    if (now - call->given_up_at < kGrace) return;
  }
  if (call->statement->is_write && !call->in_transaction) {
    settle(*call, Outcome::kUnknown, commit_unknown("no answer at the deadline"));
  } else {
    settle(*call, Outcome::kTimeout,
           database_error("DATABASE_TIMEOUT", "the deadline passed before the answer"));
  }
  finish(call);
}

// libpq cancels with a blocking connection of its own.
void Session::cancel() {
  was_cancelled_ = true;
  std::shared_ptr<PGcancel> request(PQgetCancel(connection_.get()), PQfreeCancel);
  if (!request) return;
  cancels_.submit([request] {
    char reason[256];
    PQcancel(request.get(), reason, sizeof reason);
  });
}

}  // namespace halcyon::sql::postgres
