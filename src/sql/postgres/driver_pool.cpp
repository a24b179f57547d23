#include "sql/postgres/driver_pool.h"

#include <algorithm>

#include "base/log.h"
#include "sql/errors.h"
#include "sql/transaction_retry.h"

namespace halcyon::sql::postgres {

using runtime::Clock;

namespace {

Error unavailable(std::string why) {
  return database_error("DATABASE_UNAVAILABLE", std::move(why));
}

}  // namespace

ThreadConnections::ThreadConnections(std::shared_ptr<Shared> shared, runtime::IoThread& io,
                                     int pool_max)
    : shared_(std::move(shared)),
      io_(io),
      pool_max_(pool_max),
      lanes_(static_cast<size_t>(std::max(1, shared_->options.lanes_per_thread))),
      connecting_(lanes_.size()) {}

Task<Result<std::shared_ptr<Connection>>> ThreadConnections::connect(const Context& ctx,
                                                                     bool patient) {
  const auto give_up = std::min(
      ctx.deadline, Clock::now() + std::chrono::milliseconds(shared_->options.failover_wait_ms));
  std::string why;
  for (int attempt = 1;; ++attempt) {
    if (shared_->closed) co_return fail(unavailable("the database is closed"));
    auto work = [shared = shared_, &why]() -> Result<PGconn*> {
      return connect_blocking(shared->options, why);
    };
    auto made = co_await shared_->connectors.run(std::move(work));
    if (!made) co_return std::unexpected(std::move(made).error());
    if (*made != nullptr) {
      shared_->open.fetch_add(1);
      auto connection = std::make_shared<Connection>(io_, *made);
      connection->on_broken = [shared = shared_] { shared->open.fetch_sub(1); };
      co_return connection;
    }
    // A wrong password or an absent database does not heal; waiting would only hide it.
    const bool hopeless = why.find("authentication failed") != std::string::npos ||
                          why.find("does not exist") != std::string::npos ||
                          why.find("no pg_hba.conf entry") != std::string::npos ||
                          why.find("certificate") != std::string::npos ||
                          why.find("SSL") != std::string::npos;
    const auto pause = retry_pause(attempt + 4);
    if (!patient || hopeless || Clock::now() + pause >= give_up) co_return fail(unavailable(why));
    if (attempt == 1) log_warn("no database takes writes; waiting", {{"detail", why}});
    co_await runtime::sleep_for(pause);
  }
}

Task<Result<std::shared_ptr<Connection>>> ThreadConnections::lane(const Context& ctx) {
  const auto give_up = std::min(
      ctx.deadline, Clock::now() + std::chrono::milliseconds(shared_->options.failover_wait_ms));
  while (true) {
    std::shared_ptr<Connection> best;
    size_t vacant = lanes_.size();
    for (size_t i = 0; i < lanes_.size(); ++i) {
      if (!lanes_[i] || lanes_[i]->broken()) {
        if (!connecting_[i]) vacant = i;
      } else if (!best || lanes_[i]->load() < best->load()) {
        best = lanes_[i];
      }
    }
    if (best) co_return best;
    if (vacant == lanes_.size()) {
      // Another task is connecting; it wakes the line.
      Waiter waiter;
      if (!co_await lane_line_.wait(waiter, give_up, [] {}))
        co_return fail(unavailable("no connection in time"));
      continue;
    }
    connecting_[vacant] = true;
    auto made = co_await connect(ctx, true);
    Status ready;
    if (made) {
      Statement limit;
      limit.text = "SET statement_timeout = " + std::to_string(shared_->options.lane_timeout_ms);
      limit.is_slow = true;
      auto set = co_await (*made)->execute(limit);
      if (set) lanes_[vacant] = *made;
    }
    connecting_[vacant] = false;
    while (auto* next = lane_line_.take()) next->resume();
    if (!made) co_return std::unexpected(std::move(made).error());
  }
}

Task<Result<ThreadConnections::Lease>> ThreadConnections::acquire(const Context& ctx,
                                                                  bool patient) {
  const auto give_up = std::min(
      ctx.deadline, Clock::now() + std::chrono::milliseconds(shared_->options.pool_acquire_ms));
  // The place is taken before the connection is made, so that the pool never grows beyond its size.
  while (checked_out_ >= pool_max_) {
    Waiter waiter;
    shared_->waiting.fetch_add(1);
    const bool taken = co_await line_.wait(waiter, give_up, [] {});
    shared_->waiting.fetch_sub(1);
    if (!taken) {
      co_return fail(database_error("DATABASE_TIMEOUT", "no free connection in time"));
    }
  }
  ++checked_out_;
  while (!idle_.empty()) {
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    shared_->idle.fetch_sub(1);
    if (!connection->broken()) co_return Lease(shared_from_this(), std::move(connection));
  }
  auto made = co_await connect(ctx, patient);
  if (!made) {
    --checked_out_;
    if (auto* next = line_.take()) next->resume();
    co_return std::unexpected(std::move(made).error());
  }
  co_return Lease(shared_from_this(), *std::move(made));
}

void ThreadConnections::give_back(std::shared_ptr<Connection> connection) {
  --checked_out_;
  ++connection->uses;
  const int max_uses = shared_->options.pool_max_uses;
  if (connection->broken()) {
    // on_broken has counted it out
  } else if (shared_->closed || (max_uses > 0 && connection->uses >= max_uses)) {
    shared_->open.fetch_sub(1);
  } else {
    connection->idle_since = Clock::now();
    idle_.push_back(std::move(connection));
    shared_->idle.fetch_add(1);
  }
  if (auto* next = line_.take()) next->resume();
}

void ThreadConnections::evict_idle() {
  const auto old = Clock::now() - std::chrono::milliseconds(shared_->options.pool_idle_ms);
  const int keep = shared_->options.pool_min;
  // The oldest stand in front: the pool is used from the back.
  while (!idle_.empty() &&
         (idle_.front()->broken() ||
          (idle_.front()->idle_since<old&& static_cast<int>(idle_.size()) + checked_out_> keep))) {
    if (!idle_.front()->broken()) shared_->open.fetch_sub(1);
    idle_.erase(idle_.begin());
    shared_->idle.fetch_sub(1);
  }
}

void ThreadConnections::close() {
  shared_->idle.fetch_sub(static_cast<int>(idle_.size()));
  idle_.clear();
  for (auto& lane : lanes_) lane.reset();
}

}  // namespace halcyon::sql::postgres
