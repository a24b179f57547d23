// Interests: what somebody listens to, so that writers publish only what somebody wants to hear.
//
// A name ("orders") is wanted while listeners anywhere in the cluster say so, and for a while after
// (Options::message_life at least), so that a listener who comes back finds no gap. A row a name
// tells from which place on the bus nothing is missing; every member keeps a copy of the rows.
//
//   writer:    if (interests.wanted(name)) bus.publish(ctx, tx, ...);
//              else interests.skipped(tx, {name}, [](std::string name) { ... });
//   listener:  CO_TRY(int64_t since, co_await interests.want(ctx, name));   // and again, see below
//
// When `want` returns every member publishes what it changes under that name from then on. A write
// that had looked before and commits afterwards is told of by its callback: members wait for such
// writes, but no longer than a second.
// Thread rule: safe from any thread; `want` in tasks on io threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::cluster {

class Interests {
 public:
  virtual ~Interests() = default;

  // Does anybody listen? A look at a map.
  virtual bool wanted(std::string_view name) const = 0;
  // `tx` changes things under these names and tells nobody, since nobody wanted to know. When that
  // was no longer true by the time it has committed, `late` is called with the name, on an io
  // thread.
  virtual void skipped(sql::Transaction& tx, std::vector<std::string> names,
                       std::function<void(std::string name)> late) = 0;
  // The place on the bus since which everything under `name` was published. Call it again, at
  // least once in half a message_life, while there are listeners; mostly that is a look at a map.
  // A result greater than before: there was a gap in between. Error 503 NOT_CONFIRMED.
  virtual Task<Result<int64_t>> want(const Context& ctx, std::string name) = 0;
};

}  // namespace halcyon::cluster
