#include "schema/model.h"

#include <fmt/format.h>

namespace halcyon::schema {

std::vector<Snapshot::Reference> Snapshot::references_to(std::string_view name) const {
  std::vector<Reference> out;
  for (const auto& [_, collection] : collections) {
    for (const Field& field : collection->fields) {
      if (field.relation && field.relation->target == name) {
        out.push_back({collection.get(), &field});
      }
    }
  }
  return out;
}

const Field* tree_parent(const Collection& collection) {
  if (!collection.tree) return nullptr;
  const Field* by_name = nullptr;
  for (const Field& field : collection.fields) {
    if (!field.relation || field.relation->kind != RelationKind::kBelongsTo) continue;
    if (json::get_bool(field.options, "treeParent")) return &field;
    if (field.name == "parent" && field.relation->target == collection.name) by_name = &field;
  }
  return by_name;
}

std::string tree_path_collection(std::string_view collection) {
  return "main_" + std::string(collection) + "_path";
}

Error unknown_field(const Collection& collection, std::string_view field) {
  return Error(Code::kInvalidArgument, "UNKNOWN_FIELD",
               fmt::format("Collection \"{}\" has no field \"{}\".", collection.name, field))
      .with_field(std::string(field));
}

}  // namespace halcyon::schema
