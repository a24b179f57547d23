// formula: a value worked out from other fields of the record on every save (reference D.4).
#include "base/text.h"
#include "expr/expression.h"
#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema::types {

namespace {

const FieldType& data_type(const json::Object& options) {
  const FieldType* type = find_field_type(json::get_string(options, "dataType", "double"));
  return type == nullptr ? double_type() : *type;
}

Result<expr::Expression> expression_of(const json::Object& options) {
  const std::string name = json::get_string(options, "engine", "math.js");
  const auto engine = expr::engine_of(name);
  if (!engine) return bad_options("engine", "There is no formula engine \"" + name + "\".");
  return expr::parse(json::get_string(options, "expression"), *engine);
}

// What the API would show for a value about to be written.
Result<json::Value> shown(const Field& field, const sql::Value& value) {
  std::string text;
  if (value.is_null()) return nullptr;
  if (const auto* number = std::get_if<int64_t>(&value.data)) {
    text = std::to_string(*number);
  } else if (const auto* real = std::get_if<double>(&value.data)) {
    return *real;
  } else if (const auto* flag = std::get_if<bool>(&value.data)) {
    return *flag;
  } else {
    text = std::get<std::string>(value.data);
  }
  std::string out;
  json::Writer writer(out);
  field.kind->write(field, sql::Cell{text.data(), static_cast<int32_t>(text.size())}, writer);
  TRY(json::Value result, json::parse(out));
  // Decimals and large integers are shown as text; a formula adds them, it does not join them.
  if (field.kind->family() == Family::kNumber && result.is_string()) {
    if (const auto number = to_double(json::as_view(result))) return *number;
  }
  return result;
}

class FormulaType final : public FieldType {
 public:
  std::string_view name() const override { return "formula"; }
  Family family() const override { return Family::kNumber; }
  std::optional<sql::ColumnType> storage(const json::Object& options) const override {
    return data_type(options).storage(options);
  }
  Status check_options(const json::Object& options) const override {
    const std::string type = json::get_string(options, "dataType", "double");
    for (std::string_view known :
         {"boolean", "integer", "bigInt", "double", "decimal", "string", "date"}) {
      if (type != known) continue;
      TRY(expr::Expression parsed, expression_of(options));
      return {};
    }
    return bad_options("dataType", "A formula cannot give a \"" + type + "\".");
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext& vc) const override {
    return data_type(field.options).parse(field, input, vc);
  }
  Result<sql::Value> parse_operand(const Field& field, const json::Value& input,
                                   const ValueContext& vc) const override {
    return data_type(field.options).parse_operand(field, input, vc);
  }
  void write(const Field& field, sql::Cell cell, json::Writer& out) const override {
    data_type(field.options).write(field, cell, out);
  }
  bool has_before_save(const Field&) const override { return true; }
  Task<Status> before_save(FieldWrite& write) const override {
    CO_TRY(expr::Expression expression, expression_of(write.field.options));
    auto resolve = [&write](std::string_view path) -> Result<json::Value> {
      const Field* field = write.collection.find(path);
      if (field == nullptr || field->column.empty()) return nullptr;
      if (auto it = write.values.find(path); it != write.values.end()) {
        return shown(*field, it->second);
      }
      if (write.previous == nullptr) return nullptr;
      auto it = write.previous->find(path);
      return it == write.previous->end() ? Result<json::Value>(nullptr) : shown(*field, it->second);
    };
    CO_TRY(json::Value result, expression.evaluate(resolve));
    // A formula that gives another kind than its column is empty, not a refused record.
    auto value = parse(write.field, result, ValueContext());
    write.values[write.field.name] = value ? *std::move(value) : sql::Value(sql::Null{});
    co_return Status{};
  }
};

}  // namespace

const FieldType& formula_type() {
  static const FormulaType type;
  return type;
}

}  // namespace halcyon::schema::types
