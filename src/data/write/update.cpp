// update_records and save_changes: rows that exist get new values.
#include "data/read/filter.h"
#include "data/write/links.h"
#include "data/write/save.h"
#include "data/write/tree.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;

namespace {

// Client values that make no difference are no change: hooks (updatedAt) must not run for them.
Row differing(const Row& set, const Row& previous) {
  Row changed;
  for (const auto& [name, value] : set) {
    if (!same_value(value, value_of(previous, name))) changed.emplace(name, value);
  }
  return changed;
}

// Equal changes have equal text.
std::string change_text(const Collection& collection, const Row& change) {
  std::string text;
  for (const Field* field : stored_fields(collection)) {
    auto it = change.find(field->name);
    if (it == change.end()) continue;
    text += field->name;
    text += it->second.is_null() ? '\1' : '\2';
    text += value_text(it->second);
    text += '\0';
  }
  return text;
}

struct Group {
  Row change;
  std::vector<Row> rows;
};

class Saver {
 public:
  Saver(Session& session, const Collection& collection)
      : session_(session),
        collection_(collection),
        hooks_(save_hooks(collection)),
        parent_(parent_key(collection)) {}

  Task<Result<std::vector<Row>>> run(std::vector<Row> previous, const Row& set) {
    std::vector<Row> after;
    after.reserve(previous.size());
    for (Row& row : previous) {
      CO_TRY(Row now, co_await save_one(std::move(row), set));
      after.push_back(std::move(now));
    }
    CO_TRY_STATUS(co_await flush());
    co_return after;
  }

 private:
  Task<Result<Row>> save_one(Row previous, const Row& set) {
    Row change = differing(set, previous);
    if (change.empty()) co_return previous;
    CO_TRY_STATUS(co_await run_hooks(session_, collection_, hooks_, change, &previous, nullptr));
    change = differing(change, previous);
    if (change.empty()) co_return previous;
    const bool moves = parent_ != nullptr && change.contains(parent_->name);
    if (moves) {
      CO_TRY_STATUS(co_await check_tree_move(session_, collection_, previous,
                                             value_of(change, parent_->name)));
    }
    Row after = previous;
    for (const auto& [name, value] : change) after.insert_or_assign(name, value);
    json::Object before;
    if (session_.wants_before(collection_)) before = row_json(collection_, previous);
    Group& group = groups_[change_text(collection_, change)];
    if (group.rows.empty()) group.change = change;
    group.rows.push_back(std::move(previous));
    if (moves || looks_at_others()) CO_TRY_STATUS(co_await flush());
    if (moves) CO_TRY_STATUS(co_await tree_moved(session_, collection_, after));
    CO_TRY_STATUS(co_await tell(after, change, std::move(before)));
    co_return after;
  }

  // Hooks that read rows saved before this one.
  bool looks_at_others() const {
    for (const Field* hook : hooks_) {
      if (hook->type == "sort" || hook->type == "radio") return true;
    }
    return false;
  }

  Task<Status> flush() {
    for (auto& [text, group] : groups_) {
      for (size_t from = 0; from < group.rows.size(); from += kChunk) {
        const size_t to = std::min(group.rows.size(), from + kChunk);
        std::vector<Row> part(
            std::make_move_iterator(group.rows.begin() + static_cast<std::ptrdiff_t>(from)),
            std::make_move_iterator(group.rows.begin() + static_cast<std::ptrdiff_t>(to)));
        CO_TRY(sql::Expr where, match_rows(collection_, part));
        CO_TRY_STATUS(co_await update_rows(session_, collection_, group.change, where));
      }
    }
    groups_.clear();
    co_return Status{};
  }

  Task<Status> tell(const Row& after, const Row& change, json::Object before) {
    if (!session_.has_listeners()) co_return Status{};
    co_return co_await session_.changed({Change::Kind::kUpdate, &collection_,
                                         key_json(collection_, after),
                                         row_json(collection_, change), std::move(before)});
  }

