#include "schema/definitions.h"

#include <algorithm>
#include <map>

#include "base/text.h"

namespace halcyon::schema {

namespace {

// What code decides about a built-in collection or field, whatever a row says.
constexpr std::string_view kFixedCollectionKeys[] = {
    "name",      "tableName", "schema",   "autoGenId", "timestamps", "createdAt",  "updatedAt",
    "createdBy", "updatedBy", "paranoid", "sortable",  "tree",       "indexes",    "template",
    "isThrough", "view",      "viewName", "sql",       "inherits",   "underscored"};
constexpr std::string_view kFixedFieldKeys[] = {
    "name",       "type",      "field",     "primaryKey", "autoIncrement", "unique",
    "index",      "allowNull", "length",    "precision",  "scale",         "target",
    "foreignKey", "sourceKey", "targetKey", "through",    "otherKey",      "dataType",
    "dataIndex",  "hidden",    "scopeKey",  "accuracy"};

template <class Keys>
void overlay(json::Object& base, const json::Object& over, const Keys& fixed) {
  for (const auto& [key, value] : over) {
    const std::string_view name(key.data(), key.size());
    if (std::ranges::find(fixed, name) == std::end(fixed)) base[key] = value;
  }
}

// By `sort`, rows of equal place in their given order.
template <class Row>
std::vector<const Row*> sorted(const std::vector<Row>& rows) {
  std::vector<const Row*> out;
  for (const Row& row : rows) out.push_back(&row);
  std::ranges::sort(out, [](const Row* a, const Row* b) {
    return a->sort != b->sort ? a->sort < b->sort : a < b;
  });
  return out;
}

// Whether `definition` is of this version; takes the versions out of it.
bool is_of(json::Object& definition, int schema_version) {
  const int64_t since = json::get_int(definition, "since");
  const int64_t until = json::get_int(definition, "until");
  definition.erase("since");
  definition.erase("until");
  return schema_version >= since && (until == 0 || schema_version < until);
}

}  // namespace

std::vector<json::Object> definitions_at(std::vector<json::Object> builtin, int schema_version) {
  std::erase_if(builtin, [&](json::Object& item) { return !is_of(item, schema_version); });
  for (json::Object& definition : builtin) {
    for (const char* key : {"fields", "indexes"}) {
      json::Value* list = definition.if_contains(key);
      if (list == nullptr || !list->is_array()) continue;
      json::Array kept;
      for (json::Value& item : list->get_array()) {
        if (!item.is_object() || is_of(item.get_object(), schema_version)) {
          kept.push_back(std::move(item));
        }
      }
      *list = std::move(kept);
    }
  }
  return builtin;
}

StoredCollection* StoredModel::find(std::string_view name) {
  return const_cast<StoredCollection*>(std::as_const(*this).find(name));
}
StoredField* StoredModel::find(std::string_view collection, std::string_view field) {
  return const_cast<StoredField*>(std::as_const(*this).find(collection, field));
}
const StoredCollection* StoredModel::find(std::string_view name) const {
  auto it = std::ranges::find_if(collections, [&](const auto& row) { return row.name() == name; });
  return it == collections.end() ? nullptr : &*it;
}
const StoredField* StoredModel::find(std::string_view collection, std::string_view field) const {
  auto it = std::ranges::find_if(
      fields, [&](const auto& row) { return row.collection == collection && row.name() == field; });
  return it == fields.end() ? nullptr : &*it;
}

std::vector<CollectionDefinition> merge(const std::vector<json::Object>& builtin,
                                        const StoredModel& stored) {
  std::vector<CollectionDefinition> out;
  StringMap<size_t> index;
  for (const json::Object& definition : builtin) {
    const std::string name = json::get_string(definition, "name");
    // Two modules may each add fields to one built-in collection.
    auto [it, fresh] = index.emplace(name, out.size());
    if (fresh) out.emplace_back();
    CollectionDefinition& collection = out[it->second];
    collection.builtin = true;
    for (const auto& [key, value] : definition) {
      if (key != "fields" && !collection.options.contains(key)) collection.options[key] = value;
    }
    if (const json::Array* fields = json::get_array(definition, "fields")) {
      for (const auto& field : *fields) {
        if (!field.is_object()) continue;
        FieldDefinition made;
        made.options = field.get_object();
        collection.fields.push_back(std::move(made));
      }
    }
  }
  const auto rows = sorted(stored.collections);
  for (const StoredCollection* row : rows) {
    auto [it, fresh] = index.emplace(row->name(), out.size());
    if (fresh) {
      out.emplace_back();
      out.back().options = row->options;
    } else {
      overlay(out[it->second].options, row->options, kFixedCollectionKeys);
    }
    out[it->second].key = row->key;
    out[it->second].sort = row->sort;
  }
  for (const StoredField* row : sorted(stored.fields)) {
    auto at = index.find(row->collection);
    if (at == index.end()) continue;  // a left-over of a removed collection
    CollectionDefinition& collection = out[at->second];
    const std::string name = row->name();
    auto known = std::ranges::find_if(collection.fields, [&](const FieldDefinition& field) {
      return json::get_string(field.options, "name") == name;
    });
    if (known == collection.fields.end()) {
      collection.fields.emplace_back();
      known = std::prev(collection.fields.end());
      known->options = row->options;
    } else if (known->key.empty()) {
      overlay(known->options, row->options, kFixedFieldKeys);
    }
    known->key = row->key;
    known->parent_key = row->parent_key;
    known->reverse_key = row->reverse_key;
  }
  return out;
}

}  // namespace halcyon::schema
