// What differs between dialects in DDL and in asking what tables there are. sql/ddl.h is the front;
// only that and sql/<dialect>/ include this. Stateless and shared by all threads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/ddl.h"

namespace halcyon::sql {

class DdlDialect {
 public:
  using Texts = std::vector<std::string>;

  explicit DdlDialect(const Dialect& dialect) : dialect_(dialect) {}
  virtual ~DdlDialect() = default;

  virtual void type(std::string& out, const ColumnType& type) const = 0;
  virtual Texts create_table(const TableSpec& table) const;
  virtual Texts drop_table(const std::string& schema, const std::string& table) const;
  virtual Texts rename_table(const std::string& schema, const std::string& from,
                             const std::string& to) const;
  virtual Texts add_column(const TableSpec& table, const ColumnSpec& column) const;
  virtual Texts drop_column(const TableSpec& table, const std::string& column) const = 0;
  virtual Texts rename_column(const TableSpec& table, const std::string& from,
                              const std::string& to) const;
  virtual Texts alter_column(const TableSpec& table, const ColumnSpec& from,
                             const ColumnSpec& to) const = 0;
  virtual Texts create_index(const TableSpec& table, const IndexSpec& index) const;
  virtual Texts drop_index(const TableSpec& table, const std::string& name) const = 0;

  // Statement that bounds how long this transaction waits for a lock; empty: there is none.
  virtual std::string_view limit_lock_wait() const { return {}; }

  virtual Task<Result<std::vector<std::string>>> list_tables(Executor& db, const Context& ctx,
                                                             std::string schema,
                                                             bool views) const = 0;
  virtual Task<Result<std::optional<TableInfo>>> describe_table(Executor& db, const Context& ctx,
                                                                std::string schema,
                                                                std::string table) const = 0;

 protected:
  // A value as SQL text: DDL takes no parameters.
  virtual void literal(std::string& out, const Value& value, const ColumnType& type) const = 0;
  // "name TYPE NOT NULL DEFAULT x" with auto increment.
  virtual void column(std::string& out, const TableSpec& table, const ColumnSpec& column) const = 0;
  // CREATE TABLE without its indexes. `inside` goes behind the columns, `options` behind the
  // bracket.
  std::string table_text(const TableSpec& table, std::string_view inside,
                         std::string_view options) const;
  // The PRIMARY KEY clause is written into the column itself.
  virtual bool has_inline_key(const TableSpec&) const { return false; }
  // " DEFAULT x", or nothing.
  void default_clause(std::string& out, const ColumnSpec& column) const;

  std::string quoted(std::string_view identifier) const;
  std::string quoted(std::string_view schema, std::string_view table) const;
  std::string quoted_list(const std::vector<std::string>& names) const;

  const Dialect& dialect_;
};

std::vector<std::string> primary_key_of(const TableSpec& table);
bool index_has(const IndexSpec& index, std::string_view column);

// A literal of default text: 'it''s', 12, -1.5, TRUE, NULL. False: something else, an expression.
// `value` stays empty for NULL. `backslash`: it escapes in strings (MySQL, MariaDB).
bool parse_default(std::string_view text, Type type, bool backslash, std::optional<Value>& value);
// The value `text` stands for in a column of `type`.
Value default_of(std::string_view text, Type type);

}  // namespace halcyon::sql
