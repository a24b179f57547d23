// PostgreSQL over asynchronous libpq: pipelined lanes for short statements, a pool for the rest.
//
//   CO_TRY(auto db, co_await postgres::open_postgres(options, io));
//
// - Lanes (DB_LANES per io thread): autocommit statements that are not `is_slow` share a pipelined
//   connection with statement_timeout (DB_LANE_TIMEOUT) and a short lock_timeout. A statement that
//   hits either was undone by the server and is run again on the pool; one that was seen to be slow
//   goes there directly for a while. Reads that are sent together share one Sync, so `is_write =
//   false` must mean "changes nothing": a read is run again when a neighbour's error aborts it.
// - Pool (DB_POOL_*): transactions, slow statements, DDL.
// - DB_HOST is tried in turn for a server that takes writes. While there is none, calls wait until
//   their deadline or DB_FAILOVER_WAIT, then fail with DATABASE_UNAVAILABLE.
// - A lost connection: reads, and writes of which the server said that it did not do them, are
//   tried again. A write whose answer was lost is DATABASE_COMMIT_UNKNOWN.
// - A statement that runs at its deadline is cancelled on the server. A write is waited for a
//   little longer, to tell whether it was undone (DATABASE_TIMEOUT) or done.
// - Parameters carry the type of their Value; text travels untyped, so that the server infers
//   varchar, uuid and the like, and as text where it cannot.
// - One statement a call; COPY is refused.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sql/database.h"

namespace halcyon::runtime {
class IoThread;
}

namespace halcyon::sql::postgres {

Task<Result<std::unique_ptr<Database>>> open_postgres(Options options, runtime::IoPool& io);

// Notifications of LISTEN, on a connection of its own that reconnects by itself.
//
//   TRY(auto listener, open_listener(options, io.thread(0),
//                                    [&](std::string_view channel, std::string_view payload)
//                                    {...}));
//   listener->listen("halcyon_bus");     // connects with the first channel
//
// Notifications sent while there was no connection are lost: `reconnected` (if given) is called
// after each connection, the first included, once all channels are listened to; read then what may
// have been missed. Callbacks run on the io thread.
// Thread rule: `listen`, `connected` from any thread; `close` (and the destructor) from one thread,
// while the io thread runs. After it no callback is called.
class Listener {
 public:
  using Callback = std::function<void(std::string_view channel, std::string_view payload)>;
  virtual ~Listener() = default;
  virtual void listen(std::string channel) = 0;
  virtual bool connected() const = 0;
  virtual void close() = 0;
  // A connect under way, which close() ends soon: the io thread must outlive it.
  virtual bool connecting() const = 0;
};
Result<std::unique_ptr<Listener>> open_listener(const Options& options, runtime::IoThread& io,
                                                Listener::Callback callback,
                                                std::function<void()> reconnected = {});

}  // namespace halcyon::sql::postgres
