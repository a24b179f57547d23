// The query tree. Layers above build trees; only sql/render.cpp and sql/<dialect> know SQL text.
//
// Expressions are immutable and shared, so a compiled row scope is built once and reused by every
// request. Identifiers come from the schema catalogue and are quoted by the renderer; values are
// always parameters.
//
//   auto q = Select{};
//   q.from = table("orders", "o");
//   q.columns = {{column("o", "id"), "id"}};
//   q.where = eq(column("o", "customerId"), param(Value(int64_t{5})));
//   Statement s = render(q, dialect);
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sql/value.h"

namespace halcyon::sql {

struct ExprNode;
struct Select;
using Expr = std::shared_ptr<const ExprNode>;  // nullptr = absent

// kDiv is division of doubles, NULL when the divisor is 0. kConcat is NULL when a part is.
enum class BinaryOp { kEq, kNe, kLt, kLe, kGt, kGe, kAdd, kSub, kMul, kDiv, kConcat };
enum class LikeKind {
  kContains,
  kStartsWith,
  kEndsWith,
  kPattern
};  // kPattern: % and _ are wild cards, backslash escapes

// Functions whose text differs by dialect; each dialect renders all of them (sql/dialect.h).
enum class Fn {
  kCount,
  kCountDistinct,
  kSum,
  kAvg,
  kMin,
  kMax,  // aggregates; kCount without args = count(*)
  kSumDistinct,
  kAvgDistinct,  // averages are doubles
  kLower,
  kUpper,
  kLength,
  kCoalesce,
  kNow,                // kNow: the database's clock, UTC timestamp(3)
  kJsonArrayLength,    // (json) -> int; NULL or not an array -> 0
  kJsonArrayContains,  // (json, scalar param as json text) -> bool: the array has this member
  kJsonArrayOverlaps,  // (json, json array param) -> bool: any member in common
  kJsonArraySubset,    // (json, json array param) -> bool: no member but those of the second
  kJsonArraySameSet,   // (json, json array param) -> bool: same members, order and repeats ignored
  kJsonExtractText,    // (json, literal dotted path as kText param) -> text or NULL
  kJsonQuote,          // (scalar) -> its JSON text: 5 -> 5, a"b -> "a\"b"
  kAddMillis,          // (timestamptz, int milliseconds) -> timestamptz
  kEpochMillis,        // (timestamptz) -> int milliseconds since 1970; e.g. of kNow
  kDateFormat,  // (timestamp, kText literal of YYYY MM DD hh mm ss Q W, int offset minutes) -> text
                // hh = 00..23, Q = 1..4, W = ISO week 01..53, [text] = verbatim
  kRegexMatch,
  kRegexMatchCi,  // (text, pattern) -> bool
  kAbs,
  kRound,
  kFloor,
  kCeil,
};

struct ColumnRef {
  std::string table;
  std::string name;
};  // table = alias, may be empty
struct Param {
  Value value;
};
struct LiteralSql {
  std::string text;
};  // trusted text: only from code, never from users
struct Binary {
  BinaryOp op;
  Expr left, right;
};
struct Not {
  Expr operand;
};
struct IsNull {
  Expr operand;
  bool negated;
};
struct Logic {
  bool is_and;
  std::vector<Expr> operands;
};  // empty: and = true, or = false
struct In {
  Expr operand;
  std::vector<Expr> list;
  bool negated;
};  // empty list: false (negated: true)
struct InSelect {
  std::vector<Expr> operands;
  std::shared_ptr<const Select> select;
  bool negated;
};
struct Exists {
  std::shared_ptr<const Select> select;
  bool negated;
};
struct Like {  // case-insensitive (Unicode) or exact; `needle` is plain text, escaped by the
               // renderer
  Expr operand;
  std::string needle;
  LikeKind kind;
  bool case_insensitive;
  bool negated;
};
struct Call {
  Fn fn;
  std::vector<Expr> args;
};
struct Cast {
  Expr operand;
  Type type;
};
struct Case {
  std::vector<std::pair<Expr, Expr>> when;
  Expr otherwise;
};
struct ScalarSelect {
  std::shared_ptr<const Select> select;
};
struct BoolLiteral {
  bool value;
};

struct ExprNode {
  std::variant<ColumnRef, Param, LiteralSql, Binary, Not, IsNull, Logic, In, InSelect, Exists, Like,
               Call, Cast, Case, ScalarSelect, BoolLiteral>
      node;
};

struct TableRef {
  std::string schema;                    // PostgreSQL schema, or empty
  std::string name;                      // physical table or view
  std::string alias;                     // always set
  std::shared_ptr<const Select> select;  // derived table instead of `name`
  std::string raw_sql;  // SQL collections: the stored SELECT, trusted by an administrator
};
struct Join {
  bool left = true;
  TableRef table;
  Expr on;
};
struct OutputColumn {
  Expr expr;
  std::string alias;
};
enum class Nulls { kLast, kFirst, kDefault };
struct Order {
  Expr expr;
  bool descending = false;
  Nulls nulls = Nulls::kLast;
};
struct Cte {
  std::string name;
  std::vector<std::string> columns;
  std::shared_ptr<const Select> first, recursive;
};

struct Select {
  std::vector<Cte> with;  // recursive when `recursive` is set
  bool distinct = false;
  std::vector<OutputColumn> columns;
  TableRef from;
  std::vector<Join> joins;
  Expr where;
  std::vector<Expr> group_by;
  Expr having;
  std::vector<Order> order_by;
  std::optional<int64_t> limit, offset;
  bool for_update = false;   // rows of `from`; no-op on SQLite (its writer is alone)
  bool skip_locked = false;  // with for_update: pass over rows that others have locked
};
struct Assignment {
  std::string column;
  Expr value;
};
struct Insert {
  TableRef table;
  std::vector<std::string> columns;
  std::vector<std::vector<Expr>> rows;  // or
  std::shared_ptr<const Select> from_select;
  bool ignore_conflicts = false;              // ON CONFLICT DO NOTHING / INSERT IGNORE
  std::vector<std::string> conflict_columns;  // with `on_conflict_set`: upsert
  std::vector<Assignment> on_conflict_set;    // column("excluded", x) = the value to be inserted
  std::vector<std::string>
      returning;  // PostgreSQL, SQLite, MariaDB; MySQL: see Dialect::has_returning
};
struct Update {
  TableRef table;
  std::vector<Assignment> set;
  Expr where;
  std::vector<std::string> returning;
};
struct Delete {
  TableRef table;
  Expr where;
};

// Builders.
template <class T>
Expr make(T node) {
  return std::make_shared<const ExprNode>(ExprNode{std::move(node)});
}
inline Expr column(std::string table, std::string name) {
  return make(ColumnRef{std::move(table), std::move(name)});
}
inline Expr param(Value value) { return make(Param{std::move(value)}); }
inline Expr literal(std::string trusted) { return make(LiteralSql{std::move(trusted)}); }
inline Expr binary(BinaryOp op, Expr l, Expr r) {
  return make(Binary{op, std::move(l), std::move(r)});
}
inline Expr eq(Expr l, Expr r) { return binary(BinaryOp::kEq, std::move(l), std::move(r)); }
inline Expr negate(Expr e) { return make(Not{std::move(e)}); }
inline Expr is_null(Expr e) { return make(IsNull{std::move(e), false}); }
inline Expr is_not_null(Expr e) { return make(IsNull{std::move(e), true}); }
inline Expr all_of(std::vector<Expr> list) { return make(Logic{true, std::move(list)}); }
inline Expr any_of(std::vector<Expr> list) { return make(Logic{false, std::move(list)}); }
inline Expr call(Fn fn, std::vector<Expr> args = {}) { return make(Call{fn, std::move(args)}); }
inline Expr boolean(bool value) { return make(BoolLiteral{value}); }
// a AND b where either may be nullptr (= no condition).
inline Expr and_also(Expr a, Expr b) {
  if (!a) return b;
  if (!b) return a;
  return all_of({std::move(a), std::move(b)});
}
inline TableRef table(std::string name, std::string alias, std::string schema = "") {
  return TableRef{std::move(schema), std::move(name), std::move(alias), nullptr, ""};
}

}  // namespace halcyon::sql
