#include "sql/transaction_retry.h"

#include <algorithm>
#include <random>

#include "runtime/io.h"

namespace halcyon::sql {

namespace {
// A transaction that conflicts this often will not get better by itself; the deadline usually comes
// first.
constexpr int kMaxAttempts = 200;
constexpr int kFirstPauseMs = 4, kLongestPauseMs = 400;
}  // namespace

bool is_conflict(const Error& error) {
  return error.id == "SERIALIZATION_FAILURE" || error.id == "DEADLOCK";
}

bool is_transient(const Error& error) {
  return is_conflict(error) || error.id == "DATABASE_UNAVAILABLE";
}

std::chrono::milliseconds retry_pause(int attempt) {
  thread_local std::minstd_rand random(std::random_device{}());
  int longest = std::min(kLongestPauseMs, kFirstPauseMs << std::min(attempt - 1, 10));
  return std::chrono::milliseconds(
      std::uniform_int_distribution(std::max(1, longest / 2), longest)(random));
}

Task<Status> run_last(Executor& tx, const Context& ctx, const std::optional<LastStatement>& last) {
  if (!last) co_return Status{};
  auto rows = co_await tx.run(ctx, last->statement);
  if (!rows) co_return std::unexpected(last->explain(std::move(rows).error()));
  co_return Status{};
}

Task<Status> retry_transaction(const Context& ctx, std::function<Task<Attempt>()> attempt,
                               std::atomic<int64_t>& retries) {
  for (int count = 1;; ++count) {
    Attempt last = co_await attempt();
    if (last.status || !last.may_retry || count >= kMaxAttempts) co_return std::move(last.status);
    auto pause = retry_pause(count);
    if (ctx.expired() || ctx.remaining() <= pause) co_return std::move(last.status);
    co_await runtime::sleep_for(pause);
    retries.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace halcyon::sql
