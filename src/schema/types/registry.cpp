// The list of all field types. A new type: a file beside this one, a line in registry.h, one here.
#include "schema/types/registry.h"

#include "base/text.h"

namespace halcyon::schema {

namespace {

const std::vector<const FieldType*>& registry() {
  static const std::vector<const FieldType*> list = {
      &types::string_type(),
      &types::text_type(),
      &types::integer_type(),
      &types::big_int_type(),
      &types::float_type(),
      &types::double_type(),
      &types::real_type(),
      &types::decimal_type(),
      &types::boolean_type(),
      &types::radio_type(),
      &types::json_type(),
      &types::jsonb_type(),
      &types::array_type(),
      &types::set_type(),
      &types::blob_type(),
      &types::date_type(),
      &types::datetime_type(),
      &types::datetime_tz_type(),
      &types::datetime_no_tz_type(),
      &types::date_only_type(),
      &types::time_type(),
      &types::unix_timestamp_type(),
      &types::uid_type(),
      &types::uuid_type(),
      &types::nanoid_type(),
      &types::snowflake_id_type(),
      &types::password_type(),
      &types::context_type(),
      &types::virtual_type(),
      &types::sort_type(),
      &types::sequence_type(),
      &types::formula_type(),
      &types::belongs_to_type(),
      &types::has_one_type(),
      &types::has_many_type(),
      &types::belongs_to_many_type(),
      &types::belongs_to_array_type(),
  };
  return list;
}

}  // namespace

const FieldType* find_field_type(std::string_view name) {
  static const StringMap<const FieldType*> by_name = [] {
    StringMap<const FieldType*> map;
    for (const FieldType* type : registry()) map.emplace(std::string(type->name()), type);
    return map;
  }();
  auto it = by_name.find(name);
  return it == by_name.end() ? nullptr : it->second;
}

std::vector<const FieldType*> all_field_types() { return registry(); }

Status FieldType::check_options(const json::Object&) const { return {}; }

Result<sql::Value> FieldType::parse_operand(const Field& field, const json::Value& input,
                                            const ValueContext& vc) const {
  return parse(field, input, vc);
}

Task<Status> FieldType::before_save(FieldWrite&) const { co_return Status{}; }

}  // namespace halcyon::schema
