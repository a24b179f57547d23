// What the environment decides about physical names.
#pragma once

#include <string>

namespace halcyon::schema {

struct Settings {
  std::string table_prefix;  // DB_TABLE_PREFIX
  bool underscored = false;  // DB_UNDERSCORED
  std::string db_schema;     // DB_SCHEMA
  Settings() = default;
};

}  // namespace halcyon::schema
