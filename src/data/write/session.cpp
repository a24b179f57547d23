#include "data/write/session.h"

#include <algorithm>

#include "data/read/count_cache.h"

namespace halcyon::data::write {
namespace {

json::Object request_state(const Caller& caller) {
  json::Object user = caller.user;
  if (caller.user_id && !user.contains("id")) user["id"] = *caller.user_id;
  json::Object state;
  if (caller.user_id) state["currentUser"] = std::move(user);
  state["currentRole"] = caller.role;
  return state;
}

// What a session did, for after the commit; the session itself is gone then.
struct Outcome {
  std::vector<Change> changes;
  std::vector<std::string> touched;
};

Outcome outcome_of(Session& session) {
  Outcome outcome;
  outcome.changes = session.take_changes();
  for (const schema::Collection* collection : session.touched()) {
    outcome.touched.push_back(collection->name);
  }
  return outcome;
}

void tell_committed(const Listeners& listeners, CountCache* counts, const Outcome& outcome) {
  if (counts != nullptr) {
    for (const std::string& name : outcome.touched) counts->touched(name);
  }
  if (outcome.changes.empty()) return;
  for (ChangeListener* listener : listeners) listener->committed(outcome.changes);
}

}  // namespace

Session::Session(const Call& outer, sql::Transaction& tx, const Listeners& listeners)
    : call(outer), state(request_state(outer.caller)), listeners_(listeners) {
  call.tx = &tx;
}

bool Session::wants_before(const schema::Collection& collection) const {
  return std::ranges::any_of(listeners_, [&](const ChangeListener* listener) {
    return listener->wants_before(collection);
  });
}

Task<Status> Session::changed(Change change) {
  changes_.push_back(std::move(change));
  co_return Status{};
}

Task<Status> Session::tell_in_transaction() {
  for (const Change& change : changes_) {
    for (ChangeListener* listener : listeners_) {
      CO_TRY_STATUS(co_await listener->in_transaction(call, tx(), change));
    }
  }
  if (changes_.empty()) co_return Status{};
  for (ChangeListener* listener : listeners_) {
    CO_TRY_STATUS(co_await listener->before_commit(call, tx(), changes_));
  }
  co_return Status{};
}

void Session::touched(const schema::Collection& collection) {
  if (std::ranges::find(touched_, &collection) == touched_.end()) touched_.push_back(&collection);
}

Status Nesting::check() const {
  if (session_.depth <= kMaxDepth) return {};
  return invalid("NESTING_TOO_DEEP", "Associations are nested more than " +
                                         std::to_string(kMaxDepth) + " levels deep.");
}

Task<Result<Answer>> run_write(const Call& call, const Listeners& listeners, Body body) {
  if (call.tx != nullptr) {
    Session session(call, *call.tx, listeners);
    CO_TRY(Answer answer, co_await body(session));
    CO_TRY_STATUS(co_await session.tell_in_transaction());
    // The model is kept: changes point at its collections.
    call.tx->on_commit(
        [&listeners, counts = call.counts, model = call.model, outcome = outcome_of(session)] {
          tell_committed(listeners, counts, outcome);
        });
    co_return answer;
  }
  std::optional<Answer> answer;
  Outcome outcome;
  sql::Database::Body attempt = [&](sql::Transaction& tx) -> Task<Status> {
    Session session(call, tx, listeners);
    CO_TRY(answer, co_await body(session));
    CO_TRY_STATUS(co_await session.tell_in_transaction());
    outcome = outcome_of(session);
    co_return Status{};
  };
  CO_TRY_STATUS(co_await call.db.in_transaction(call.ctx, attempt));
  tell_committed(listeners, call.counts, outcome);
  co_return std::move(*answer);
}

}  // namespace halcyon::data::write
