#include "schema/convert.h"

#include "schema/field_type.h"

namespace halcyon::schema {

Result<sql::Value> convert_cell(const Field& from, const Field& to, sql::Cell cell) {
  if (cell.is_null()) return sql::Value(sql::Null{}, to.storage.type);
  std::string text;
  json::Writer writer(text);
  from.kind->write(from, cell, writer);
  TRY(json::Value value, json::parse(text));
  const Family target = to.kind->family();
  if (target == Family::kText) {
    if (value.is_bool()) value = value.get_bool() ? "true" : "false";
    if (value.is_object() || value.is_array()) value = json::dump(value);
  } else if (value.is_string() && value.get_string().empty() && target != Family::kJson) {
    return sql::Value(sql::Null{}, to.storage.type);  // an empty text is no number and no date
  } else if (target == Family::kNumber && value.is_bool()) {
    value = value.get_bool() ? 1 : 0;
  } else if (target == Family::kJson && value.is_string() && from.kind->family() == Family::kText) {
    if (auto parsed = json::parse(json::as_view(value))) value = std::move(*parsed);
  } else if (target == Family::kArray && !value.is_array()) {
    // A single choice becomes a list of one; text that is a list stays one.
    auto parsed = value.is_string() ? json::parse(json::as_view(value))
                                    : Result<json::Value>(json::Value(nullptr));
    value = parsed && parsed->is_array() ? std::move(*parsed)
                                         : json::Value(json::Array{std::move(value)});
  }
  return to.kind->parse(to, value, ValueContext());
}

}  // namespace halcyon::schema
