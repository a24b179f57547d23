// DDL and introspection of SQLite. What ALTER TABLE cannot do is done by rebuilding the table:
// create the new one, copy, drop the old one, rename. Values that a new type cannot hold are looked
// for before, since SQLite would store or cut them silently.
#pragma once

#include "sql/ddl_dialect.h"

namespace halcyon::sql::sqlite {

class SqliteDdl final : public DdlDialect {
 public:
  using DdlDialect::DdlDialect;

  void type(std::string& out, const ColumnType& type) const override;
  Texts add_column(const TableSpec& table, const ColumnSpec& column) const override;
  Texts drop_column(const TableSpec& table, const std::string& column) const override;
  Texts alter_column(const TableSpec& table, const ColumnSpec& from,
                     const ColumnSpec& to) const override;
  Texts drop_index(const TableSpec& table, const std::string& name) const override;
  Task<Result<std::vector<std::string>>> list_tables(Executor& db, const Context& ctx,
                                                     std::string schema, bool views) const override;
  Task<Result<std::optional<TableInfo>>> describe_table(Executor& db, const Context& ctx,
                                                        std::string schema,
                                                        std::string table) const override;

 protected:
  void literal(std::string& out, const Value& value, const ColumnType& type) const override;
  void column(std::string& out, const TableSpec& table, const ColumnSpec& column) const override;
  bool has_inline_key(const TableSpec& table) const override;

 private:
  // `copy` are the columns that both tables have, `values` the expressions to copy them by,
  // `dropped` the column that only the old one has, or empty.
  Texts rebuild(const TableSpec& table, const std::vector<std::string>& copy,
                const std::vector<std::string>& values, const std::string& dropped) const;
  void refuse_if(Texts& texts, const TableSpec& table, const std::string& rule,
                 const std::string& source) const;
};

}  // namespace halcyon::sql::sqlite
