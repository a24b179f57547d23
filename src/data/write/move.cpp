// move: changes the place of a record in its list by its sort field (reference B).
//
// Moving onto a record takes its place: the ones between close up by one. Only one move of a
// collection runs at a time (they lock its first row), so that places stay distinct.
#include <algorithm>

#include "data/write/actions.h"
#include "data/write/save.h"
#include "data/write/source.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;

namespace {

struct Move {
  const Collection* collection;
  const Field* sort;
  const Field* scope = nullptr;  // of sort.scopeKey
};

int64_t place_of(const Move& move, const Row& row) {
  const auto* place = std::get_if<int64_t>(&value_of(row, move.sort->name).data);
  return place == nullptr ? 0 : *place;
}

Result<Move> read_move(const Target& target, const Params& params) {
  if (is_association(target) &&
      (!target.association->relation ||
       target.association->relation->kind != schema::RelationKind::kHasMany)) {
    return fail(not_supported(target, "move"));
  }
  const Collection& collection = *target.collection;
  std::string name = json::get_string(params.extra, "sortField");
  if (name.empty() && is_association(target)) {
    const std::string own = target.association->relation->foreign_key + "Sort";
    if (collection.find(own) != nullptr) name = own;
  }
  if (name.empty()) name = "sort";
  const Field* sort = collection.find(name);
  if (sort == nullptr || sort->type != "sort") {
    return fail(Error(Code::kInvalidArgument, "INVALID_PARAMETER",
                      "\"" + name + "\" is not a sort field of \"" + collection.name + "\".")
                    .with_field("sortField")
                    .with_expected("the name of a sort field"));
  }
  Move move{&collection, sort};
  const std::string scope = json::get_string(sort->options, "scopeKey");
  if (!scope.empty()) move.scope = collection.find(scope);
  return move;
}

Task<Result<Row>> one_row(Session& session, const Target& target, const Params& params,
                          std::string_view name) {
  const json::Value* key = json::find(params.extra, name);
  if (key == nullptr || key->is_null()) {
    co_return fail(Error(Code::kInvalidArgument, "INVALID_PARAMETER",
                         "\"" + std::string(name) + "\" is required.")
                       .with_field(std::string(name))
                       .with_expected("the key of a record"));
  }
  Params one;
  one.filter_by_tk = *key;
  CO_TRY(auto rows, co_await lock_matching(session, target, one, "update"));
  if (rows.empty()) {
    co_return fail(
        Error(Code::kNotFound, "RECORD_NOT_FOUND",
              "\"" + target.collection->name + "\" has no record " + json::dump(*key) + ".")
            .with_field(std::string(name)));
  }
  co_return std::move(rows.front());
}

// Movers of one collection queue up here.
Task<Status> wait_for_turn(Session& session, const Collection& collection) {
  CO_TRY(const auto keys, identity(collection));
  SelectOptions options = locked();
  options.limit = 1;
  for (const Field* key : keys) {
    options.fields.push_back(key->name);
    options.order_by.push_back({sql::column(kAlias, key->column), false, sql::Nulls::kDefault});
  }
  CO_TRY_STATUS(co_await select_rows(session, collection, nullptr, options));
  co_return Status{};
}

sql::Expr in_same_scope(const Move& move, const Row& row) {
  return move.scope == nullptr ? nullptr : field_is(*move.scope, value_of(row, move.scope->name));
}

// Adds `by` to the places from `first` to `last` within the scope of `row`.
Task<Status> shift(Session& session, const Move& move, const Row& row, int64_t first, int64_t last,
                   int64_t by) {
  if (first > last) co_return Status{};
  const auto place = sql::column(kAlias, move.sort->column);
  sql::Update update;
  update.table = move.collection->table_ref(kAlias);
  update.set.push_back(
      {move.sort->column, sql::binary(sql::BinaryOp::kAdd, place, sql::param(sql::Value(by)))});
  update.where =
      sql::all_of({sql::binary(sql::BinaryOp::kGe, place, sql::param(sql::Value(first))),
                   sql::binary(sql::BinaryOp::kLe, place, sql::param(sql::Value(last)))});
  update.where = sql::and_also(std::move(update.where), in_same_scope(move, row));
  session.touched(*move.collection);
  CO_TRY_STATUS(
      co_await session.tx().run(session.call.ctx, sql::render(update, session.tx().dialect())));
  co_return Status{};
}

// Writes the place without hooks: moving is no change of the record (updatedAt stays).
Task<Status> write_place(Session& session, const Move& move, const Row& row, int64_t place) {
  Row set;
  set.emplace(move.sort->name, sql::Value(place));
  std::vector<Row> one{row};
  CO_TRY(sql::Expr where, match_rows(*move.collection, one));
  CO_TRY_STATUS(co_await update_rows(session, *move.collection, set, std::move(where)));
  if (!session.has_listeners()) co_return Status{};
  json::Object before;
  if (session.wants_before(*move.collection)) before = row_json(*move.collection, row);
  co_return co_await session.changed({Change::Kind::kUpdate, move.collection,
                                      key_json(*move.collection, row),
                                      row_json(*move.collection, set), std::move(before)});
}

Task<Result<Row>> change_scope(Session& session, const Move& move, Row row,
                               const sql::Value& scope) {
  if (move.scope == nullptr || same_value(value_of(row, move.scope->name), scope)) co_return row;
  Row set;
  set.emplace(move.scope->name, as_stored_in(*move.scope, scope));
  std::vector<Row> one;
  one.push_back(std::move(row));
  CO_TRY(auto after, co_await save_changes(session, *move.collection, std::move(one), set));
  co_return std::move(after.front());  // the sort type appended it to the new scope
}

Task<Result<std::optional<int64_t>>> edge_place(Session& session, const Move& move, const Row& row,
                                                bool last) {
  SelectOptions options;
  options.fields = {move.sort->name};
  options.limit = 1;
  const auto place = sql::column(kAlias, move.sort->column);
  options.order_by.push_back({place, last, sql::Nulls::kDefault});
  CO_TRY(const auto rows,
         co_await select_rows(session, *move.collection,
                              sql::and_also(sql::is_not_null(place), in_same_scope(move, row)),
                              options));
  if (rows.empty()) co_return std::optional<int64_t>();
  co_return std::optional<int64_t>(place_of(move, rows.front()));
}

// A row from before the sort field existed gets the last place.
Task<Result<Row>> with_place(Session& session, const Move& move, Row row) {
  if (is_given(row, move.sort->name)) co_return row;
  CO_TRY(const auto last, co_await edge_place(session, move, row, true));
  row.insert_or_assign(move.sort->name, sql::Value(last.value_or(0) + 1));
  CO_TRY_STATUS(co_await write_place(session, move, row, place_of(move, row)));
  co_return row;
}

Task<Status> move_to(Session& session, const Move& move, Row source, Row target, bool after) {
  CO_TRY(source, co_await change_scope(
                     session, move, std::move(source),
                     move.scope == nullptr ? sql::Value() : value_of(target, move.scope->name)));
  CO_TRY(target, co_await with_place(session, move, std::move(target)));
  CO_TRY(source, co_await with_place(session, move, std::move(source)));
  const int64_t from = place_of(move, source);
  int64_t to = place_of(move, target);
  if (from < to) {
    CO_TRY_STATUS(co_await shift(session, move, source, from + 1, to, -1));
  } else {
    if (after) ++to;
    CO_TRY_STATUS(co_await shift(session, move, source, to, from - 1, 1));
  }
  co_return co_await write_place(session, move, source, to);
}

Task<Status> prepend(Session& session, const Move& move, Row source) {
  CO_TRY(const auto first, co_await edge_place(session, move, source, false));
  CO_TRY(source, co_await with_place(session, move, std::move(source)));
  const int64_t to = std::min(first.value_or(1), place_of(move, source));
  CO_TRY_STATUS(co_await shift(session, move, source, to, place_of(move, source) - 1, 1));
  co_return co_await write_place(session, move, source, to);
}

Task<Status> move_to_scope(Session& session, const Move& move, Row source,
                           const json::Value& target_scope, std::string_view method) {
  if (move.scope == nullptr) {
    co_return fail(Error(Code::kInvalidArgument, "INVALID_PARAMETER",
                         "The sort field has no scope to move to.")
                       .with_field("targetScope"));
  }
  const json::Value* value = &target_scope;
  if (value->is_object()) value = json::find(value->get_object(), move.scope->name);
  if (value == nullptr) {
    co_return fail(Error(Code::kInvalidArgument, "INVALID_PARAMETER",
                         "\"targetScope\" must give \"" + move.scope->name + "\".")
                       .with_field("targetScope")
                       .with_expected("an object with \"" + move.scope->name + "\""));
  }
  CO_TRY(sql::Value scope, move.scope->kind->parse(*move.scope, *value, session.value_context()));
  CO_TRY(source, co_await change_scope(session, move, std::move(source), scope));
  if (method == "prepend") co_return co_await prepend(session, move, std::move(source));
  co_return Status{};
}

bool is_true(const json::Value* value) {
  if (value == nullptr) return false;
  if (value->is_bool()) return value->get_bool();
  return value->is_string() && (json::as_view(*value) == "true" || json::as_view(*value) == "1");
}

}  // namespace

