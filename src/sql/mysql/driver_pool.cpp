#include "sql/mysql/driver_pool.h"

#include <algorithm>

#include "base/log.h"
#include "runtime/io.h"
#include "sql/errors.h"
#include "sql/mysql/driver_internal.h"
#include "sql/transaction_retry.h"

namespace halcyon::sql::mysql {

using runtime::Clock;
using std::chrono::milliseconds;

namespace {

constexpr int kDefaultPort = 3306;
constexpr size_t kLongestQueue = 20'000;
constexpr milliseconds kConnectTimeout{3000};
constexpr milliseconds kWatchStep{500};  // how soon a vanished client's statement is broken off

milliseconds until(Clock::time_point when) {
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(when - Clock::now()));
}

}  // namespace

Pool::Watch::Watch(const Context& ctx, Connection& connection)
    : ctx_(ctx), connection_(connection), io_(runtime::IoThread::current()) {
  arm();
}

void Pool::Watch::arm() {
  if (io_ == nullptr) return;
  armed_ = true;
  timer_ = io_->after(std::min(kWatchStep, until(ctx_.deadline)), [this] {
    armed_ = false;
    if (ctx_.expired()) return connection_.interrupt();
    arm();
  });
}

void Pool::Watch::stop() {
  if (armed_) io_->cancel(timer_);
  armed_ = false;
}

struct Pool::Request : WaitList::Waiter {};

Pool::Lease::Lease(std::shared_ptr<Pool> pool, std::unique_ptr<Connection> connection)
    : pool_(std::move(pool)), connection_(std::move(connection)) {}
Pool::Lease::Lease(Lease&& other) noexcept = default;
Pool::Lease& Pool::Lease::operator=(Lease&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(connection_, other.connection_);
  return *this;
}
Pool::Lease::~Lease() {
  if (connection_) pool_->give_back(std::move(connection_));
}

Pool::Pool(const Options& options, runtime::IoPool& io)
    : options_(options),
      hosts_(parse_hosts(options.host, options.port > 0 ? options.port : kDefaultPort)),
      io_(io),
      // One more than connections, for KILL and for closing.
      threads_("mysql", static_cast<size_t>(std::max(1, options.pool_max)) + 1, kLongestQueue) {}

Pool::~Pool() = default;

void Pool::pump() {
  Request* next = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (leased_ >= std::max(1, options_.pool_max)) return;
    next = static_cast<Request*>(waiting_.take());
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

std::unique_ptr<Connection> Pool::take_idle() {
  std::vector<std::unique_ptr<Connection>> dead;
  std::unique_ptr<Connection> found;
  {
    std::lock_guard lock(mutex_);
    while (!idle_.empty() && !found) {
      auto last = std::move(idle_.back());
      idle_.pop_back();
      if (last->is_alive()) {
        found = std::move(last);
      } else {
        ++losses_;
        dead.push_back(std::move(last));
      }
    }
  }
  if (!dead.empty()) threads_.submit([closing = std::move(dead)] {});
  return found;
}

void Pool::give_back(std::unique_ptr<Connection> connection) {
  ++connection->uses;
  bool worn = options_.pool_max_uses > 0 && connection->uses >= options_.pool_max_uses;
  if (connection->broken()) ++losses_;
  if (connection->broken() || worn) {
    threads_.submit([closing = std::move(connection)] {});
  } else {
    connection->idle_since = Clock::now();
    std::lock_guard lock(mutex_);
    idle_.push_back(std::move(connection));
  }
  release_slot();
}

void Pool::after_failure(Connection& connection) {
  if (!connection.interrupted()) return;
  // The server may still be at it, holding locks.
  threads_.submit([options = options_, host = hosts_[good_host_], id = connection.thread_id()] {
    auto killer = Connection::connect(options, host, kConnectTimeout);
    if (killer) (void)(*killer)->command("KILL " + std::to_string(id));
  });
}

std::unique_ptr<Connection> Pool::connect_any(milliseconds left, Error& error, bool& permanent) {
  size_t first = good_host_;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    size_t index = (first + i) % hosts_.size();
    const Host& host = hosts_[index];
    auto connected = Connection::connect(options_, host, std::min(left, kConnectTimeout));
    if (!connected) {
      error = std::move(connected.error().error);
      permanent = connected.error().permanent;
      continue;
    }
    if (!options_.is_replica && !(*connected)->is_writable()) {
      error = database_error("DATABASE_UNAVAILABLE", host.name + " is read-only");
      permanent = false;
      continue;
    }
    if (index != first) log_info("database host changed", {{"host", host.name}});
    // Several connect at once, and the first to start with is a guess.
    if (good_host_.exchange(index) != index && connected_once_) ++failovers_;
    connected_once_ = true;
    return std::move(*connected);
  }
  return nullptr;
}

