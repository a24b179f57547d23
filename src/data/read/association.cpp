#include "data/read/association.h"

#include "data/read/joins.h"
#include "schema/field_type.h"

namespace halcyon::data {

using schema::RelationKind;

Result<sql::Expr> source_key_operand(const Call& call, const schema::Collection& collection,
                                     const std::string& key, const json::Value& id) {
  const schema::Field* field = collection.find(key);
  if (field == nullptr) return std::unexpected(schema::unknown_field(collection, key));
  const schema::ValueContext vc(call.ctx.utc_offset_minutes);
  Result<sql::Value> value = std::unexpected(Error());
  if (!id.is_null() && !id.is_object() && !id.is_array())
    value = field->kind->parse_operand(*field, id, vc);
  if (value) return sql::param(*std::move(value));
  return fail(Error(Code::kInvalidArgument, "INVALID_SOURCE_ID",
                    "The source id is not a value of \"" + collection.name + "." + key + "\"")
                  .with_field("sourceId"));
}

Result<sql::Expr> source_row_condition(const Call& call, const Target& target,
                                       const std::string& alias) {
  const auto& relation = target.association->relation;
  const schema::Collection& source = *target.source;
  const bool by_source_key = relation && (relation->kind == RelationKind::kHasOne ||
                                          relation->kind == RelationKind::kHasMany ||
                                          relation->kind == RelationKind::kBelongsToMany);
  if (!by_source_key) return plan_filter_by_tk(call, source, alias, target.source_id);
  const json::Value* id = &target.source_id;
  if (id->is_object()) {
    const json::Value* part = json::find(id->get_object(), relation->source_key);
    if (part != nullptr) id = part;
  }
  TRY(sql::Expr key, key_column(source, alias, relation->source_key));
  TRY(sql::Expr value, source_key_operand(call, source, relation->source_key, *id));
  return sql::eq(std::move(key), std::move(value));
}

Result<sql::Expr> plan_source_condition(const Call& call, const Target& target,
                                        const std::string& alias, Aliases& aliases) {
  if (target.association == nullptr || !target.association->relation) return nullptr;
  const schema::Relation& rel = *target.association->relation;
  const schema::Collection& source = *target.source;
  auto inner = std::make_shared<sql::Select>();
  switch (rel.kind) {
    case RelationKind::kHasOne:
    case RelationKind::kHasMany: {
      const json::Value* id = &target.source_id;
      if (id->is_object())
        if (const json::Value* part = json::find(id->get_object(), rel.source_key)) id = part;
      TRY(sql::Expr fk, key_column(*target.collection, alias, rel.foreign_key));
      TRY(sql::Expr value, source_key_operand(call, source, rel.source_key, *id));
      return sql::eq(std::move(fk), std::move(value));
    }
    case RelationKind::kBelongsToMany: {
      const schema::Collection* through = call.model->find(rel.through);
      if (through == nullptr)
        return fail(Code::kInternal, "BROKEN_RELATION",
                    "Collection \"" + rel.through + "\" does not exist");
      const std::string t = aliases.next("t");
      TRY(sql::Expr value, source_key_operand(call, source, rel.source_key, target.source_id));
      TRY(sql::Expr fk, key_column(*through, t, rel.foreign_key));
      TRY(sql::Expr other, key_column(*through, t, rel.other_key));
      TRY(sql::Expr key, key_column(*target.collection, alias, rel.target_key));
      inner->columns.push_back({std::move(other), "k"});
      inner->from = through->table_ref(t);
      inner->where = sql::and_also(sql::eq(std::move(fk), std::move(value)), alive(*through, t));
      return sql::make(sql::InSelect{{std::move(key)}, std::move(inner), false});
    }
    case RelationKind::kBelongsTo: {
      const std::string s = aliases.next("s");
      TRY(sql::Expr fk, key_column(source, s, rel.foreign_key));
      TRY(sql::Expr key, key_column(*target.collection, alias, rel.target_key));
      TRY(sql::Expr row, source_row_condition(call, target, s));
      inner->columns.push_back({std::move(fk), "k"});
      inner->from = source.table_ref(s);
      inner->where = sql::and_also(std::move(row), alive(source, s));
      return sql::make(sql::InSelect{{std::move(key)}, std::move(inner), false});
    }
    case RelationKind::kBelongsToArray: {
      const std::string s = aliases.next("s");
      TRY(sql::Expr keys, key_column(source, s, rel.foreign_key));
      TRY(sql::Expr key, key_column(*target.collection, alias, rel.target_key));
      TRY(sql::Expr row, source_row_condition(call, target, s));
      sql::Expr has = array_has(std::move(keys), std::move(key));
      inner->columns.push_back({sql::literal("1"), "k"});
      inner->from = source.table_ref(s);
      inner->where = sql::all_of({std::move(row), std::move(has)});
      return sql::make(sql::Exists{std::move(inner), false});
    }
  }
  return nullptr;
}

}  // namespace halcyon::data
