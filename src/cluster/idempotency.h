// Exactly-once: the key of a request and the answer it got, written in the request's own
// transaction.
//
//   Request key: {scope "user:POST /api/orders:create", key, sha256 of the body}
//   idempotency.record(tx, request, answer);         // goes out together with COMMIT
//   ... in_transaction failed, or the fate of its COMMIT is not known ...
//   CO_TRY(auto stored, co_await idempotency.find(ctx, request));   // did an earlier try commit?
//
// Nothing is looked up before the work: a second try does the work again, meets the first one's row
// on the unique index when it records its own (waiting for it, if it has not committed yet), is
// rolled back, and gets the stored answer. So exactly-once costs one INSERT, sent together with
// COMMIT. The INSERT also carries the fence of the member's lease and the generation of the model
// the request was planned on: a member that was suspended past its lease, or that planned on an
// older model, writes nothing. Keys count until purge() deletes their row, some time after `keep`.
// Thread rule: safe from any io thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::cluster {

struct RequestKey {
  std::string scope;  // user and route
  std::string key;
  std::string body_hash;              // sha256 of the body; empty for keys made here
  std::chrono::milliseconds keep{0};  // 24 h for a client's own key, minutes for a balancer's
  uint64_t generation = 0;            // of the model it was planned on; 0: none
};

// What was answered: replayed as it was.
struct StoredAnswer {
  int status = 200;
  std::string content_type;
  std::string body;
  bool secret = false;  // encrypted in the database: a token that is shown once
};

class Idempotency {
 public:
  virtual ~Idempotency() = default;
  // Makes the key and the answer the last statement of the transaction (sql::Transaction::
  // before_commit). `in_transaction` then fails with 409 REQUEST_REPEATED (a row is there: find),
  // 503 LEASE_LOST or 503 MODEL_CHANGED (plan again), and nothing was written.
  virtual void record(sql::Transaction& tx, const RequestKey& request,
                      const StoredAnswer& answer) = 0;
  // nullopt: no try of this request has committed. Error 422 IDEMPOTENCY_KEY_REUSED: the key came
  // with another body.
  virtual Task<Result<std::optional<StoredAnswer>>> find(const Context& ctx,
                                                         const RequestKey& request) = 0;
  // A row as text, for a change that may be finished by another process after a crash
  // (schema::Catalog): `restore` writes it then, unless it is there.
  virtual std::string pack(const RequestKey& request, const StoredAnswer& answer) const = 0;
  virtual Task<Status> restore(const Context& ctx, sql::Executor& tx, std::string packed) = 0;
  // Deletes expired rows, some at a time; how many.
  virtual Task<Result<int64_t>> purge(const Context& ctx, int64_t at_most) = 0;
};

// 503 MODEL_CHANGED: "The data model changed meanwhile, try again."
Error model_changed();

}  // namespace halcyon::cluster
