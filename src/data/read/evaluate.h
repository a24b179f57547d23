// Filters on rows in memory: JSON objects in the form of answers, with their related rows.
//
// Serves two ends: small lists that live in memory (collections:list), and tests, for which it is
// the oracle that the SQL of every dialect is held to. It shares the filter's syntax with the
// planner and nothing of its meaning.
//
//   Evaluation in_memory;
//   TRY(bool yes, evaluate(in_memory, nullptr, row, filter));       // untyped: types of the JSON
//   Evaluation with_model{&snapshot, &rows};                        // relations and field types
//
// Thread rule: pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "json/json.h"
#include "schema/model.h"

namespace halcyon::data {

// All rows of each collection.
using MemoryRows = std::map<std::string, json::Array, std::less<>>;

struct Evaluation {
  const schema::Snapshot* model = nullptr;
  const MemoryRows* rows = nullptr;
  int utc_offset_minutes = 0;
  std::optional<int64_t> user_id;
};

// Does the row match? `collection` nullptr: paths go through nested objects, values have the types
// JSON gives them, and what is absent is null.
Result<bool> evaluate(const Evaluation& evaluation, const schema::Collection* collection,
                      const json::Object& row, const json::Value& filter);

}  // namespace halcyon::data
