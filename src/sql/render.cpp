// Walks the tree; everything that differs by dialect is asked of the Dialect.
#include <stdexcept>

#include "sql/dialect.h"
#include "sql/text_util.h"

namespace halcyon::sql {

namespace {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};

std::string_view symbol(BinaryOp op) {
  switch (op) {
    case BinaryOp::kEq:
      return " = ";
    case BinaryOp::kNe:
      return " <> ";
    case BinaryOp::kLt:
      return " < ";
    case BinaryOp::kLe:
      return " <= ";
    case BinaryOp::kGt:
      return " > ";
    case BinaryOp::kGe:
      return " >= ";
    case BinaryOp::kAdd:
      return " + ";
    case BinaryOp::kSub:
      return " - ";
    case BinaryOp::kMul:
      return " * ";
    case BinaryOp::kDiv:
    case BinaryOp::kConcat:
      break;
  }
  throw std::logic_error("an operator that only dialects render");
}

// Renders one expression; absent operands are programmer errors.
struct Renderer {
  Rendering& out;
  const Dialect& dialect;

  void expr(const Expr& e) {
    if (!e) throw std::logic_error("an operand is absent");
    render_expr(out, *e, dialect);
  }

  void operator()(const ColumnRef& ref) {
    if (out.in_upsert && ref.table == "excluded") return dialect.excluded(out, ref.name);
    if (!ref.table.empty() && ref.table != out.bare_alias) {
      dialect.quote(out.text, ref.table);
      out.text += '.';
    }
    dialect.quote(out.text, ref.name);
  }
  void operator()(const Param& param) { dialect.placeholder(out, param.value); }
  void operator()(const LiteralSql& literal) { out.text += literal.text; }
  void operator()(const Binary& node) {
    if (!node.left || !node.right) throw std::logic_error("an operand is absent");
    if (node.op == BinaryOp::kConcat) return dialect.concat(out, node);
    if (node.op == BinaryOp::kDiv) return dialect.divide(out, node);
    out.text += '(';
    expr(node.left);
    out.text += symbol(node.op);
    expr(node.right);
    out.text += ')';
  }
  void operator()(const Not& node) {
    out.text += "(NOT ";
    expr(node.operand);
    out.text += ')';
  }
  void operator()(const IsNull& node) {
    out.text += '(';
    expr(node.operand);
    out.text += node.negated ? " IS NOT NULL)" : " IS NULL)";
  }
  void operator()(const Logic& node) {
    if (node.operands.empty()) {
      out.text += node.is_and ? "TRUE" : "FALSE";
      return;
    }
    if (node.operands.size() == 1) return expr(node.operands.front());
    bool first = true;
    for (const Expr& operand : node.operands) {
      out.text += first ? "(" : node.is_and ? " AND " : " OR ";
      first = false;
      expr(operand);
    }
    out.text += ')';
  }
  void operator()(const In& node) {
    if (node.list.empty()) {
      out.text += node.negated ? "TRUE" : "FALSE";
      return;
    }
    out.text += '(';
    expr(node.operand);
    out.text += node.negated ? " NOT IN (" : " IN (";
    render_list(out, node.list, dialect);
    out.text += "))";
  }
  void operator()(const InSelect& node) { dialect.in_select(out, node); }
  void operator()(const Exists& node) {
    out.text += node.negated ? "(NOT EXISTS (" : "(EXISTS (";
    render_select(out, *node.select, dialect);
    out.text += "))";
  }
  void operator()(const Like& node) {
    if (!node.operand) throw std::logic_error("an operand is absent");
    dialect.like(out, node);
  }
  void operator()(const Call& node) { dialect.call(out, node); }
  void operator()(const Cast& node) { dialect.cast(out, node); }
  void operator()(const Case& node) {
    if (node.when.empty()) throw std::logic_error("CASE without WHEN");
    out.text += "(CASE";
    for (const auto& [condition, value] : node.when) {
      out.text += " WHEN ";
      expr(condition);
      out.text += " THEN ";
      expr(value);
    }
    if (node.otherwise) {
      out.text += " ELSE ";
      expr(node.otherwise);
    }
    out.text += " END)";
  }
  void operator()(const ScalarSelect& node) {
    out.text += '(';
    render_select(out, *node.select, dialect);
    out.text += ')';
  }
  void operator()(const BoolLiteral& node) { out.text += node.value ? "TRUE" : "FALSE"; }
};

// The line end is for a comment that trim_statement did not know as one.
void render_raw(Rendering& out, std::string_view raw) {
  std::string_view query = trim_statement(raw);
  if (query.empty()) throw std::logic_error("an SQL collection without SQL");
  out.text += '(';
  out.text += query;
  out.text += "\n)";
}

void render_table(Rendering& out, const TableRef& table, const Dialect& dialect) {
  if (table.select) {
    out.text += '(';
    render_select(out, *table.select, dialect);
    out.text += ')';
  } else if (!table.raw_sql.empty()) {
    render_raw(out, table.raw_sql);
  } else {
    dialect.table_name(out, table.schema, table.name);
  }
  if (table.alias.empty()) return;
  out.text += " AS ";
  dialect.quote(out.text, table.alias);
}

void render_ctes(Rendering& out, const std::vector<Cte>& ctes, const Dialect& dialect) {
  bool recursive = false;
  for (const Cte& cte : ctes) recursive = recursive || cte.recursive;
  out.text += recursive ? "WITH RECURSIVE " : "WITH ";
  bool first = true;
  for (const Cte& cte : ctes) {
    if (!first) out.text += ", ";
    first = false;
    dialect.quote(out.text, cte.name);
    if (!cte.columns.empty()) {
      out.text += " (";
      render_columns(out, cte.columns, dialect);
      out.text += ')';
    }
    out.text += " AS (";
    render_select(out, *cte.first, dialect);
    if (cte.recursive) {
      // UNION, not UNION ALL: a cycle in the data ends the recursion instead of the server.
      out.text += " UNION ";
      render_select(out, *cte.recursive, dialect);
    }
    out.text += ')';
  }
  out.text += ' ';
}

void render_outputs(Rendering& out, const Select& query, const Dialect& dialect) {
  if (query.columns.empty()) {
    out.text += '1';
    return;
  }
  bool first = true;
  for (const OutputColumn& column : query.columns) {
    if (!first) out.text += ", ";
    first = false;
    render_expr(out, *column.expr, dialect);
    if (column.alias.empty()) continue;
    out.text += " AS ";
    dialect.quote(out.text, column.alias);
  }
}

void render_where(Rendering& out, const Expr& where, const Dialect& dialect) {
  if (!where) return;
  out.text += " WHERE ";
  render_expr(out, *where, dialect);
}

bool has_from(const TableRef& table) {
  return !table.name.empty() || table.select || !table.raw_sql.empty();
}

Statement finish(Rendering&& out, bool is_write) {
  Statement statement;
  statement.text = std::move(out.text);
  statement.params = std::move(out.params);
  statement.is_write = is_write;
  return statement;
}

Rendering begin() {
  Rendering out;
  out.text.reserve(512);
  return out;
}

void render_rows(Rendering& out, const Insert& query, const Dialect& dialect) {
  out.text += " (";
  render_columns(out, query.columns, dialect);
  out.text += ") VALUES ";
  bool first = true;
  for (const auto& row : query.rows) {
    if (row.size() != query.columns.size()) {
      throw std::logic_error("a row has not as many values as there are columns");
    }
    out.text += first ? "(" : ", (";
    first = false;
    render_list(out, row, dialect);
    out.text += ')';
  }
}

void render_from_select(Rendering& out, const Insert& query, const Dialect& dialect) {
  out.text += " (";
  render_columns(out, query.columns, dialect);
  out.text += ") ";
  bool conflict = query.ignore_conflicts || !query.on_conflict_set.empty();
  if (conflict && !query.from_select->where) {
    // Without WHERE, SQLite takes the ON of ON CONFLICT for a join's.
    Select select = *query.from_select;
    select.where = boolean(true);
    return render_select(out, select, dialect);
  }
  render_select(out, *query.from_select, dialect);
}

}  // namespace

