// DDL as data: schema describes tables, `ddl` renders the statements for one dialect.
//
//   for (auto& text : create_table(spec, dialect)) run(text)      // is_write, is_slow
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/context.h"
#include "runtime/task.h"
#include "sql/database.h"

namespace halcyon::sql {

// Storage type of a column. length: VARCHAR length; precision/scale: DECIMAL or fractional seconds.
struct ColumnType {
  Type type = Type::kText;
  int length = 0;  // kText: 0 = TEXT, else VARCHAR(length)
  int precision = 0, scale = 0;
  std::string text_size;      // MySQL: "", "tiny", "medium", "long"
  bool native_array = false;  // PostgreSQL native array of `type`; JSON elsewhere
  bool operator==(const ColumnType&) const = default;
};

struct ColumnSpec {
  std::string name;
  ColumnType type;
  bool nullable = true;
  bool primary_key = false;
  bool auto_increment = false;  // identity / AUTO_INCREMENT / INTEGER PRIMARY KEY AUTOINCREMENT
  std::optional<Value> default_value;
  // Found by describe_table where the default is no plain value ("now()"), as the database prints
  // it; kept when SQLite rebuilds the table.
  std::string default_expression;
};
struct IndexSpec {
  std::string name;  // empty: made from table and columns, within the dialect's length limit
  std::vector<std::string> columns;
  bool unique = false;
};
struct TableSpec {
  std::string schema;
  std::string name;
  std::vector<ColumnSpec> columns;
  std::vector<std::string> primary_key;  // composite; else taken from columns
  std::vector<IndexSpec> indexes;
  bool if_not_exists = false;  // create_table leaves a table (and index) of that name as it is
};

// "orderItems" {"orderId"} unique -> "order_items_order_id_unique", as Sequelize names them; at
// most 63 bytes, longer ones end in a hash.
std::string index_name(std::string_view table, const IndexSpec& index);
std::vector<std::string> create_table(const TableSpec& table, const Dialect& dialect);
// Makes the table, and its indexes, or finds it made by another process at the same moment.
Task<Status> ensure_table(Executor& db, const Context& ctx, const TableSpec& table);
std::vector<std::string> drop_table(const std::string& schema, const std::string& table,
                                    const Dialect& dialect);
std::vector<std::string> rename_table(const std::string& schema, const std::string& from,
                                      const std::string& to, const Dialect& dialect);
// Rows that exist get the default. NOT NULL without a default is an error when there are rows.
std::vector<std::string> add_column(const TableSpec& table, const ColumnSpec& column,
                                    const Dialect& dialect);
// `table` lists the indexes, so that those with the column go first on every dialect.
std::vector<std::string> drop_column(const TableSpec& table, const std::string& column,
                                     const Dialect& dialect);
std::vector<std::string> rename_column(const TableSpec& table, const std::string& from,
                                       const std::string& to, const Dialect& dialect);
// Changes type, nullability or default. `table` describes the table as it will be: SQLite rebuilds
// it, so an index that `table` leaves out is lost, and a column that it leaves out is an error.
// Values that do not fit the new type make a statement fail and change nothing; fractions that do
// not fit a DECIMAL's scale are rounded, and MySQL also rounds a fraction that becomes an integer.
// Run the statements in one transaction where the dialect has transactional DDL.
std::vector<std::string> alter_column(const TableSpec& table, const ColumnSpec& from,
                                      const ColumnSpec& to, const Dialect& dialect);
std::vector<std::string> create_index(const TableSpec& table, const IndexSpec& index,
                                      const Dialect& dialect);
std::vector<std::string> drop_index(const TableSpec& table, const std::string& name,
                                    const Dialect& dialect);
std::string type_text(const ColumnType& type, const Dialect& dialect);
// To be called first in a transaction that changes tables others are using: a change that would
// wait long for its lock fails with DEADLOCK instead, and is tried again, so that the statements
// queued behind it go on meanwhile. Nothing where the database has no such limit.
Task<Status> limit_lock_wait(Executor& tx, const Context& ctx);

// What is really there. Several types may share one physical type (on SQLite and MySQL); compare a
// wished for column with a found one by type_text(), not by ==.
struct TableInfo {
  std::string name;
  bool is_view = false;
  std::vector<ColumnSpec> columns;     // types mapped back; unknown ones as kText with `raw_types`
  std::vector<std::string> raw_types;  // as the database prints them, parallel to columns
  std::vector<std::string> primary_key;
  std::vector<IndexSpec> indexes;
};
Task<Result<std::vector<std::string>>> list_tables(Executor& db, const Context& ctx,
                                                   const std::string& schema, bool views);
Task<Result<std::optional<TableInfo>>> describe_table(Executor& db, const Context& ctx,
                                                      const std::string& schema,
                                                      const std::string& table);

}  // namespace halcyon::sql
