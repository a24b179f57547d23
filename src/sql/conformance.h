// What the conformance tests share: small tables made by the DDL builder, and many tasks at once.
// Only for the tests of sql.
#pragma once

#include <future>

#include "sql/ddl.h"
#include "sql/testing.h"

namespace halcyon::sql {

inline ColumnSpec column_spec(std::string name, Type type, int length = 0, bool nullable = true) {
  ColumnSpec spec;
  spec.name = std::move(name);
  spec.type.type = type;
  spec.type.length = length;
  spec.nullable = nullable;
  return spec;
}

class Conformance : public testing::DatabaseTest {
 protected:
  // t(id BIGINT PRIMARY KEY, and the given columns)
  TableSpec create(std::vector<ColumnSpec> columns, std::vector<IndexSpec> indexes = {}) {
    TableSpec spec;
    spec.name = "t";
    spec.columns.push_back(column_spec("id", Type::kInt64, 0, false));
    spec.columns[0].primary_key = true;
    for (ColumnSpec& column : columns) spec.columns.push_back(std::move(column));
    spec.indexes = std::move(indexes);
    for (const std::string& text : create_table(spec, dialect())) must(text);
    return spec;
  }
  void create_counters(int count) {
    create({column_spec("n", Type::kInt64)});
    for (int i = 1; i <= count; ++i) must("INSERT INTO t (id, n) VALUES (?, 0)", {Value(i)});
  }
  int64_t number(std::string_view text, std::vector<Value> params = {}) {
    Rows rows = must(text, std::move(params));
    if (rows.empty()) return -1;
    return std::stoll(std::string(rows.cell(0, 0).text()));
  }
  Statement sql(std::string_view text, std::vector<Value> params = {}) {
    return testing::statement(dialect(), text, std::move(params));
  }
  Statement locked(int64_t id) {
    Select q;
    q.from = table("t", "t");
    q.columns = {{column("t", "n"), "n"}};
    q.where = eq(column("t", "id"), param(Value(id)));
    q.for_update = true;
    return render(q, dialect());
  }
  // Starts a task on an io thread; several of them run at once.
  template <class T>
  std::future<T> launch(Task<T> task, size_t thread = 0) {
    auto promise = std::make_shared<std::promise<T>>();
    auto future = promise->get_future();
    auto& io = database().io();
    runtime::start(io.thread(thread % io.size()), std::move(task),
                   [promise](T value) { promise->set_value(std::move(value)); });
    return future;
  }
  template <class T>
  static std::string why(const Result<T>& result) {
    return result ? "" : result.error().id + " " + result.error().internal;
  }
  template <class T>
  static std::string id_of(const Result<T>& result) {
    return result ? "" : result.error().id;
  }
};

}  // namespace halcyon::sql