void Dialect::table_name(Rendering& out, std::string_view, std::string_view name) const {
  quote(out.text, name);
}

void Dialect::concat(Rendering& out, const Binary& node) const {
  out.text += '(';
  render_expr(out, *node.left, *this);
  out.text += " || ";
  render_expr(out, *node.right, *this);
  out.text += ')';
}

void Dialect::in_select(Rendering& out, const InSelect& node) const {
  if (node.operands.empty()) throw std::logic_error("IN without an operand");
  out.text += node.operands.size() > 1 ? "((" : "(";
  render_list(out, node.operands, *this);
  if (node.operands.size() > 1) out.text += ')';
  out.text += node.negated ? " NOT IN (" : " IN (";
  render_select(out, *node.select, *this);
  out.text += "))";
}

void Dialect::excluded(Rendering& out, std::string_view column) const {
  out.text += "excluded.";
  quote(out.text, column);
}

void Dialect::insert_alias(Rendering& out, const Insert& insert) const {
  if (insert.table.alias.empty()) return;
  out.text += " AS ";
  quote(out.text, insert.table.alias);
}

void Dialect::insert_defaults(Rendering& out) const { out.text += " DEFAULT VALUES"; }

void Dialect::delete_head(Rendering& out, const TableRef& table) const {
  out.text += "DELETE FROM ";
  render_table(out, table, *this);
}

