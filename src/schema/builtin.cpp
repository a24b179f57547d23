#include "schema/builtin.h"

#include "base/text.h"

namespace halcyon::schema {

namespace {

constexpr std::string_view kCollections = R"json({
  "name": "collections", "title": "Collections", "autoGenId": false, "timestamps": false,
  "sortable": "sort", "filterTargetKey": "name", "titleField": "title", "origin": "core",
  "fields": [
    {"name": "key", "type": "uid", "primaryKey": true},
    {"name": "name", "type": "uid", "prefix": "t_", "unique": true},
    {"name": "title", "type": "string"},
    {"name": "inherit", "type": "boolean", "defaultValue": false},
    {"name": "hidden", "type": "boolean", "defaultValue": false},
    {"name": "options", "type": "json", "defaultValue": {}},
    {"name": "description", "type": "string"},
    {"name": "fields", "type": "hasMany", "target": "fields", "sourceKey": "name",
     "targetKey": "name", "foreignKey": "collectionName", "onDelete": "CASCADE",
     "sortBy": "sort"},
    {"name": "category", "type": "belongsToMany", "target": "collectionCategories",
     "sourceKey": "name", "foreignKey": "collectionName", "otherKey": "categoryId",
     "targetKey": "id", "sortBy": "sort", "through": "collectionCategory"}
  ]})json";

constexpr std::string_view kFields = R"json({
  "name": "fields", "title": "Fields", "autoGenId": false, "timestamps": false,
  "filterTargetKey": "name", "origin": "core",
  "sortable": {"name": "sort", "scopeKey": "collectionName"},
  "indexes": [{"unique": true, "fields": ["collectionName", "name"]},
              {"fields": ["collectionName"], "until": 4}],
  "fields": [
    {"name": "key", "type": "uid", "primaryKey": true},
    {"name": "name", "type": "uid", "prefix": "f_"},
    {"name": "type", "type": "string"},
    {"name": "interface", "type": "string", "allowNull": true},
    {"name": "description", "type": "string"},
    {"name": "collectionName", "type": "string"},
    {"name": "parentKey", "type": "string", "index": true},
    {"name": "reverseKey", "type": "string", "index": true},
    {"name": "options", "type": "json", "defaultValue": {}}
  ]})json";

constexpr std::string_view kCategories = R"json({
  "name": "collectionCategories", "title": "Collection categories", "sortable": true,
  "origin": "core",
  "fields": [
    {"name": "id", "type": "bigInt", "primaryKey": true, "autoIncrement": true},
    {"name": "name", "type": "string"},
    {"name": "color", "type": "string", "defaultValue": "default"},
    {"name": "collections", "type": "belongsToMany", "target": "collections",
     "foreignKey": "categoryId", "otherKey": "collectionName", "targetKey": "name",
     "through": "collectionCategory"}
  ]})json";

constexpr std::string_view kCategoryOfCollection = R"json({
  "name": "collectionCategory", "isThrough": true, "autoGenId": false, "origin": "core",
  "fields": [
    {"name": "collectionName", "type": "string", "primaryKey": true},
    {"name": "categoryId", "type": "bigInt", "primaryKey": true}
  ]})json";

constexpr std::string_view kSequences = R"json({
  "name": "sequences", "title": "Sequences", "origin": "core",
  "indexes": [{"unique": true, "fields": ["collection", "field", "key"]}],
  "fields": [
    {"name": "collection", "type": "string"},
    {"name": "field", "type": "string"},
    {"name": "key", "type": "bigInt"},
    {"name": "current", "type": "bigInt"},
    {"name": "lastGeneratedAt", "type": "date"}
  ]})json";

}  // namespace

std::vector<json::Object> meta_collections() {
  std::vector<json::Object> out;
  for (std::string_view text :
       {kCollections, kFields, kCategories, kCategoryOfCollection, kSequences}) {
    out.push_back(json::parse(text).value().get_object());
  }
  return out;
}

}  // namespace halcyon::schema
