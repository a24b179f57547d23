// Collections and fields as the API shows them: options at the top level (reference D).
#include "schema/catalog.h"

namespace halcyon::schema {

namespace {

json::Value name_or_null(const std::string& name) {
  return name.empty() ? json::Value(nullptr) : json::Value(name);
}

std::string_view on_delete_text(OnDelete rule) {
  switch (rule) {
    case OnDelete::kSetNull:
      return "SET NULL";
    case OnDelete::kCascade:
      return "CASCADE";
    case OnDelete::kRestrict:
      return "RESTRICT";
    case OnDelete::kNoAction:
      break;
  }
  return "NO ACTION";
}

}  // namespace

json::Object field_json(const Field& field, const Collection& collection) {
  json::Object out;
  out["key"] = name_or_null(field.key);
  out["name"] = field.name;
  out["type"] = field.type;
  out["interface"] = name_or_null(field.interface);
  out["description"] = nullptr;
  out["collectionName"] = collection.name;
  out["parentKey"] = name_or_null(field.parent_key);
  out["reverseKey"] = name_or_null(field.reverse_key);
  for (const auto& [key, value] : field.options) out[key] = value;
  if (field.primary_key) out["primaryKey"] = true;
  if (field.auto_increment) out["autoIncrement"] = true;
  if (field.hidden) out["hidden"] = true;
  if (!field.relation) return out;
  const Relation& relation = *field.relation;
  out["target"] = relation.target;
  out["foreignKey"] = relation.foreign_key;
  if (!relation.source_key.empty()) out["sourceKey"] = relation.source_key;
  if (!relation.target_key.empty()) out["targetKey"] = relation.target_key;
  if (!relation.through.empty()) {
    out["through"] = relation.through;
    out["otherKey"] = relation.other_key;
  }
  if (relation.on_delete != OnDelete::kNoAction) {
    out["onDelete"] = on_delete_text(relation.on_delete);
  }
  return out;
}

json::Object collection_json(const Collection& collection, bool with_fields) {
  json::Object out;
  out["key"] = name_or_null(collection.key);
  out["name"] = collection.name;
  out["title"] = collection.title;
  out["inherit"] = false;
  out["hidden"] = false;
  out["description"] = nullptr;
  for (const auto& [key, value] : collection.options) {
    if (key != "fields") out[key] = value;
  }
  if (!out.contains("template")) out["template"] = collection.template_name;
  if (!collection.filter_target_key.empty()) {
    json::Array keys;
    for (const auto& key : collection.filter_target_key) keys.emplace_back(key);
    out["filterTargetKey"] = keys.size() == 1 ? keys.front() : json::Value(std::move(keys));
  }
  if (!collection.title_field.empty() && !out.contains("titleField")) {
    out["titleField"] = collection.title_field;
  }
  if (collection.read_only() && !out.contains("unavailableActions")) {
    out["unavailableActions"] = json::Array{"create", "update", "destroy"};
  }
  if (!with_fields) return out;
  json::Array fields;
  for (const Field& field : collection.fields) {
    // Foreign keys are shown, so that they can be filtered by; other implicit fields are not.
    if (field.implicit && !json::get_bool(field.options, "isForeignKey")) continue;
    fields.push_back(field_json(field, collection));
  }
  out["fields"] = std::move(fields);
  return out;
}

}  // namespace halcyon::schema
