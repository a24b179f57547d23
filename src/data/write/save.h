// Creating and updating records with everything that belongs to it: values, hooks, associations,
// trees, listeners. The actions of records.h and nested writes both end here.
//
//   CO_TRY(auto made, co_await create_records(session, orders, {{&object, {}}}, options));
//   CO_TRY(auto now, co_await update_records(session, orders, locked_rows, object, options));
//
// Rows given as "previous" hold every column and are locked. Thread rule: as Session.
#pragma once

#include <string>
#include <vector>

#include "data/write/values.h"

namespace halcyon::data::write {

struct SaveOptions {
  KeyRules rules;
  std::string ignored;   // a key to skip in values (through values of a many-to-many item)
  Row preset;            // set by the server, wins over the client (foreign key of a nested record)
  bool trusted = false;  // rows of through collections: rights were checked on the association
  InsertAnswer answer = InsertAnswer::kKeys;
  SaveOptions() = default;
};

struct NewRecord {
  const json::Object* values = nullptr;  // nullptr: only `preset`
  Row preset;                            // beside SaveOptions::preset
};

// Creates the records in order; the rows as stored (see InsertAnswer).
Task<Result<std::vector<Row>>> create_records(Session& session,
                                              const schema::Collection& collection,
                                              std::vector<NewRecord> records,
                                              const SaveOptions& options);

// Writes the client's `values` to each of `previous`; the rows afterwards.
Task<Result<std::vector<Row>>> update_records(Session& session,
                                              const schema::Collection& collection,
                                              std::vector<Row> previous, const json::Object& values,
                                              const SaveOptions& options);

// Writes `set` to each of `previous`: hooks, only what differs, equal changes in one statement.
Task<Result<std::vector<Row>>> save_changes(Session& session, const schema::Collection& collection,
                                            std::vector<Row> previous, const Row& set);

// The rows that an action is about, locked, every column; scope and association applied.
Task<Result<std::vector<Row>>> lock_matching(Session& session, const Target& target,
                                             const Params& params, std::string_view action);

// Is this one row within the scope of the caller's grant?
Task<Result<bool>> in_scope(Session& session, const schema::Collection& collection,
                            std::string_view action, const Row& row);

}  // namespace halcyon::data::write
