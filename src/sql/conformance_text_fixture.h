// What the tests of SQL text share: table t(id, ...), short ways to fill it and to ask.
#pragma once

#include "sql/ddl.h"
#include "sql/testing.h"

namespace halcyon::sql {

using Texts = std::vector<std::string>;

inline Value json(std::string_view text) { return Value(text, Type::kJson); }
inline Expr c(std::string name) { return column("t", std::move(name)); }
inline Expr like(LikeKind kind, std::string needle, bool ignore_case, bool negated = false) {
  return make(Like{c("w"), std::move(needle), kind, ignore_case, negated});
}

inline ColumnSpec make_column(std::string name, Type type, int length = 0) {
  ColumnSpec spec;
  spec.name = std::move(name);
  spec.type.type = type;
  spec.type.length = length;
  return spec;
}

// t(id, and the given columns)
inline TableSpec make_table(std::vector<ColumnSpec> columns) {
  TableSpec spec;
  spec.name = "t";
  spec.columns.push_back(make_column("id", Type::kInt64));
  spec.columns[0].primary_key = spec.columns[0].auto_increment = true;
  spec.columns[0].nullable = false;
  for (ColumnSpec& column : columns) spec.columns.push_back(std::move(column));
  return spec;
}

class TextConformance : public testing::DatabaseTest {
 protected:
  using DatabaseTest::must;
  using DatabaseTest::run;

  Result<Rows> run(Statement statement) { return await(db().run(ctx(), std::move(statement))); }
  Rows must(Statement statement) {
    std::string text = statement.text;
    Result<Rows> rows = run(std::move(statement));
    EXPECT_TRUE(rows) << rows.error().internal << "\n" << text;
    return rows ? std::move(*rows) : Rows{};
  }
  static Task<Status> run_all(Executor& on, const Context& ctx, const Texts& texts) {
    for (const std::string& text : texts) {
      Statement statement;
      statement.text = text;
      statement.is_write = true;
      Result<Rows> rows = co_await on.run(ctx, std::move(statement));
      if (!rows) {
        rows.error().internal += "\n" + text;
        co_return fail(rows.error());
      }
    }
    co_return Status{};
  }
  // All of the statements or, where the dialect can, none.
  Status ddl(const Texts& texts) {
    if (!dialect().has_transactional_ddl()) return await(run_all(db(), ctx(), texts));
    Database::Body body = [&](Transaction& tx) { return run_all(tx, ctx(), texts); };
    return await(db().in_transaction(ctx(), body));
  }
  void must_ddl(const Texts& texts) {
    Status status = ddl(texts);
    EXPECT_TRUE(status) << status.error().internal;
  }
  std::optional<TableInfo> find(const std::string& name) {
    auto found = await(describe_table(db(), ctx(), "", name));
    EXPECT_TRUE(found) << found.error().internal;
    return found ? *found : std::nullopt;
  }
  TableInfo describe(const std::string& name) {
    auto found = find(name);
    EXPECT_TRUE(found) << name;
    return found ? *found : TableInfo{};
  }
  Texts tables(bool views) {
    auto names = await(list_tables(db(), ctx(), "", views));
    EXPECT_TRUE(names) << names.error().internal;
    return names ? *names : Texts{};
  }
  // PostgreSQL's sequences do not notice ids given explicitly.
  bool counts_by_itself_after_explicit_ids() { return !on(DialectKind::kPostgres); }

  void create(const TableSpec& spec) {
    Status status = ddl(create_table(spec, dialect()));
    ASSERT_TRUE(status) << status.error().internal;
  }
  // Rows of column `name`, with ids from 1.
  void fill(const std::string& name, const std::vector<Value>& values) {
    int64_t id = 0;
    for (const Value& value : values) {
      Insert insert;
      insert.table = table("t", "t");
      insert.columns = {"id", name};
      insert.rows = {{param(Value(++id)), param(value)}};
      must(render(insert, dialect()));
    }
  }
  Texts column_of(const Rows& rows) {
    Texts out;
    for (size_t i = 0; i < rows.size(); ++i) {
      Cell cell = rows.cell(i, 0);
      out.emplace_back(cell.is_null() ? "NULL" : cell.text());
    }
    return out;
  }
  Texts select(Expr expr, Expr where = nullptr, std::vector<Order> order = {}) {
    Select q;
    q.from = table("t", "t");
    q.columns = {{std::move(expr), "x"}};
    q.where = std::move(where);
    q.order_by = order.empty() ? std::vector<Order>{{c("id")}} : std::move(order);
    return column_of(must(render(q, dialect())));
  }
  // Ids of the rows for which `where` holds, as "1 3".
  std::string ids(Expr where) {
    std::string out;
    for (const std::string& id : select(c("id"), std::move(where))) {
      out += (out.empty() ? "" : " ") + id;
    }
    return out;
  }
  std::string one(Expr expr) {
    Select q;
    q.columns = {{std::move(expr), "x"}};
    Texts texts = column_of(must(render(q, dialect())));
    return texts.empty() ? "nothing" : texts[0];
  }
  // An aggregate over t.
  std::string total(Expr expr) {
    Select q;
    q.from = table("t", "t");
    q.columns = {{std::move(expr), "x"}};
    return column_of(must(render(q, dialect()))).at(0);
  }
  // "true"/"1" -> true.
  static bool truth(const std::string& text) { return text == "true" || text == "1"; }
};

}  // namespace halcyon::sql
