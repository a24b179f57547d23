// MySQL 8.0.17 and MariaDB 10.9, and later. They share most of their text; MariaDbDialect says
// where it departs.
//
// The session has time_zone '+00:00', a strict sql_mode without ANSI_QUOTES and
// NO_BACKSLASH_ESCAPES, utf8mb4 as the connection's character set. Tables made here have a binary
// collation without padding, so that text compares by code point as on the other dialects; adopted
// tables keep theirs.
#pragma once

#include "sql/dialect.h"

namespace halcyon::sql::mysql {

class MysqlDialect : public Dialect {
 public:
  DialectKind kind() const override { return DialectKind::kMysql; }
  std::string_view name() const override { return "mysql"; }
  bool has_returning() const override { return false; }
  bool has_update_returning() const final { return false; }
  bool has_transactional_ddl() const final { return false; }
  size_t max_params() const final { return 65535; }

  void quote(std::string& out, std::string_view identifier) const final;
  void placeholder(Rendering& out, const Value& value) const final;
  void like(Rendering& out, const Like& like) const final;
  void call(Rendering& out, const Call& call) const final;
  void cast(Rendering& out, const Cast& cast) const final;
  void order(Rendering& out, const Order& order) const final;
  void limit(Rendering& out, const std::optional<int64_t>& limit,
             const std::optional<int64_t>& offset) const final;
  void insert_tail(Rendering& out, const Insert& insert) const final;
  std::string_view insert_verb(const Insert& insert) const final;
  void concat(Rendering& out, const Binary& node) const final;
  void divide(Rendering& out, const Binary& node) const final;
  void in_select(Rendering& out, const InSelect& node) const final;
  void excluded(Rendering& out, std::string_view column) const final;
  void lock(Rendering& out, const Select& query) const override;
  void insert_alias(Rendering& out, const Insert& insert) const final;
  void insert_defaults(Rendering& out) const final;
  void delete_head(Rendering& out, const TableRef& table) const final;
  const DdlDialect& ddl() const override;

 protected:
  virtual void regex(Rendering& out, const Call& call) const;
  virtual void cast_json(Rendering& out, const Expr& expr) const;

 private:
  void is_array(Rendering& out, const Expr& expr) const;
  void json_call(Rendering& out, const Call& call) const;
  void json_text(Rendering& out, const Call& call) const;
  void date_format(Rendering& out, const Call& call) const;
};

class MariaDbDialect final : public MysqlDialect {
 public:
  DialectKind kind() const override { return DialectKind::kMariadb; }
  std::string_view name() const override { return "mariadb"; }
  bool has_returning() const override { return true; }
  Statement commit_position() const override;
  Statement replay_position() const override;
  bool covers(std::string_view replayed, std::string_view wanted) const override;
  void lock(Rendering& out, const Select& query) const override;
  const DdlDialect& ddl() const override;

 protected:
  void regex(Rendering& out, const Call& call) const override;
  void cast_json(Rendering& out, const Expr& expr) const override;
};

}  // namespace halcyon::sql::mysql
