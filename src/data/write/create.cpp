// create_records: a batch of new records of one collection.
#include <algorithm>

#include "data/read/filter.h"
#include "data/write/links.h"
#include "data/write/save.h"
#include "data/write/tree.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;

namespace {

const json::Object kNoValues;

Grant everything() {
  Grant grant;
  grant.allowed = true;
  return grant;
}

// The client's values of all records, parsed; the server's on top.
Result<std::vector<Values>> read_all(const Session& session, const Collection& collection,
                                     const std::vector<NewRecord>& records,
                                     const SaveOptions& options, const Grant& grant) {
  std::vector<Values> all;
  all.reserve(records.size());
  for (const NewRecord& record : records) {
    Row preset = options.preset;
    for (const auto& [name, value] : record.preset) preset.insert_or_assign(name, value);
    const ReadOptions reading{&options.rules, &grant, true, options.ignored, &preset};
    TRY(Values values, read_values(session, collection,
                                   record.values != nullptr ? *record.values : kNoValues, reading));
    for (auto& [name, value] : preset) values.row.insert_or_assign(name, std::move(value));
    all.push_back(std::move(values));
  }
  return all;
}

Task<Status> insert_batch(Session& session, const Collection& collection,
                          std::vector<Values>& batch, std::vector<Row>& stored,
                          InsertAnswer answer) {
  const auto hooks = save_hooks(collection);
  const bool single = needs_single_rows(collection);
  SortMemory memory;
  stored.reserve(batch.size());
  for (Values& values : batch) {
    CO_TRY_STATUS(apply_defaults(session, collection, values.row));
    CO_TRY_STATUS(co_await run_hooks(session, collection, hooks, values.row, nullptr, &memory));
    CO_TRY_STATUS(check_complete(collection, values.row));
    stored.push_back(std::move(values.row));
    if (single) {
      std::vector<Row> one;
      one.push_back(std::move(stored.back()));
      CO_TRY_STATUS(co_await insert_rows(session, collection, one, answer));
      stored.back() = std::move(one.front());
    }
  }
  if (single) co_return Status{};
  co_return co_await insert_rows(session, collection, stored, answer);
}

// A record made may not lie outside what the role may create; looked up, since a scope may ask for
// related records or values the server makes.
Task<Status> check_create_scope(Session& session, const Collection& collection, const Grant& grant,
                                const std::vector<Row>& rows) {
  if (grant.scope.is_null() || rows.empty()) co_return Status{};
  CO_TRY(const auto keys, identity(collection));
  std::vector<std::string> names;
  for (const Field* key : keys) names.push_back(key->name);
  Target target;
  target.collection = &collection;
  StringMap<bool> inside;  // by what tells rows apart; a filterByTk need not be unique
  for (size_t from = 0; from < rows.size(); from += kChunk) {
    json::Array chunk;
    for (size_t i = from; i < std::min(rows.size(), from + kChunk); ++i) {
      chunk.push_back(key_json(collection, rows[i]));
    }
    Params params;
    params.filter_by_tk = std::move(chunk);
    CO_TRY(const sql::Select select,
           plan_matching_rows(session.call, target, params, "create", names));
    CO_TRY(
        const sql::Rows found,
        co_await session.tx().run(session.call.ctx, sql::render(select, session.tx().dialect())));
    for (size_t i = 0; i < found.size(); ++i) {
      Row row;
      for (size_t k = 0; k < keys.size(); ++k) {
        row.emplace(keys[k]->name, cell_value(*keys[k], found.cell(i, k)));
      }
      inside.emplace(identity_text(collection, row), true);
    }
  }
  const bool all = std::ranges::all_of(
      rows, [&](const Row& row) { return inside.contains(identity_text(collection, row)); });
  if (all) co_return Status{};
  co_return fail(Error(Code::kPermissionDenied, "OUT_OF_SCOPE",
                       "Your role may not create such a record of \"" + collection.name + "\".")
                     .with_expected("values within the role's scope"));
}

Task<Status> tell_created(Session& session, const Collection& collection,
                          const std::vector<Row>& rows) {
  if (!session.has_listeners()) co_return Status{};
  for (const Row& row : rows) {
    CO_TRY_STATUS(co_await session.changed({Change::Kind::kCreate, &collection,
                                            key_json(collection, row), row_json(collection, row)}));
  }
  co_return Status{};
}

}  // namespace

Task<Result<std::vector<Row>>> create_records(Session& session, const Collection& collection,
                                              std::vector<NewRecord> records,
                                              const SaveOptions& options) {
  const Nesting nesting(session);
  CO_TRY_STATUS(nesting.check());
  Grant grant = everything();
  if (!options.trusted) {
    CO_TRY(grant, writable(session, collection, "create"));
  }
  CO_TRY(std::vector<Values> batch, read_all(session, collection, records, options, grant));
  std::vector<Values*> pointers;
  pointers.reserve(batch.size());
  for (Values& values : batch) pointers.push_back(&values);
  CO_TRY_STATUS(co_await resolve_own_keys(session, collection, pointers, options.rules));

  std::vector<Row> stored;
  CO_TRY_STATUS(co_await insert_batch(session, collection, batch, stored, options.answer));
  if (parent_key(collection) != nullptr) {
    CO_TRY_STATUS(co_await tree_created(session, collection, stored));
  }
  CO_TRY_STATUS(co_await tell_created(session, collection, stored));
  for (size_t i = 0; i < batch.size(); ++i) {
    for (const LinkInput& link : batch[i].links) {
      CO_TRY_STATUS(co_await write_link(session, collection, stored[i], link, options.rules, true));
    }
  }
  CO_TRY_STATUS(co_await check_create_scope(session, collection, grant, stored));
  co_return stored;
}

}  // namespace halcyon::data::write
