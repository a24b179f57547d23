// DDL and introspection of PostgreSQL. Column types are those that NocoBase makes.
#pragma once

#include "sql/ddl_dialect.h"

namespace halcyon::sql::postgres {

class PostgresDdl final : public DdlDialect {
 public:
  using DdlDialect::DdlDialect;

  void type(std::string& out, const ColumnType& type) const override;
  Texts drop_column(const TableSpec& table, const std::string& column) const override;
  Texts alter_column(const TableSpec& table, const ColumnSpec& from,
                     const ColumnSpec& to) const override;
  Texts drop_index(const TableSpec& table, const std::string& name) const override;
  std::string_view limit_lock_wait() const override { return "SET LOCAL lock_timeout = '3s'"; }
  Task<Result<std::vector<std::string>>> list_tables(Executor& db, const Context& ctx,
                                                     std::string schema, bool views) const override;
  Task<Result<std::optional<TableInfo>>> describe_table(Executor& db, const Context& ctx,
                                                        std::string schema,
                                                        std::string table) const override;

 protected:
  void literal(std::string& out, const Value& value, const ColumnType& type) const override;
  void column(std::string& out, const TableSpec& table, const ColumnSpec& column) const override;

 private:
  std::string conversion(const ColumnSpec& from, const ColumnType& to) const;
};

}  // namespace halcyon::sql::postgres
