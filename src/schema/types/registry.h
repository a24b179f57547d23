// One function a field type; registry.cpp holds the list of them.
#pragma once

#include "schema/field_type.h"

namespace halcyon::schema::types {

const FieldType& string_type();
const FieldType& text_type();
const FieldType& integer_type();
const FieldType& big_int_type();
const FieldType& float_type();
const FieldType& double_type();
const FieldType& real_type();
const FieldType& decimal_type();
const FieldType& boolean_type();
const FieldType& radio_type();
const FieldType& json_type();
const FieldType& jsonb_type();
const FieldType& array_type();
const FieldType& set_type();
const FieldType& blob_type();
const FieldType& date_type();
const FieldType& datetime_type();
const FieldType& datetime_tz_type();
const FieldType& datetime_no_tz_type();
const FieldType& date_only_type();
const FieldType& time_type();
const FieldType& unix_timestamp_type();
const FieldType& uid_type();
const FieldType& uuid_type();
const FieldType& nanoid_type();
const FieldType& snowflake_id_type();
const FieldType& password_type();
const FieldType& context_type();
const FieldType& virtual_type();
const FieldType& sort_type();
const FieldType& sequence_type();
const FieldType& formula_type();
const FieldType& belongs_to_type();
const FieldType& has_one_type();
const FieldType& has_many_type();
const FieldType& belongs_to_many_type();
const FieldType& belongs_to_array_type();

}  // namespace halcyon::schema::types
