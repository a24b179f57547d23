// One SQL dialect: text of what differs. Nothing outside sql/<dialect>/ asks which dialect it is;
// layers ask for capabilities or use the tree (sql/ast.h) and the DDL builder (sql/ddl.h).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sql/ast.h"

namespace halcyon::sql {

// A statement ready to run. `text` is stable for one shape of tree (values are in `params`), so
// that drivers prepare it once per connection.
struct Statement {
  std::string text;
  std::vector<Value> params;
  bool is_write = false;
  bool is_slow = false;  // may run long (counts, exports, DDL): kept off the short-statement lanes
};

enum class DialectKind { kSqlite, kPostgres, kMysql, kMariadb };

// State while rendering: text so far, collected parameters, and what the inner parts must know of
// the statement they stand in.
struct Rendering {
  std::string text;
  std::vector<Value> params;
  std::string_view target;      // table of the UPDATE or DELETE being rendered, else empty
  std::string_view bare_alias;  // columns of this alias are written without it
  bool in_upsert = false;       // column("excluded", x) means the row that was to be inserted
};

class DdlDialect;  // sql/ddl_dialect.h

class Dialect {
 public:
  virtual ~Dialect() = default;
  virtual DialectKind kind() const = 0;           // for messages and app:getInfo, not for branching
  virtual std::string_view name() const = 0;      // "postgres", "mysql", "mariadb", "sqlite"
  virtual bool has_returning() const = 0;         // INSERT ... RETURNING; left out where missing
  virtual bool has_update_returning() const = 0;  // UPDATE ... RETURNING; left out where missing
  virtual bool has_transactional_ddl() const = 0;
  virtual size_t max_params() const = 0;  // per statement

  virtual void quote(std::string& out, std::string_view identifier) const = 0;
  virtual void placeholder(Rendering& out,
                           const Value& value) const = 0;  // appends $1 or ? and the value
  virtual void like(Rendering& out, const Like& like) const = 0;
  virtual void call(Rendering& out, const Call& call) const = 0;
  virtual void cast(Rendering& out, const Cast& cast) const = 0;
  virtual void order(Rendering& out, const Order& order) const = 0;  // with NULLS handling
  virtual void limit(Rendering& out, const std::optional<int64_t>& limit,
                     const std::optional<int64_t>& offset) const = 0;
  virtual void insert_tail(Rendering& out,
                           const Insert& insert) const = 0;  // conflict clause, RETURNING
  virtual std::string_view insert_verb(
      const Insert& insert) const = 0;  // "INSERT", "INSERT IGNORE"

  // [schema.]table, quoted. Only PostgreSQL has schemas within a database.
  virtual void table_name(Rendering& out, std::string_view schema, std::string_view name) const;
  virtual void concat(Rendering& out, const Binary& node) const;
  virtual void divide(Rendering& out, const Binary& node) const = 0;
  virtual void in_select(Rendering& out, const InSelect& node) const;
  virtual void excluded(Rendering& out, std::string_view column) const;
  virtual void lock(Rendering& out, const Select& query) const = 0;  // FOR UPDATE
  virtual void insert_alias(Rendering& out, const Insert& insert) const;
  virtual void insert_defaults(Rendering& out) const;  // a row of nothing but defaults
  virtual void delete_head(Rendering& out, const TableRef& table) const;  // DELETE FROM t AS a
  virtual const DdlDialect& ddl() const = 0;                              // used by sql/ddl.h

  // What a statement saw, as text: two statements (not in transactions) that give the same mark saw
  // the same rows, since nothing was committed between. nullptr: the database cannot tell.
  virtual Expr snapshot_mark() const { return nullptr; }

  // Positions in the database's log, for read replicas (sql/replicas.h). Of the primary: everything
  // committed before is before it; no text: the dialect has none. Of a replica: how far it is.
  virtual Statement commit_position() const { return {}; }
  virtual Statement replay_position() const { return {}; }
  // Has a replica that is at `replayed` everything up to `wanted`? False for what is no position.
  virtual bool covers(std::string_view /*replayed*/, std::string_view /*wanted*/) const {
    return false;
  }
};

// Tree to text. Pure; throws std::logic_error only for trees that cannot mean anything.
Statement render(const Select& query, const Dialect& dialect);
Statement render(const Insert& query, const Dialect& dialect);
Statement render(const Update& query, const Dialect& dialect);
Statement render(const Delete& query, const Dialect& dialect);
void render_expr(Rendering& out, const ExprNode& expr, const Dialect& dialect);
void render_select(Rendering& out, const Select& query, const Dialect& dialect);

const Dialect& postgres_dialect();
const Dialect& mysql_dialect();
const Dialect& mariadb_dialect();
const Dialect& sqlite_dialect();

}  // namespace halcyon::sql
