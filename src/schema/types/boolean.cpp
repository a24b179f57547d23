// boolean, and radio: a boolean that is true in one row of the collection only.
#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema::types {

namespace {

class BooleanType : public FieldType {
 public:
  std::string_view name() const override { return "boolean"; }
  Family family() const override { return Family::kBoolean; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    sql::ColumnType column;
    column.type = sql::Type::kBoolean;
    return column;
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    if (input.is_null()) return sql::Value(sql::Null{}, sql::Type::kBoolean);
    if (input.is_bool()) return sql::Value(input.get_bool());
    if (input.is_number()) {
      const double number = input.to_number<double>();
      if (number == 0 || number == 1) return sql::Value(number == 1);
    }
    if (input.is_string()) {
      const std::string_view text = json::as_view(input);
      if (text == "true" || text == "1") return sql::Value(true);
      if (text == "false" || text == "0") return sql::Value(false);
    }
    return bad_value(field, "true or false", input);
  }
  void write(const Field&, sql::Cell cell, json::Writer& out) const override {
    if (cell.is_null()) return out.null();
    const std::string_view text = cell.text();
    out.boolean(text == "true" || text == "1" || text == "t");
  }
};

class RadioType final : public BooleanType {
 public:
  std::string_view name() const override { return "radio"; }
  bool has_before_save(const Field&) const override { return true; }
  Task<Status> before_save(FieldWrite& write) const override {
    auto it = write.values.find(write.field.name);
    if (it == write.values.end()) {
      if (write.creating) write.values.emplace(write.field.name, sql::Value(false));
      co_return Status{};
    }
    if (it->second != sql::Value(true)) co_return Status{};
    // The lock makes a second writer wait until our row can be seen and cleared.
    CO_TRY_STATUS(co_await lock_field(write, 0));
    sql::Update clear;
    clear.table = write.collection.table_ref("r");
    clear.set = {{write.field.column, sql::param(sql::Value(false))}};
    clear.where = sql::eq(sql::column("", write.field.column), sql::param(sql::Value(true)));
    CO_TRY(sql::Rows rows, co_await write.tx.run(write.ctx, render(clear, write.tx.dialect())));
    co_return Status{};
  }
};

}  // namespace

const FieldType& boolean_type() {
  static const BooleanType type;
  return type;
}
const FieldType& radio_type() {
  static const RadioType type;
  return type;
}

}  // namespace halcyon::schema::types