Task<Result<std::unique_ptr<Connection>>> Pool::connect(const Context& ctx, bool once) {
  auto last = std::min(ctx.deadline, Clock::now() + milliseconds(options_.failover_wait_ms));
  for (int attempt = 1;; ++attempt) {
    Error error;
    bool permanent = false;
    auto connected = co_await threads_.run([&]() -> Result<std::unique_ptr<Connection>> {
      return connect_any(until(last), error, permanent);
    });
    if (!connected) co_return fail(std::move(connected).error());
    if (*connected) co_return std::move(*connected);
    if (attempt == 1) {
      log_warn("no database server to write to", {{"reason", error.internal}});
    }
    auto pause = retry_pause(attempt + 3);
    if (once || permanent || ctx.expired() || Clock::now() + pause >= last) {
      co_return fail(std::move(error));
    }
    co_await runtime::sleep_for(pause);
  }
}

Task<Result<Pool::Lease>> Pool::acquire(const Context& ctx, bool once) {
  if (ctx.expired()) co_return fail(database_error("DATABASE_TIMEOUT", "the deadline has passed"));
  Request request;
  auto wait_until = std::min(ctx.deadline, Clock::now() + milliseconds(options_.pool_acquire_ms));
  bool taken = co_await waiting_.wait(request, wait_until, [this] { pump(); });
  if (!taken) {
    co_return fail(database_error("DATABASE_TIMEOUT", "every connection of the pool is busy"));
  }
  std::unique_ptr<Connection> connection = take_idle();
  if (!connection) {
    auto connected = co_await connect(ctx, once);
    if (!connected) {
      release_slot();
      co_return fail(std::move(connected).error());
    }
    connection = std::move(*connected);
  }
  co_return Lease(shared_from_this(), std::move(connection));
}

void Pool::evict() {
  auto limit = Clock::now() - milliseconds(options_.pool_idle_ms);
  std::vector<std::unique_ptr<Connection>> closing;
  {
    std::lock_guard lock(mutex_);
    auto keep = static_cast<size_t>(std::max(0, options_.pool_min - leased_));
    while (idle_.size() > keep && idle_.front()->idle_since < limit) {
      closing.push_back(std::move(idle_.front()));
      idle_.erase(idle_.begin());
    }
  }
  if (!closing.empty()) threads_.submit([connections = std::move(closing)] {});
}

void Pool::keep_house() {
  auto step = milliseconds(std::max(100, options_.pool_evict_ms));
  io_.thread(0).after(step, [self = weak_from_this()] {
    auto pool = self.lock();
    if (!pool) return;
    pool->evict();
    pool->keep_house();
  });
}

void Pool::close_idle() {
  std::lock_guard lock(mutex_);
  idle_.clear();
}

PoolStats Pool::stats() const {
  PoolStats stats;
  std::lock_guard lock(mutex_);
  stats.idle = static_cast<int>(idle_.size());
  stats.open = stats.idle + leased_;
  stats.waiting = static_cast<int>(waiting_.size());
  stats.failovers = failovers_;
  return stats;
}

}  // namespace halcyon::sql::mysql
