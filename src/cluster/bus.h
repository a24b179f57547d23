// The bus: messages to every member, in one order, none lost, none skipped.
//
// A message is a row written in the transaction whose change it tells, so it exists exactly when
// the change does. Rows get their place in the order (`seq`, 1, 2, 3, ... without a gap) after the
// commit, by a short transaction of any member that holds the row of the counter; so a reader that
// asks for "seq > last" never passes over a transaction that committed late. Hints (sql/hints.h)
// only say that there is something to read; the floor is polling.
//
//   bus.subscribe("model", [&](const Message&) -> Task<Status> { co_return co_await refresh(); });
//   CO_TRY_STATUS(co_await bus.publish(ctx, tx, "model", payload, Delivery::kConfirmed));
//   ... commit ...
//   CO_TRY_STATUS(co_await bus.settle(ctx));   // every live member has handled it, or is gone
//
// A member confirms a kConfirmed message when the subscriber's task succeeded. A member that did
// not renew its lease for a whole ttl is declared gone: it may serve nothing until it has joined
// again and read on (Lease::holds). A new member starts at the present end of the order, before it
// loads anything.
// Thread rule: publish and settle from io threads, on behalf of one request; handlers run on one io
// thread, one message after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/json.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::cluster {

struct Message {
  // True: messages were missed (purged before they could be read, or the database was set back).
  // Handlers of every topic get one, without payload, and load anew whatever they keep.
  bool missed = false;
  int64_t seq = 0;
  std::string topic;
  json::Value payload;
  std::string sender;  // member id
  int64_t created_ms = 0;
};

enum class Delivery {
  kPlain,      // delivered, nobody waits
  kConfirmed,  // settle() waits until every live member has handled it
};

class Bus {
 public:
  using Handler = std::function<Task<Status>(const Message&)>;
  virtual ~Bus() = default;

  // Before start() only. A handler that fails is called again, after a pause, with the same
  // message.
  virtual void subscribe(std::string topic, Handler handler) = 0;

  // Writes the message in `tx`. When that commits the bus is woken, and a confirmed message is
  // noted in ctx.unconfirmed, for settle. The sender's own handlers are called too.
  virtual Task<Status> publish(const Context& ctx, sql::Transaction& tx, std::string topic,
                               json::Value payload, Delivery delivery) = 0;
  // The same in a transaction of its own.
  virtual Task<Status> publish(const Context& ctx, std::string topic, json::Value payload,
                               Delivery delivery) = 0;
  // Waits until every live member has handled what this request published with kConfirmed
  // (ctx.unconfirmed, ids of messages). A 0 in that list stands for everything committed before
  // this call, for a request that does not know what an earlier try of it has published. Error 503
  // NOT_CONFIRMED at ctx.deadline; the change itself stays.
  virtual Task<Status> settle(const Context& ctx) = 0;

  // Messages of `topic` after `seq`, oldest first, for those who resume (realtime). Error
  // 409 SEQUENCE_TOO_OLD when they are not kept any more.
  virtual Task<Result<std::vector<Message>>> read_after(const Context& ctx, std::string topic,
                                                        int64_t seq, size_t limit) = 0;
  virtual int64_t position() const = 0;  // last message handled here
};

}  // namespace halcyon::cluster
