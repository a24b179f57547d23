// The work space of build_snapshot: collections while they are being worked out. Private to
// schema; build.cpp has the collections' own part, relations.cpp what joins them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "schema/build.h"

namespace halcyon::schema {

struct Builder {
  explicit Builder(const Settings& settings_) : settings(settings_) {}

  const Settings& settings;
  std::vector<std::shared_ptr<Collection>> collections;  // in order of definition
  StringMap<size_t> index;
  std::vector<Error> problems;

  Collection* find(std::string_view name);
  static Field* find(Collection& collection, std::string_view name);
  void problem(const Collection& collection, Error error);

  Collection& add(const CollectionDefinition& definition);
  void finish(Collection& collection);
  void resolve_relations();
  void add_tree_paths();

 private:
  void place_table(Collection& collection);
  Field* add_implicit(Collection& collection, json::Object options, bool first = false);
  void add_own_fields(Collection& collection);
  void add_time(Collection& collection, std::string_view option, bool wanted, bool on_create,
                bool on_update);
  void add_author(Collection& collection, std::string_view relation, std::string_view key,
                  bool create_only);
  void add_sort(Collection& collection);
  void add_tree(Collection& collection);
  void add_tree_path(Collection& tree);
  void check_default(const Collection& collection, const Field& field);
  void add_indexes(Collection& collection);
  void add_index(Collection& collection, std::vector<std::string> names, bool unique,
                 std::string name = "");
  static bool is_indexable(const Field& field);

  // relations.cpp
  Result<Relation> resolve(Collection& source, const Field& field);
  Result<Relation> resolve_belongs_to(Collection& source, const Field& field, Relation relation);
  Result<Relation> resolve_has(Collection& source, const Field& field, Relation relation);
  Result<Relation> resolve_many_to_many(Collection& source, const Field& field, Relation relation);
  Result<Relation> resolve_array(Collection& source, const Field& field, Relation relation);
  Result<Collection*> target_of(const Collection& source, const Field& field,
                                const Relation& relation);
  Result<std::string> key_of(Collection& collection, const Field& field, std::string_view option);
  Status need_foreign_key(Collection& on, std::string_view name, const Collection& other,
                          const Field& key, const Field& relation);
};

}  // namespace halcyon::schema
