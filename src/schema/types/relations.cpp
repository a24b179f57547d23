// belongsTo, hasOne, hasMany, belongsToMany, belongsToArray: no column of their own. Their keys are
// worked out in schema/relations.cpp; data reads and writes them through Field::relation.
#include <fmt/format.h>

#include "schema/types/common.h"
#include "schema/types/registry.h"

namespace halcyon::schema::types {

namespace {

class RelationType final : public FieldType {
 public:
  explicit RelationType(std::string_view name) : name_(name) {}
  std::string_view name() const override { return name_; }
  Family family() const override { return Family::kRelation; }
  std::optional<sql::ColumnType> storage(const json::Object&) const override {
    return std::nullopt;
  }
  Status check_options(const json::Object& options) const override {
    for (std::string_view option :
         {"target", "foreignKey", "sourceKey", "targetKey", "through", "otherKey"}) {
      const json::Value* value = json::find(options, option);
      if (value != nullptr && !value->is_null() && !value->is_string()) {
        return bad_options(option, fmt::format("\"{}\" of a relation must be a name.", option));
      }
    }
    const std::string rule = json::get_string(options, "onDelete");
    for (std::string_view known : {"", "SET NULL", "CASCADE", "RESTRICT", "NO ACTION"}) {
      if (rule == known) return {};
    }
    return bad_options("onDelete",
                       "\"onDelete\" must be SET NULL, CASCADE, RESTRICT or NO ACTION.");
  }
  Result<sql::Value> parse(const Field& field, const json::Value& input,
                           const ValueContext&) const override {
    return bad_value(field, "written as an association", input);
  }
  void write(const Field&, sql::Cell, json::Writer& out) const override { out.null(); }

 private:
  std::string_view name_;
};

}  // namespace

const FieldType& belongs_to_type() {
  static const RelationType type("belongsTo");
  return type;
}
const FieldType& has_one_type() {
  static const RelationType type("hasOne");
  return type;
}
const FieldType& has_many_type() {
  static const RelationType type("hasMany");
  return type;
}
const FieldType& belongs_to_many_type() {
  static const RelationType type("belongsToMany");
  return type;
}
const FieldType& belongs_to_array_type() {
  static const RelationType type("belongsToArray");
  return type;
}

}  // namespace halcyon::schema::types
