// create_records: a batch of new records of one collection.
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
  co_return stored;
}

}  // namespace halcyon::data::write
