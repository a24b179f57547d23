// sort: the place of a row in its list (or in its scope), 1, 2, 3, ... New rows go to the end.
#include "schema/types/common.h"
#include "schema/types/registry.h"

#include "base/text.h"

namespace halcyon::schema::types {

namespace {

class SortType final : public FieldType {
 public:
  std::string_view name() const override { return "sort"; }
  Family family() const override { return Family::kNumber; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kInt64;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext& vc) const override {
    return big_int_type().parse(field, input, vc);
  }
  Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                   const ValueContext& vc) const override {
    return big_int_type().parse_operand(field, input, vc);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    write_integer(cell, out);
  }
  bool has_before_save(const Field&) const override { return true; }
  Task<Status> before_save(FieldWrite& write) const override {
    const std::string scope = json::get_string(write.field.options, "scopeKey");
    const Field* scope_field = scope.empty() ? nullptr : write.collection.find(scope);
    auto given = write.values.find(write.field.name);
    const bool has_value = given != write.values.end() && !given->second.is_null();
    if (has_value) co_return Status{};
    if (!write.creating && !scope_changed(write, scope_field)) {
      if (given != write.values.end()) write.values.erase(given);  // a place cannot be emptied
      co_return Status{};
    }
    CO_TRY_STATUS(co_await lock_field(write, 0));
    CO_TRY(int64_t last, co_await last_place(write, scope_field));
    write.values[write.field.name] = sql::Value(last + 1);
    co_return Status{};
  }

 private:
  static bool scope_changed(const FieldWrite& write, const Field* scope) {
    if (scope == nullptr) return false;
    auto now = write.values.find(scope->name);
    if (now == write.values.end()) return false;
    if (write.previous == nullptr) return true;
    auto before = write.previous->find(scope->name);
    return before == write.previous->end() || text_of(before->second) != text_of(now->second);
  }
  // Values read back and values given may differ in type only (int64 and text).
  static std::optional<std::string> text_of(const sql::Value& value) {
    if (value.is_null()) return std::nullopt;
    if (const auto* number = std::get_if<int64_t>(&value.data)) return std::to_string(*number);
    if (const auto* flag = std::get_if<bool>(&value.data)) return *flag ? "1" : "0";
    if (const auto* real = std::get_if<double>(&value.data)) return std::to_string(*real);
    return std::get<std::string>(value.data);
  }
  static Task<Result<int64_t>> last_place(FieldWrite& write, const Field* scope) {
    const std::string& column = write.field.column;
    sql::Select last;
    last.from = write.collection.table_ref("t");
    last.columns = {{sql::column("t", column), "place"}};
    last.where = sql::is_not_null(sql::column("t", column));
    if (scope != nullptr && !scope->column.empty()) {
      auto value = write.values.find(scope->name);
      sql::Expr same = value == write.values.end() || value->second.is_null()
                           ? sql::is_null(sql::column("t", scope->column))
                           : sql::eq(sql::column("t", scope->column), sql::param(value->second));
      last.where = sql::and_also(last.where, std::move(same));
    }
    last.order_by = {{sql::column("t", column), true, sql::Nulls::kDefault}};
    last.limit = 1;
    // A locking read sees what was committed since this transaction began (MySQL's snapshot).
    last.for_update = true;
    CO_TRY(sql::Rows rows, co_await write.tx.run(write.ctx, render(last, write.tx.dialect())));
    if (rows.empty()) co_return int64_t{0};
    co_return to_int64(rows.cell(0, 0).text()).value_or(0);
  }
};

}  // namespace

const FieldType& sort_type() {
  static const SortType type;
  return type;
}

}  // namespace halcyon::schema::types
