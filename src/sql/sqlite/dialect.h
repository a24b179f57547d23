// SQLite 3.35 and later.
//
// The driver registers on every connection, all deterministic, NULL in -> NULL out, UTF-8:
//   halcyon_fold(text)                 Unicode simple case folding (ICU u_foldCase)
//   halcyon_lower(text), halcyon_upper(text)       Unicode lower and upper case
//   halcyon_regexp(pattern, text, ci)  1 when the pattern is found anywhere; ci = 1 ignores case;
//                                      a bad pattern is an error
//   collation HALCYON_DECIMAL          compare_decimal() of this header
// and sets PRAGMA case_sensitive_like = ON, so that LIKE compares exactly.
//
// Storage forms (Sequelize's, so that databases of NocoBase can be adopted):
//   timestamptz  "2026-01-31 10:00:00.000 +00:00"     timestamp "2026-01-31 10:00:00.000"
//   date, time   as in sql/value.h                    boolean   1 / 0
//   decimal      text, column type DECIMAL_TEXT(p,s) COLLATE HALCYON_DECIMAL: SQLite would keep a
//                DECIMAL as a double and lose digits. The name gives the column text affinity, the
//                collation makes =, <, ORDER BY, MIN, MAX and unique indexes compare numbers.
//                SUM and arithmetic are done in doubles.
// Identifiers are quoted with backticks: SQLite takes an unknown name in double quotes for a
// string.
#pragma once

#include "sql/dialect.h"

namespace halcyon::sql::sqlite {

// Three-way comparison of two decimals in text form ("-12.50", "1e3"). Text that is no number
// sorts after all numbers, by bytes.
int compare_decimal(std::string_view a, std::string_view b);

class SqliteDialect final : public Dialect {
 public:
  DialectKind kind() const override { return DialectKind::kSqlite; }
  std::string_view name() const override { return "sqlite"; }
  bool has_returning() const override { return true; }
  bool has_update_returning() const override { return true; }
  bool has_transactional_ddl() const override { return true; }
  size_t max_params() const override { return 32766; }

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
  void divide(Rendering& out, const Binary& node) const override;
  void lock(Rendering& out, const Select& query) const override;
  const DdlDialect& ddl() const override;

 private:
  void json_array(Rendering& out, const Expr& expr) const;
  void json_call(Rendering& out, const Call& call) const;
  void json_text(Rendering& out, const Call& call) const;
  void json_subset(Rendering& out, const Expr& part, const Expr& whole) const;
  void date_format(Rendering& out, const Call& call) const;
};

}  // namespace halcyon::sql::sqlite