  Session& session_;
  const Collection& collection_;
  std::vector<const Field*> hooks_;
  const Field* parent_;
  StringMap<Group> groups_;
};

Task<Result<Row>> update_one(Session& session, const Collection& collection, Row previous,
                             const json::Object& values, const SaveOptions& options,
                             const ReadOptions& reading) {
  CO_TRY(Values read, read_values(session, collection, values, reading));
  CO_TRY_STATUS(check_refused(collection, read, previous));
  for (const auto& [name, value] : options.preset) read.row.insert_or_assign(name, value);
  std::vector<Values*> batch{&read};
  CO_TRY_STATUS(co_await resolve_own_keys(session, collection, batch, options.rules));
  std::vector<Row> one;
  one.push_back(std::move(previous));
  CO_TRY(auto after, co_await save_changes(session, collection, std::move(one), read.row));
  for (const LinkInput& link : read.links) {
    CO_TRY_STATUS(
        co_await write_link(session, collection, after.front(), link, options.rules, false));
  }
  co_return std::move(after.front());
}

}  // namespace

Task<Result<std::vector<Row>>> save_changes(Session& session, const Collection& collection,
                                            std::vector<Row> previous, const Row& set) {
  Saver saver(session, collection);
  co_return co_await saver.run(std::move(previous), set);
}

Task<Result<std::vector<Row>>> update_records(Session& session, const Collection& collection,
                                              std::vector<Row> previous, const json::Object& values,
                                              const SaveOptions& options) {
  const Nesting nesting(session);
  CO_TRY_STATUS(nesting.check());
  Grant grant;
  grant.allowed = true;
  if (!options.trusted) {
    CO_TRY(grant, writable(session, collection, "update"));
  }
  const ReadOptions reading{&options.rules, &grant, false, options.ignored, &options.preset};
  CO_TRY(Values read, read_values(session, collection, values, reading));
  if (read.links.empty()) {
    for (const Row& row : previous) CO_TRY_STATUS(check_refused(collection, read, row));
    for (const auto& [name, value] : options.preset) read.row.insert_or_assign(name, value);
    co_return co_await save_changes(session, collection, std::move(previous), read.row);
  }
  std::vector<Row> after;
  after.reserve(previous.size());
  for (Row& row : previous) {
    CO_TRY(Row now,
           co_await update_one(session, collection, std::move(row), values, options, reading));
    after.push_back(std::move(now));
  }
  co_return after;
}

Task<Result<std::vector<Row>>> lock_matching(Session& session, const Target& target,
                                             const Params& params, std::string_view action) {
  const Collection& collection = *target.collection;
  CO_TRY(auto keys, identity(collection));
  std::vector<std::string> names;
  sql::InSelect in{{}, nullptr, false};
  for (const Field* key : keys) {
    names.push_back(key->name);
    in.operands.push_back(sql::column(kAlias, key->column));
  }
  CO_TRY(sql::Select matching, plan_matching_rows(session.call, target, params, action, names));
  // Locked in the order of their keys, so that writers of the same rows queue up instead of
  // deadlocking.
  SelectOptions options = locked();
  for (const Field* key : keys) {
    options.order_by.push_back({sql::column(kAlias, key->column), false, sql::Nulls::kDefault});
  }
  matching.order_by.clear();
  in.select = std::make_shared<const sql::Select>(std::move(matching));
  co_return co_await select_rows(session, collection, sql::make(std::move(in)), options);
}

Task<Result<bool>> in_scope(Session& session, const Collection& collection, std::string_view action,
                            const Row& row) {
  const Grant grant = session.call.permissions.grant(collection, action);
  if (!grant.allowed) co_return false;
  if (grant.scope.is_null()) co_return true;
  Target target;
  target.collection = &collection;
  Params params;
  params.filter_by_tk = key_json(collection, row);
  CO_TRY(auto keys, identity(collection));
  CO_TRY(sql::Select select,
         plan_matching_rows(session.call, target, params, action, {keys.front()->name}));
  select.limit = 1;
  CO_TRY(sql::Rows found,
         co_await session.tx().run(session.call.ctx, sql::render(select, session.tx().dialect())));
  co_return !found.empty();
}

}  // namespace halcyon::data::write
