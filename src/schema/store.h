// The model in the database: rows of `collections` and `fields`, the state row (generation, lock),
// the journal of a change under way where DDL is not transactional.
//
// Every function runs on the executor it is given and leaves transactions to its caller.
#pragma once

#include <optional>
#include <string>

#include "schema/definitions.h"
#include "schema/model.h"
#include "schema/settings.h"
#include "sql/database.h"

namespace halcyon::schema {

// What `halcyon_model` (one row) holds.
struct State {
  uint64_t generation = 0;
  std::string fingerprint;  // of the built-in definitions the tables were last fitted to
  int schema_version = 0;   // of the program that did so; 0: of before it was written down
};

struct Journal {
  StoredModel after;  // the model when the change is done
  std::string note;   // Unit::note
  bool undoing = false;
  int64_t done = 0;  // steps done (undoing: steps not yet undone)
};

class Store {
 public:
  Store(Settings settings, std::string owner);

  // Makes the state tables; harmless when they are there or appear at the same time.
  Task<Status> create_tables(sql::Executor& db, const Context& ctx) const;

  // Locks the state row until the transaction ends and reads it.
  Task<Result<State>> lock(sql::Executor& tx, const Context& ctx) const;
  Task<Result<State>> read(sql::Executor& db, const Context& ctx) const;
  Task<Status> write(sql::Executor& db, const Context& ctx, State state) const;

  // The lease, for databases whose DDL ends transactions: 30 s, by the database's clock.
  Task<Result<bool>> take_lease(sql::Executor& db, const Context& ctx) const;
  Task<Status> drop_lease(sql::Executor& db, const Context& ctx) const;

  Task<Result<std::optional<Journal>>> read_journal(sql::Executor& db, const Context& ctx) const;
  Task<Status> write_journal(sql::Executor& db, const Context& ctx, Journal journal) const;
  Task<Status> progress(sql::Executor& db, const Context& ctx, bool undoing, int64_t done) const;
  Task<Status> clear_journal(sql::Executor& db, const Context& ctx) const;

  // `meta` is any snapshot with the collections `collections` and `fields`.
  static Task<Result<StoredModel>> load(sql::Executor& db, const Context& ctx,
                                        const Snapshot& meta);
  static Task<Status> save(sql::Executor& db, const Context& ctx, const Snapshot& meta,
                           const StoredModel& before, const StoredModel& after);

 private:
  sql::TableRef state_table() const;
  sql::TableRef journal_table() const;

  Settings settings_;
  std::string owner_;
};

bool operator==(const StoredCollection& a, const StoredCollection& b);
bool operator==(const StoredField& a, const StoredField& b);

}  // namespace halcyon::schema