Task<Result<Answer>> move_action(Session& session, const Target& target, const Params& params) {
  CO_TRY(const Move move, read_move(target, params));
  CO_TRY_STATUS(writable(session, *target.collection, "update"));
  CO_TRY_STATUS(co_await wait_for_turn(session, *move.collection));
  CO_TRY(Row source, co_await one_row(session, target, params, "sourceId"));
  const std::string method = json::get_string(params.extra, "method");
  const json::Value* target_id = json::find(params.extra, "targetId");
  const json::Value* target_scope = json::find(params.extra, "targetScope");
  if (is_true(json::find(params.extra, "sticky"))) {
    CO_TRY_STATUS(co_await write_place(session, move, source, 0));
  } else if (target_id != nullptr && !target_id->is_null()) {
    CO_TRY(Row other, co_await one_row(session, target, params, "targetId"));
    if (identity_text(*move.collection, other) != identity_text(*move.collection, source)) {
      CO_TRY_STATUS(co_await move_to(session, move, std::move(source), std::move(other),
                                     method == "insertAfter"));
    }
  } else if (target_scope != nullptr && !target_scope->is_null()) {
    CO_TRY_STATUS(co_await move_to_scope(session, move, std::move(source), *target_scope, method));
  } else {
    co_return fail(Error(Code::kInvalidArgument, "INVALID_PARAMETER",
                         "A move needs targetId, targetScope or sticky.")
                       .with_field("targetId")
                       .with_expected("targetId, targetScope or sticky"));
  }
  Answer answer;
  answer.data = "\"ok\"";
  co_return answer;
}

}  // namespace halcyon::data::write
