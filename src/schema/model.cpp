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

Error unknown_field(const Collection& collection, std::string_view field) {
  return Error(Code::kInvalidArgument, "UNKNOWN_FIELD",
               fmt::format("Collection \"{}\" has no field \"{}\".", collection.name, field))
      .with_field(std::string(field));
}

}  // namespace halcyon::schema
