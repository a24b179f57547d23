// formula: a value worked out from other fields of the record on every save (reference D.4).
#include "schema/types/formula.h"

#include <algorithm>

#include "base/text.h"
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

// A value about to be written, as formulas see it.
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
  return formula_operand(field, sql::Cell{text.data(), static_cast<int32_t>(text.size())});
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
      return {};  // the expression is checked where it is parsed
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
    const auto operand = [&write](const Field& field) -> Result<json::Value> {
      if (auto it = write.values.find(field.name); it != write.values.end()) {
        return shown(field, it->second);
      }
      if (write.previous == nullptr) return nullptr;
      auto it = write.previous->find(field.name);
      return it == write.previous->end() ? Result<json::Value>(nullptr) : shown(field, it->second);
    };
    CO_TRY(write.values[write.field.name], compute_formula(write.collection, write.field, operand));
    co_return Status{};
  }
};

}  // namespace

Result<std::shared_ptr<const expr::Expression>> parse_formula(const json::Object& options) {
  TRY(expr::Expression parsed, expression_of(options));
  return std::make_shared<const expr::Expression>(std::move(parsed));
}

bool formula_uses(const Field& formula, std::string_view field) {
  if (!formula.formula) return false;
  return std::ranges::any_of(formula.formula->variables(), [&](std::string_view variable) {
    return variable.substr(0, variable.find('.')) == field;
  });
}

Result<json::Value> formula_operand(const Field& field, sql::Cell cell) {
  if (cell.is_null()) return nullptr;
  std::string out;
  json::Writer writer(out);
  field.kind->write(field, cell, writer);
  TRY(json::Value result, json::parse(out));
  // Decimals and large integers are shown as text; a formula adds them, it does not join them.
  if (field.kind->family() == Family::kNumber && result.is_string()) {
    if (const auto number = to_double(json::as_view(result))) return *number;
  }
  return result;
}

Result<sql::Value> compute_formula(
    const Collection& collection, const Field& formula,
    const std::function<Result<json::Value>(const Field&)>& operand) {
  const auto resolve = [&](std::string_view path) -> Result<json::Value> {
    const Field* field = collection.find(path);
    if (field == nullptr || field->column.empty()) return nullptr;
    return operand(*field);
  };
  TRY(json::Value result, formula.formula->evaluate(resolve));
  // A formula that gives another kind than its column is empty, not a refused record.
  auto value = formula.kind->parse(formula, result, ValueContext());
  return value ? *std::move(value) : sql::Value(sql::Null{}, formula.storage.type);
}

const FieldType& formula_type() {
  static const FormulaType type;
  return type;
}

}  // namespace halcyon::schema::types
