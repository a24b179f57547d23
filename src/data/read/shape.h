// How the rows of a statement become JSON: which column is which field, and what hangs below.
//
// A Shape is planned once with its statement and holds no data. To-one relations with unique keys
// are joined into the statement of their parent; every other append is one further statement per
// level, by the keys of the rows above (data/read/load.h).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/read/joins.h"
#include "data/read/selection.h"
#include "sql/ast.h"

namespace halcyon::data {

struct Append;

struct Shape {
  struct Output {
    const schema::Field* field = nullptr;
    size_t column = 0;
  };
  const schema::Collection* collection = nullptr;
  std::vector<Output> fields;
  std::vector<Append> appends;
};

struct Append {
  std::string name;
  const schema::Field* relation = nullptr;  // nullptr: the through row of an association resource
  Shape shape;
  bool joined = false;       // columns are in the parent's rows; else a statement of its own
  size_t key_column = 0;     // joined: NULL when there is no related row
  size_t source_column = 0;  // not joined: the key in the parent's rows

  // Not joined: the statement but for `match IN (keys)`, and where the matched key is.
  sql::Select batch;
  sql::Expr match;
  sql::Type match_type = sql::Type::kUnknown;
  size_t match_column = 0;

  bool recursive = false;  // load again for the rows loaded, until there are none
  size_t self_column = 0;  // recursive: as source_column, in the rows of `batch`
  bool tree = false;       // children of list?tree=true: `__index`, nothing when there are none
  bool to_many = false;
};

// The output columns of one statement, each (alias, column) once.
class Columns {
 public:
  size_t add(const std::string& alias, const std::string& column);
  std::vector<sql::OutputColumn> take();

 private:
  std::vector<std::pair<std::string, std::string>> columns_;
};

class ShapeBuilder {
 public:
  // `may_join` false: appends of the first level get statements of their own.
  explicit ShapeBuilder(const Call& call, bool may_join = true)
      : call_(call), may_join_(may_join) {}

  // Adds what `selection` needs of `node` to `columns`, joining to-one relations through `tree`.
  Result<Shape> build(const Selection& selection, JoinTree& tree, JoinTree::Node& node,
                      Columns& columns, int joined_depth = 0);
  // Children of tree nodes: rows whose parentId is a key above, sorted as the roots.
  Result<Append> tree_children(Readable& readable, const Selection& selection, Columns& parent,
                               const std::string& parent_alias,
                               const std::vector<std::string>& sort);

 private:
  Result<Append> joined(const Selection::Nested& nested, JoinTree& tree, JoinTree::Node& node,
                        Columns& columns, int joined_depth);
  Result<Append> batched(const Selection::Nested& nested, const JoinTree::Node& node,
                         Columns& columns);
  Status batch_statement(const Selection::Nested& nested, Append& append);

  const Call& call_;
  const bool may_join_;
};

// "-name" style sort entries over plain columns of `alias`, then the row key.
std::vector<sql::Order> plain_order(const schema::Collection& collection, const std::string& alias,
                                    const std::vector<std::string>& sort_by);

}  // namespace halcyon::data
