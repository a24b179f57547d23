// Totals of lists: coalesced, cached for a moment, never older than a write made here.
//
// An exact count is the dearest part of a list on a large table, and browsers ask for the same one
// again and again. One CountCache serves one Database. The key is the rendered count statement with
// its parameters and the model's generation; identical counts under way are shared, finished ones
// kept for `ttl`.
//
// A writer always sees its own write in the total: the writer calls touched() for each collection
// changed after COMMIT and before it answers, which forgets counts of that collection, under way
// ones too. For writes of other processes give `changes`, a counter per collection that moves on
// when another process wrote (from the bus); without it such a write shows after `ttl` at the
// latest.
//
//   CountCache counts;                                        // owned by server
//   Call call{..., .counts = &counts};
//   counts.touched("orders");                                 // data/write, after COMMIT
//
// Thread rule: everything from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::data {

class CountCache {
 public:
  struct Options {
    std::chrono::milliseconds ttl{1000};
    size_t capacity = 2048;
    int64_t large = 100000;  // counts of tables with more rows are kept off the short lanes
    std::function<uint64_t(std::string_view collection)> changes;
    Options() {}
  };
  explicit CountCache(Options options = Options());
  ~CountCache();

  // The total of `statement` (one row, one number). `collections`: whose changes may change it.
  Task<Result<int64_t>> count(const Context& ctx, sql::Database& db, sql::Statement statement,
                              std::vector<std::string> collections, uint64_t generation);

  // Rows of this collection changed and the change is committed.
  void touched(std::string_view collection);

  // The last total any statement of this text gave: a guess of what the next one will give.
  std::optional<int64_t> last_total(std::string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halcyon::data