void render_expr(Rendering& out, const ExprNode& expr, const Dialect& dialect) {
  std::visit(Renderer{out, dialect}, expr.node);
}

void render_select(Rendering& out, const Select& query, const Dialect& dialect) {
  if (!query.with.empty()) render_ctes(out, query.with, dialect);
  out.text += query.distinct ? "SELECT DISTINCT " : "SELECT ";
  render_outputs(out, query, dialect);
  if (has_from(query.from)) {
    out.text += " FROM ";
    render_table(out, query.from, dialect);
  }
  for (const Join& join : query.joins) {
    out.text += join.left ? " LEFT JOIN " : " INNER JOIN ";
    render_table(out, join.table, dialect);
    out.text += " ON ";
    if (join.on) {
      render_expr(out, *join.on, dialect);
    } else {
      out.text += "TRUE";
    }
  }
  render_where(out, query.where, dialect);
  if (!query.group_by.empty()) {
    out.text += " GROUP BY ";
    render_list(out, query.group_by, dialect);
  }
  if (query.having) {
    out.text += " HAVING ";
    render_expr(out, *query.having, dialect);
  }
  bool first = true;
  for (const Order& order : query.order_by) {
    out.text += first ? " ORDER BY " : ", ";
    first = false;
    dialect.order(out, order);
  }
  dialect.limit(out, query.limit, query.offset);
  if (query.for_update) dialect.lock(out, query);
}

Statement render(const Select& query, const Dialect& dialect) {
  Rendering out = begin();
  render_select(out, query, dialect);
  return finish(std::move(out), query.for_update);
}

Statement render(const Insert& query, const Dialect& dialect) {
  Rendering out = begin();
  out.text += dialect.insert_verb(query);
  out.text += " INTO ";
  dialect.table_name(out, query.table.schema, query.table.name);
  dialect.insert_alias(out, query);
  if (query.from_select) {
    render_from_select(out, query, dialect);
  } else if (query.rows.empty()) {
    throw std::logic_error("INSERT without rows");
  } else if (query.columns.empty()) {
    if (query.rows.size() != 1) throw std::logic_error("only one row of defaults at a time");
    dialect.insert_defaults(out);
  } else {
    render_rows(out, query, dialect);
  }
  dialect.insert_tail(out, query);
  return finish(std::move(out), true);
}

Statement render(const Update& query, const Dialect& dialect) {
  Rendering out = begin();
  out.target = query.table.name;
  out.text += "UPDATE ";
  render_table(out, query.table, dialect);
  out.text += " SET ";
  render_assignments(out, query.set, dialect);
  render_where(out, query.where, dialect);
  if (!query.returning.empty() && dialect.has_update_returning()) {
    out.text += " RETURNING ";
    render_columns(out, query.returning, dialect);
  }
  return finish(std::move(out), true);
}

Statement render(const Delete& query, const Dialect& dialect) {
  Rendering out = begin();
  out.target = query.table.name;
  dialect.delete_head(out, query.table);
  render_where(out, query.where, dialect);
  return finish(std::move(out), true);
}

}  // namespace halcyon::sql
