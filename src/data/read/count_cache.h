// Totals of lists: shared, kept for a moment, and never without a write that was acknowledged
// before the list was asked for, through whatever process.
//
// An exact count is the dearest part of a list on a large table, and browsers ask for the same one
// again and again. One CountCache serves one process. The key is the rendered count statement with
// its parameters and the model's generation. Three rules, the first that applies:
// - While this process is the only member of the cluster (Options::alone), a total counts for `ttl`
//   unless a write of this process touched one of its collections: writers call touched() for each
//   collection changed, after COMMIT and before they answer.
// - Where the database can tell what a statement saw (Dialect::snapshot_mark), a total counts for
//   `ttl` while a mark read after the request came is the same as the count's: nothing was
//   committed between.
// - Else requests that ask while a count is under way share the next one (runtime/coalesce.h).
// On a read replica (sql/replicas.h) only the last one is used, for each replica apart: it may lag
// behind a write that this process knows of.
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
    // Not 0: no other process can have had a write acknowledged since the number was the same the
    // last time (cluster::Cluster::alone). Without it this process counts as alone.
    std::function<uint64_t()> alone;
    Options() {}
  };
  explicit CountCache(Options options = Options());
  ~CountCache();

  // The total of `statement` (one row: the number, then the mark if there is one). `collections`:
  // whose changes may change it.
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
