// Read replicas (DB_READ_HOSTS): which of them may answer a read without anybody noticing.
//
// A read may go to a replica that has everything that was committed before the read was asked for.
// That is found out with positions of the database's own log (Dialect::commit_position): the
// primary is asked for its position, one question for all who ask meanwhile, and a replica that has
// replayed so much is looked for. So nobody has to bring anything along: who has written, through
// whatever process, sees it, and what the model and the rights are is in force too (promise P5).
//
// A client may bring a position (X-Read-After: what an answer gave it) instead. Then the primary is
// not asked: the client sees its own writes, and others' at most `max_lag` late. A floor, moved
// up with each change of the model and of rights, is held in any case.
//
//   auto replicas = co_await Replicas::open(*db, io, options);
//   Replicas::Choice choice = co_await replicas->pick(ctx, "");
//   if (choice.db) ... run the read there; any failure: tell failed(), run it on *db
//
// A replica that lags, is lost, or follows nobody is passed over and comes back by itself; when
// none is left the primary does the work. Thread rule: from any io thread; close() from one task.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/metrics.h"
#include "sql/database.h"

namespace halcyon::sql {

struct ReplicaOptions {
  std::vector<std::string> hosts;  // "host" or "host:port"
  std::chrono::milliseconds max_lag{5'000};
  std::chrono::milliseconds patience{30};  // for a replica to replay what is asked for
  std::chrono::milliseconds look_every{250};
  ReplicaOptions() = default;
};

class Replicas {
 public:
  struct Choice {
    // nullptr: the primary. Fails with DATABASE_UNAVAILABLE once a connection was lost: a replica
    // that crashed may have gone back.
    std::shared_ptr<Database> db;
    std::string position;  // what it has for sure
  };
  struct State {
    std::string host;
    bool usable = false;
    std::chrono::milliseconds lag{0};
    int64_t reads = 0;
  };

  // Connects in the background; replicas need not be there yet.
  Replicas(Database& primary, runtime::IoPool& io, ReplicaOptions options);
  ~Replicas();
  Task<void> close();  // before the primary; no read may be under way any more

  // A replica that has all that was committed before this call, or, when `after` is a position,
  // all up to that one and the floor.
  Task<Choice> pick(const Context& ctx, std::string after);
  // A read there failed: it is left alone until it was seen to be well.
  void failed(const Database* replica);

  // Everything committed so far is before it. For answers to those who bring positions.
  Task<Result<std::string>> position(const Context& ctx);
  bool is_position(std::string_view text) const;
  // From now on no read goes where what is committed by now is not yet.
  Task<Status> raise_floor(const Context& ctx);

  std::vector<State> states() const;
  void show(runtime::Metrics& metrics);  // before the first pick

 private:
  struct Replica;
  struct Shared;
  class Pinned;
  static runtime::Detached watch(std::shared_ptr<Shared> shared, std::shared_ptr<Replica> replica);

  std::shared_ptr<Shared> shared_;
};

}  // namespace halcyon::sql
