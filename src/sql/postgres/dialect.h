// PostgreSQL 12 and later. The driver passes the types of parameters, so that the text needs no
// casts but where a function could take several types. The session has TimeZone UTC and
// standard_conforming_strings on.
#pragma once

#include "sql/dialect.h"

namespace halcyon::sql::postgres {

class PostgresDialect final : public Dialect {
 public:
  DialectKind kind() const override { return DialectKind::kPostgres; }
  std::string_view name() const override { return "postgres"; }
  bool has_returning() const override { return true; }
  bool has_update_returning() const override { return true; }
  bool has_transactional_ddl() const override { return true; }
  size_t max_params() const override { return 65535; }

  void quote(std::string& out, std::string_view identifier) const override;
  void placeholder(Rendering& out, const Value& value) const override;
  void like(Rendering& out, const Like& like) const override;
  void call(Rendering& out, const Call& call) const override;
  void cast(Rendering& out, const Cast& cast) const override;
  void order(Rendering& out, const Order& order) const override;
  void limit(Rendering& out, const std::optional<int64_t>& limit,
             const std::optional<int64_t>& offset) const override;
  void insert_tail(Rendering& out, const Insert& insert) const override;
  std::string_view insert_verb(const Insert& insert) const override;
  void table_name(Rendering& out, std::string_view schema, std::string_view name) const override;
  void concat(Rendering& out, const Binary& node) const override;
  void divide(Rendering& out, const Binary& node) const override;
  void lock(Rendering& out, const Select& query) const override;
  const DdlDialect& ddl() const override;
  Expr snapshot_mark() const override;
  Statement commit_position() const override;
  Statement replay_position() const override;
  bool covers(std::string_view replayed, std::string_view wanted) const override;

 private:
  void cast_to(Rendering& out, const Expr& expr, std::string_view type) const;
  void json_array(Rendering& out, const Expr& expr) const;
  void json_call(Rendering& out, const Call& call) const;
  void date_format(Rendering& out, const Call& call) const;
};

}  // namespace halcyon::sql::postgres
