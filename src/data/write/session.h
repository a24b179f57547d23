// One write as it runs: the call inside its transaction, and what it changed so far.
//
// Every action of data/records.h makes one Session per try of the transaction, so that a repeated
// try starts with nothing. Changes are told to the listeners inside the transaction as they happen
// and once more, together, after the commit.
//
//   co_return co_await run_write(call, listeners, [&](Session& session) -> Task<Result<Answer>> {
//     CO_TRY(auto rows, co_await create_records(session, ...)); ...
//   });
//
// Thread rule: owned by one request; used by its tasks only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/text.h"
#include "data/request.h"
#include "schema/field_type.h"

namespace halcyon::data::write {

using Row = StringMap<sql::Value>;  // by field name
using Listeners = std::vector<ChangeListener*>;

// How deep values may nest (orders -> items -> product -> ...).
inline constexpr int kMaxDepth = 10;

class Session {
 public:
  Session(const Call& outer, sql::Transaction& tx, const Listeners& listeners);

  Call call;           // `tx` is set
  json::Object state;  // what field types may see of the request
  int depth = 0;

  sql::Transaction& tx() const { return *call.tx; }
  const schema::Snapshot& model() const { return *call.model; }
  schema::ValueContext value_context() const {
    return schema::ValueContext(call.ctx.utc_offset_minutes);
  }
  // The collection of this name; it must exist (relations of a snapshot are complete).
  const schema::Collection* collection(std::string_view name) const { return model().find(name); }

  bool has_listeners() const { return !listeners_.empty(); }
  bool wants_before(const schema::Collection& collection) const;
  // Notes one change for the listeners. Call only when has_listeners().
  Task<Status> changed(Change change);
  // Tells the listeners what was noted, once the whole write with its associations is done.
  Task<Status> tell_in_transaction();
  void touched(const schema::Collection& collection);

  const std::vector<const schema::Collection*>& touched() const { return touched_; }
  std::vector<Change> take_changes() { return std::move(changes_); }

 private:
  const Listeners& listeners_;
  std::vector<Change> changes_;
  std::vector<const schema::Collection*> touched_;
};

// Counts one level of nested values; NESTING_TOO_DEEP beyond kMaxDepth.
class Nesting {
 public:
  explicit Nesting(Session& session) : session_(session) { ++session_.depth; }
  ~Nesting() { --session_.depth; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;
  Status check() const;

 private:
  Session& session_;
};

using Body = std::function<Task<Result<Answer>>(Session&)>;
// Runs `body` in call.tx, or in a transaction of its own (then it may run more than once).
Task<Result<Answer>> run_write(const Call& call, const Listeners& listeners, Body body);

}  // namespace halcyon::data::write
