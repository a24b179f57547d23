#include "sql/postgres/driver_pool.h"

#include <algorithm>

#include "base/log.h"
#include "sql/errors.h"
#include "sql/transaction_retry.h"

namespace halcyon::sql::postgres {

using runtime::Clock;
using std::chrono::milliseconds;

void Pool::Execution::await_suspend(std::coroutine_handle<> handle) {
  // Its frame may end while the statement is handed over.
  auto keep = session.shared_from_this();
  call.waiting = handle;
  if (begin) {
    keep->tidy();
    keep->send_begin();
  }
  if (before != nullptr && !keep->send(*before)) {
    keep->skip(call, before->error);
  } else {
    keep->send(call);
  }
  keep->sync();
  keep->flush();
}

Pool::Lease::Lease(std::shared_ptr<Pool> pool, std::shared_ptr<Session> session)
    : pool_(std::move(pool)), session_(std::move(session)) {}
Pool::Lease& Pool::Lease::operator=(Lease&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(session_, other.session_);
  return *this;
}
Pool::Lease::~Lease() {
  if (session_) pool_->give_back(std::move(session_));
}

Pool::Pool(std::shared_ptr<Core> core, runtime::IoPool& io) : core_(std::move(core)), io_(io) {}

void Pool::pump() {
  WaitList::Waiter* next = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (leased_ >= std::max(1, core_->options().pool_max)) return;
    next = waiting_.take();
    if (next == nullptr) return;
    ++leased_;
  }
  next->resume();
}

void Pool::release_slot() {
  {
    std::lock_guard lock(mutex_);
    --leased_;
  }
  pump();
}

std::shared_ptr<Session> Pool::take_idle() {
  while (true) {
    std::shared_ptr<Session> last;
    {
      std::lock_guard lock(mutex_);
      if (idle_.empty()) return nullptr;
      last = std::move(idle_.back());
      idle_.pop_back();
    }
    if (last->is_alive()) return last;
    core_->losses.fetch_add(1);
  }
}

void Pool::give_back(std::shared_ptr<Session> session) {
  const Options& options = core_->options();
  bool worn = options.pool_max_uses > 0 && ++session->uses >= options.pool_max_uses;
  bool keep = session->is_clean() && !worn;
  if (session->lost()) core_->losses.fetch_add(1);
  if (!keep) session->abandon(database_error("DATABASE_UNAVAILABLE", "given up"));
  session->detach();
  if (keep) {
    session->idle_since = Clock::now();
    std::lock_guard lock(mutex_);
    if (!closed_) idle_.push_back(std::move(session));
  }
  release_slot();
}

Task<Result<std::shared_ptr<Session>>> Pool::connect(const Context& ctx, bool once) {
  auto last =
      std::min(ctx.deadline, Clock::now() + milliseconds(core_->options().failover_wait_ms));
  for (int attempt = 1;; ++attempt) {
    auto connected = co_await core_->connect(Purpose::kPool, time_left(last));
    if (connected) co_return std::move(*connected);
    auto& refusal = connected.error();
    if (attempt == 1) {
      log_warn("no database server to write to", {{"reason", refusal.error.internal}});
    }
    auto pause = retry_pause(attempt + 3);
    if (once || refusal.permanent || ctx.expired() || Clock::now() + pause >= last) {
      co_return fail(std::move(refusal.error));
    }
    co_await runtime::sleep_for(pause);
  }
}

Task<Result<Pool::Lease>> Pool::acquire(const Context& ctx, bool once) {
  if (ctx.expired()) co_return fail(database_error("DATABASE_TIMEOUT", "the deadline has passed"));
  Request request;
  auto until =
      std::min(ctx.deadline, Clock::now() + milliseconds(core_->options().pool_acquire_ms));
  if (!co_await waiting_.wait(request, until, [this] { pump(); })) {
    co_return fail(database_error("DATABASE_TIMEOUT", "every connection of the pool is busy"));
  }
  std::shared_ptr<Session> session = take_idle();
  if (!session) {
    auto connected = co_await connect(ctx, once);
    if (!connected) {
      release_slot();
      co_return fail(std::move(connected).error());
    }
    session = std::move(*connected);
  }
  session->attach(*runtime::IoThread::current(), nullptr);
  co_return Lease(shared_from_this(), std::move(session));
}

void Pool::evict() {
  auto limit = Clock::now() - milliseconds(core_->options().pool_idle_ms);
  std::vector<std::shared_ptr<Session>> closing;
  std::lock_guard lock(mutex_);
  auto keep = static_cast<size_t>(std::max(0, core_->options().pool_min - leased_));
  while (idle_.size() > keep && idle_.front()->idle_since < limit) {
    closing.push_back(std::move(idle_.front()));
    idle_.erase(idle_.begin());
  }
}

void Pool::keep_house() {
  auto step = milliseconds(std::max(100, core_->options().pool_evict_ms));
  io_.thread(0).after(step, [self = weak_from_this()] {
    auto pool = self.lock();
    if (!pool) return;
    pool->evict();
    pool->keep_house();
  });
}

void Pool::close_idle() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  idle_.clear();
}

PoolStats Pool::stats() const {
  PoolStats stats;
  std::lock_guard lock(mutex_);
  stats.idle = static_cast<int>(idle_.size());
  stats.open = stats.idle + leased_;
  stats.waiting = static_cast<int>(waiting_.size());
  return stats;
}

}  // namespace halcyon::sql::postgres
