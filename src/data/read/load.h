// Rows of a shape with everything that hangs below, and their JSON.
//
// Appends cost one statement per relation and level, however many rows there are: the keys of the
// level above go into `IN (...)`, in chunks, and the answers are grouped by key. Siblings run at
// the same time unless inside a transaction.
//
//   CO_TRY(Loaded loaded, co_await load(call, plan.shape, std::move(rows)));
//   write_rows(plan.shape, loaded, writer);
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "data/read/shape.h"
#include "json/writer.h"
#include "sql/database.h"

namespace halcyon::data {

struct Group;

struct Loaded {
  std::vector<sql::Rows> parts;                  // one per chunk of keys
  std::vector<std::unique_ptr<Group>> children;  // parallel to shape.appends
};

// The rows of one append, by the key that ties them to their parent.
struct Group {
  struct Place {
    uint32_t part, row;
  };
  Loaded level;  // joined appends: no rows, only children
  std::unordered_map<std::string_view, std::vector<Place>> by_key;  // views into cells
  std::unique_ptr<Group> deeper;  // recursive appends: the next level
};

Task<Result<Loaded>> load(const Call& call, const Shape& shape, sql::Rows rows);

struct WriteOptions {
  // list?tree=true with a filter: nodes to keep, by primary key text; nullptr: all.
  const std::unordered_set<std::string>* keep = nullptr;
  WriteOptions() = default;
};

// A JSON array of the first `limit` rows.
void write_rows(const Shape& shape, const Loaded& loaded, size_t limit, json::Writer& out,
                const WriteOptions& options = {});
// One object; the row must be there.
void write_first(const Shape& shape, const Loaded& loaded, json::Writer& out);

// A cell as a parameter for comparing with a column of this type.
sql::Value value_of_cell(sql::Cell cell, sql::Type type);

}  // namespace halcyon::data
