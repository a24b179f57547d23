// The data model as the server uses it: collections, fields, relations, in immutable snapshots.
//
// A Snapshot is built once per generation from the rows of the meta tables `collections` and
// `fields` and the built-in definitions, then shared by all requests; a change makes a new one.
// Names below are API names; `column` and `table` are physical (DB_TABLE_PREFIX, DB_UNDERSCORED
// applied).
//
//   auto model = catalog.snapshot();                    // std::shared_ptr<const Snapshot>
//   const Collection* orders = model->find("orders");
//   const Field* total = orders->find("total");
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "json/json.h"
#include "sql/ast.h"
#include "sql/ddl.h"

namespace halcyon::expr {
class Expression;
}

namespace halcyon::schema {

class FieldType;

enum class RelationKind { kBelongsTo, kHasOne, kHasMany, kBelongsToMany, kBelongsToArray };
enum class OnDelete { kNoAction, kSetNull, kCascade, kRestrict };

// All keys are field names. Which of them are used: reference D.6.
struct Relation {
  RelationKind kind = RelationKind::kBelongsTo;
  std::string target;       // target collection
  std::string foreign_key;  // belongsTo, belongsToArray: on the source; hasOne/hasMany: on the
                            // target; m2m: on through
  std::string source_key;   // hasOne, hasMany, belongsToMany: key of the source
  std::string target_key;   // belongsTo, belongsToMany, belongsToArray: key of the target
  std::string through;      // belongsToMany: through collection
  std::string other_key;    // belongsToMany: column of through that points to the target
  OnDelete on_delete = OnDelete::kNoAction;
  std::vector<std::string> sort_by;  // "-name" = descending
  bool to_many() const {
    return kind == RelationKind::kHasMany || kind == RelationKind::kBelongsToMany ||
           kind == RelationKind::kBelongsToArray;
  }
};

struct Field {
  std::string key;                      // uid of the row in `fields`; empty for built-in ones
  std::string parent_key, reverse_key;  // keys of other rows: the opposite relation, ...
  std::string name;
  std::string type;  // "string", "belongsTo", ...
  std::string interface;
  std::string column;               // physical column; empty: none (relations, virtual)
  const FieldType* kind = nullptr;  // never nullptr in a snapshot
  std::optional<Relation> relation;
  sql::ColumnType storage;  // meaningless when column is empty
  bool primary_key = false;
  bool auto_increment = false;
  bool nullable = true;
  bool unique = false;
  bool index = false;
  bool hidden = false;    // never in answers
  bool implicit = false;  // made by the server (foreign key, id, createdAt), not a row of `fields`
  // Dates: filled with the time of creation (unless given) or of every save (always).
  bool now_on_create = false, now_on_update = false;
  json::Value default_value;                        // null: none
  std::shared_ptr<const expr::Expression> formula;  // of formula fields, parsed
  json::Array rules;                                // validation rules [{name,args,key}]
  json::Object
      options;  // the whole definition as the API shows it (name, type, interface, uiSchema, ...)
};

struct Collection {
  std::string key, name, title;
  std::string template_name;             // "general", "tree", "view", "sql", ...
  std::string table, table_schema;       // physical; for views the view
  std::string sql;                       // SQL collections: the stored SELECT
  bool is_view = false, is_sql = false;  // both: read-only unless writable_view
  bool writable_view = false;
  bool builtin = false;  // defined in code
  bool is_through = false;
  bool tree = false;                     // adjacency list with parentId / parent / children
  bool paranoid = false;                 // soft delete by deletedAt
  bool simple_paginate = false;          // no total count
  std::vector<std::string> primary_key;  // field names; may be empty (views)
  std::vector<std::string>
      filter_target_key;  // field names; what filterByTk compares; may be empty
  std::string title_field;
  std::vector<Field> fields;  // in order
  StringMap<size_t> field_index;
  std::vector<sql::IndexSpec> indexes;
  json::Object options;  // the whole definition without fields, as the API shows it

  bool read_only() const { return (is_view && !writable_view) || is_sql; }
  const Field* find(std::string_view field) const {
    auto it = field_index.find(field);
    return it == field_index.end() ? nullptr : &fields[it->second];
  }
  // A FROM item for this collection under `alias`.
  sql::TableRef table_ref(std::string alias) const {
    sql::TableRef ref = sql::table(table, std::move(alias), table_schema);
    if (is_sql) ref.raw_sql = sql;
    return ref;
  }
};

class Snapshot {
 public:
  uint64_t generation = 0;
  std::map<std::string, std::shared_ptr<const Collection>, std::less<>> collections;

  const Collection* find(std::string_view name) const {
    auto it = collections.find(name);
    return it == collections.end() ? nullptr : it->second.get();
  }
  // Relations of other collections that point at `name` (for referential rules).
  struct Reference {
    const Collection* from;
    const Field* field;
  };
  std::vector<Reference> references_to(std::string_view name) const;
};

// The belongsTo that leads to the parent record of a tree collection; nullptr: no tree.
const Field* tree_parent(const Collection& collection);
// Where a tree collection keeps the path of each record, as NocoBase does:
// main_<collection>_path (nodePk, path "/1/4/9", rootPk).
std::string tree_path_collection(std::string_view collection);

// "options" for messages: 'collection "orders" has no field "x"' with code UNKNOWN_FIELD.
Error unknown_field(const Collection& collection, std::string_view field);

}  // namespace halcyon::schema
