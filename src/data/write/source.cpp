#include "data/write/source.h"

#include <algorithm>

#include "data/read/association.h"
#include "data/read/joins.h"

namespace halcyon::data::write {

using schema::RelationKind;

bool is_association(const Target& target) { return target.association != nullptr; }

bool is_to_one(const Target& target) {
  return target.association != nullptr && target.association->relation &&
         !target.association->relation->to_many();
}

Error not_supported(const Target& target, std::string_view action) {
  const std::string name = target.association == nullptr
                               ? target.collection->name
                               : target.source->name + "." + target.association->name;
  return Error(Code::kInvalidArgument, "ACTION_NOT_SUPPORTED",
               "\"" + name + "\" has no action \"" + std::string(action) + "\".");
}

Task<Result<Row>> lock_source(Session& session, const Target& target, bool writing) {
  const schema::Collection& source = *target.source;
  if (writing) {
    CO_TRY(const Grant grant, writable(session, source, "update"));
    if (grant.fields &&
        std::ranges::find(*grant.fields, target.association->name) == grant.fields->end()) {
      co_return fail(Error(Code::kPermissionDenied, "FIELD_NOT_WRITABLE",
                           "Your role may not write field \"" + target.association->name +
                               "\" of \"" + source.name + "\".")
                         .with_field(target.association->name));
    }
  }
  CO_TRY(sql::Expr where, source_row_condition(session.call, target, kAlias));
  where = sql::and_also(std::move(where), alive(source, kAlias));
  CO_TRY(auto rows, co_await select_rows(session, source, std::move(where), locked()));
  if (rows.empty()) {
    co_return fail(
        Error(Code::kNotFound, "SOURCE_NOT_FOUND",
              "\"" + source.name + "\" has no record " + json::dump(target.source_id) + "."));
  }
  if (writing) {
    CO_TRY(const bool visible, co_await in_scope(session, source, "update", rows.front()));
    if (!visible) co_return fail(no_permission(source, "update"));
  }
  co_return std::move(rows.front());
}

}  // namespace halcyon::data::write
