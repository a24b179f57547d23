// The model as it is defined (JSON), before it is worked out: what code declares (built-in) and
// what is stored in the meta tables. Changes edit a StoredModel; `merge` lays it over the built-in
// definitions; schema/build.h makes a Snapshot of the result.
//
// Values without behaviour of their own; no thread rule beyond the usual one of values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"

namespace halcyon::schema {

// A row of `collections`: `options` is the whole definition without fields, `name` included.
struct StoredCollection {
  std::string key;
  int64_t sort = 0;
  json::Object options;
  std::string name() const { return json::get_string(options, "name"); }
};

// A row of `fields`.
struct StoredField {
  std::string key;
  std::string collection;
  std::string parent_key, reverse_key;
  int64_t sort = 0;
  json::Object options;  // the whole definition: name, type, interface, ...
  std::string name() const { return json::get_string(options, "name"); }
};

struct StoredModel {
  std::vector<StoredCollection> collections;
  std::vector<StoredField> fields;

  StoredCollection* find(std::string_view collection);
  StoredField* find(std::string_view collection, std::string_view field);
  const StoredCollection* find(std::string_view collection) const;
  const StoredField* find(std::string_view collection, std::string_view field) const;
};

struct FieldDefinition {
  std::string key, parent_key, reverse_key;
  json::Object options;
};

struct CollectionDefinition {
  std::string key;
  int64_t sort = 0;
  bool builtin = false;
  json::Object options;
  std::vector<FieldDefinition> fields;
};

// The definitions as a schema version has them: a collection, field or index that says `since` is
// left out before that version, one that says `until` from that version on. So definitions show
// when their parts came and went, and the version before can be built.
std::vector<json::Object> definitions_at(std::vector<json::Object> builtin, int schema_version);

// Built-in definitions ({name, fields:[...]}) with the stored ones laid over them. A row for a
// built-in collection or field changes how it looks (title, uiSchema, ...), not how it is stored.
std::vector<CollectionDefinition> merge(const std::vector<json::Object>& builtin,
                                        const StoredModel& stored);

}  // namespace halcyon::schema
