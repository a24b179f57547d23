// For the tests of this folder: models built by hand, their tables and rows.
//
//   Model model;
//   model.add("customers", {{"name", "string"}});
//   model.belongs_to("orders", "customer", "customers", "customerId");
//   must(await(create_tables(db, ctx, *model.snapshot())));
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "data/request.h"
#include "schema/field_type.h"
#include "sql/ddl.h"
#include "sql/dialect.h"

namespace halcyon::data::test {

class Model {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;  // name, type

  // A collection with `id` as primary key and these fields.
  schema::Collection& add(const std::string& name, const Fields& fields) {
    auto made = std::make_shared<schema::Collection>();
    made->name = name;
    made->table = "t_" + name;
    made->primary_key = made->filter_target_key = {"id"};
    made->title_field = "id";
    collections_.emplace_back(made);
    add_field(*made, "id", "bigInt");
    made->fields.front().primary_key = true;
    made->fields.front().nullable = false;
    for (const auto& [field, type] : fields) add_field(*made, field, type);
    return *made;
  }

  static schema::Field& add_field(schema::Collection& in, const std::string& name,
                                  const std::string& type, json::Object options = {}) {
    schema::Field field;
    field.name = name;
    field.type = type;
    field.kind = schema::find_field_type(type);
    if (field.kind == nullptr) throw std::logic_error("no field type " + type);
    options["name"] = name;
    options["type"] = type;
    field.options = std::move(options);
    if (const auto storage = field.kind->storage(field.options)) {
      field.storage = *storage;
      field.column = "c_" + name;
    }
    in.field_index[name] = in.fields.size();
    in.fields.push_back(std::move(field));
    return in.fields.back();
  }

  schema::Collection& get(const std::string& name) {
    for (auto& collection : collections_)
      if (collection->name == name) return *collection;
    throw std::logic_error("no collection " + name);
  }
  schema::Field& field(const std::string& collection, const std::string& name) {
    schema::Collection& in = get(collection);
    return in.fields[in.field_index.find(name)->second];
  }

  void relate(const std::string& from, const std::string& name, schema::Relation relation) {
    static const char* const kTypes[] = {"belongsTo", "hasOne", "hasMany", "belongsToMany",
                                         "belongsToArray"};
    schema::Field& field = add_field(get(from), name, kTypes[static_cast<int>(relation.kind)]);
    field.column.clear();
    field.relation = std::move(relation);
  }
  void belongs_to(const std::string& from, const std::string& name, const std::string& target,
                  const std::string& foreign_key) {
    if (get(from).find(foreign_key) == nullptr) add_field(get(from), foreign_key, "bigInt");
    schema::Relation relation;
    relation.kind = schema::RelationKind::kBelongsTo;
    relation.target = target;
    relation.foreign_key = foreign_key;
    relation.target_key = "id";
    relate(from, name, std::move(relation));
  }
  void has(bool many, const std::string& from, const std::string& name, const std::string& target,
           const std::string& foreign_key) {
    if (get(target).find(foreign_key) == nullptr) add_field(get(target), foreign_key, "bigInt");
    schema::Relation relation;
    relation.kind = many ? schema::RelationKind::kHasMany : schema::RelationKind::kHasOne;
    relation.target = target;
    relation.foreign_key = foreign_key;
    relation.source_key = relation.target_key = "id";
    relate(from, name, std::move(relation));
  }
  void belongs_to_many(const std::string& from, const std::string& name, const std::string& target,
                       const std::string& through) {
    auto made = std::make_shared<schema::Collection>();
    made->name = through;
    made->table = "t_" + through;
    made->is_through = true;
    made->primary_key = made->filter_target_key = {from + "Id", target + "Key"};
    collections_.emplace_back(made);
    for (const std::string& key : made->primary_key) {
      schema::Field& field = add_field(*made, key, "bigInt");
      field.primary_key = true;
      field.nullable = false;
    }
    schema::Relation relation;
    relation.kind = schema::RelationKind::kBelongsToMany;
    relation.target = target;
    relation.through = through;
    relation.foreign_key = from + "Id";
    relation.other_key = target + "Key";
    relation.source_key = relation.target_key = "id";
    relate(from, name, std::move(relation));
  }
  void belongs_to_array(const std::string& from, const std::string& name, const std::string& target,
                        const std::string& keys) {
    add_field(get(from), keys, "array");
    schema::Relation relation;
    relation.kind = schema::RelationKind::kBelongsToArray;
    relation.target = target;
    relation.foreign_key = keys;
    relation.target_key = "id";
    relate(from, name, std::move(relation));
  }

  std::shared_ptr<const schema::Snapshot> snapshot() const {
    auto snapshot = std::make_shared<schema::Snapshot>();
    snapshot->generation = 1;
    for (const auto& collection : collections_)
      snapshot->collections.emplace(collection->name, collection);
    return snapshot;
  }

 private:
  std::vector<std::shared_ptr<schema::Collection>> collections_;
};

inline sql::TableSpec table_spec(const schema::Collection& collection) {
  sql::TableSpec table;
  table.name = collection.table;
  for (const schema::Field& field : collection.fields) {
    if (field.column.empty()) continue;
    sql::ColumnSpec column;
    column.name = field.column;
    column.type = field.storage;
    column.nullable = field.nullable;
    table.columns.push_back(std::move(column));
  }
  for (const std::string& key : collection.primary_key)
    table.primary_key.push_back(collection.find(key)->column);
  return table;
}

inline Task<Status> create_tables(sql::Database& db, const Context& ctx,
                                  const schema::Snapshot& model) {
  for (const auto& [name, collection] : model.collections) {
    for (std::string& text : sql::create_table(table_spec(*collection), db.dialect())) {
      sql::Statement statement;
      statement.text = std::move(text);
      statement.is_write = statement.is_slow = true;
      CO_TRY_STATUS(co_await db.run(ctx, std::move(statement)));
    }
  }
  co_return Status{};
}

// Rows in API form; fields not given are NULL.
inline Task<Status> insert_rows(sql::Database& db, const Context& ctx,
                                const schema::Collection& collection, json::Array rows) {
  for (const json::Value& row : rows) {
    sql::Insert insert;
    insert.table = sql::table(collection.table, "t");
    insert.rows.emplace_back();
    for (const schema::Field& field : collection.fields) {
      const json::Value* value = row.get_object().if_contains(field.name);
      if (field.column.empty() || value == nullptr) continue;
      CO_TRY(sql::Value parsed, field.kind->parse(field, *value, schema::ValueContext()));
      insert.columns.push_back(field.column);
      insert.rows[0].push_back(sql::param(std::move(parsed)));
    }
    CO_TRY_STATUS(co_await db.run(ctx, sql::render(insert, db.dialect())));
  }
  co_return Status{};
}

}  // namespace halcyon::data::test
