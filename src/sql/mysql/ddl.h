// DDL and introspection of MySQL and MariaDB. Column types are those that NocoBase makes.
#pragma once

#include "sql/ddl_dialect.h"

namespace halcyon::sql::mysql {

class MysqlDdl : public DdlDialect {
 public:
  using DdlDialect::DdlDialect;

  void type(std::string& out, const ColumnType& type) const final;
  // One statement with the indexes, so that a crash leaves all of the table or nothing.
  Texts create_table(const TableSpec& table) const final;
  Texts add_column(const TableSpec& table, const ColumnSpec& column) const final;
  Texts drop_column(const TableSpec& table, const std::string& column) const final;
  Texts alter_column(const TableSpec& table, const ColumnSpec& from,
                     const ColumnSpec& to) const final;
  Texts create_index(const TableSpec& table, const IndexSpec& index) const final;
  Texts drop_index(const TableSpec& table, const std::string& name) const final;
  Task<Result<std::vector<std::string>>> list_tables(Executor& db, const Context& ctx,
                                                     std::string schema, bool views) const final;
  Task<Result<std::optional<TableInfo>>> describe_table(Executor& db, const Context& ctx,
                                                        std::string schema,
                                                        std::string table) const final;

 protected:
  void literal(std::string& out, const Value& value, const ColumnType& type) const final;
  void column(std::string& out, const TableSpec& table, const ColumnSpec& column) const final;
  // By code point and without padding, as the other dialects compare text.
  virtual std::string_view collation() const { return "utf8mb4_0900_bin"; }
  // information_schema gives defaults as SQL ('abc') rather than bare (abc).
  virtual bool has_quoted_defaults() const { return false; }
  // Columns of `table` (params: table) that are JSON by a check only; empty: there are none such.
  virtual std::string_view json_columns_query() const { return {}; }

 private:
  std::string index_clause(const TableSpec& table, const IndexSpec& index) const;
  ColumnSpec map_column(const Rows& rows, size_t row, bool is_json) const;
};

class MariaDbDdl final : public MysqlDdl {
 public:
  using MysqlDdl::MysqlDdl;

 protected:
  std::string_view collation() const override { return "utf8mb4_nopad_bin"; }
  bool has_quoted_defaults() const override { return true; }
  std::string_view json_columns_query() const override;
};

}  // namespace halcyon::sql::mysql
