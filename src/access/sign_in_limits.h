// Limits wrong passwords over the whole cluster: counted in the table `signInAttempts`.
//
// Three counts, each over a sliding window: of the account from this client address (`max`), of the
// address over all accounts and of the account over all addresses (ten times `max` each). An
// attempt is counted before the password is looked at, in one conditional UPDATE, so that many at
// once do not slip through; a right password takes it back. Attempts refused are not counted.
// Nobody is locked out for ever: an address from which the account signed in within 30 days is not
// held up by strangers who fail for that account elsewhere, and `halcyon user` clears the account.
// The window is that of the servers' clocks: replicas some seconds apart share it well enough.
//
//   SignInLimits limits(db, catalog, 10, 15min);
//   CO_TRY_STATUS(co_await limits.begin(ctx, account));   // 429 TOO_MANY_SIGN_INS, retry_after
//   ... right password:
//   CO_TRY_STATUS(co_await limits.succeeded(ctx, account));
//
// Thread rule: safe from any io thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "schema/catalog.h"

namespace halcyon::access {

class SignInLimits {
 public:
  SignInLimits(sql::Database& db, schema::Catalog& catalog, int64_t max,
               std::chrono::milliseconds window)
      : db_(db), catalog_(catalog), max_(max), window_ms_(window.count()) {}

  static json::Object collection();  // the table's definition

  Task<Status> begin(const Context& ctx, std::string account);
  Task<Status> succeeded(const Context& ctx, std::string account);
  Task<Status> clear(const Context& ctx, std::string account);
  Task<Status> sweep(const Context& ctx);  // deletes rows that count nothing any more

 private:
  struct Count {
    std::string key, kind, subject;
    int64_t limit = 0;
  };
  struct Row {
    bool there = false;
    int64_t window = 0, failures = 0, previous = 0;
  };
  bool is_on() const { return max_ > 0 && window_ms_ > 0; }
  std::vector<Count> counts(const Context& ctx, const std::string& account) const;
  Task<Result<Row>> read(const Context& ctx, std::string key);
  Task<Result<bool>> is_known(const Context& ctx, std::string account);
  Task<Status> take(const Context& ctx, const Count& count);
  Task<Result<bool>> try_take(const Context& ctx, const Count& count);
  Task<Status> give_back(const Context& ctx, std::string key);
  Task<Result<int64_t>> write(const Context& ctx, sql::Statement statement);

  sql::Database& db_;
  schema::Catalog& catalog_;
  int64_t max_, window_ms_;
};

}  // namespace halcyon::access
