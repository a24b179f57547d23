// list, get, create, ...: the actions every collection and association has (reference B).
#include "api/services.h"

namespace halcyon::api {
namespace {

using Read = Task<Result<data::Answer>> (*)(const data::Call&, data::Target, data::Params);
using Write = Task<Result<data::Answer>> (data::Writer::*)(const data::Call&, data::Target,
                                                           data::Params);

// Lambdas that are coroutines must not capture: the action is copied into the table, and these
// plain functions take what they need as parameters.
// On a read replica, where there is one that has all that this request may know of. When that
// fails, for whatever reason, the primary answers. Asking the primary where it is costs as much as
// getting one record from it; so `get` goes elsewhere only for who brings a position.
Task<std::optional<data::Answer>> read_elsewhere(const Services& services, Call& call, Read read) {
  sql::Replicas* replicas = services.replicas;
  if (replicas == nullptr || call.tx != nullptr) co_return std::nullopt;
  if (read == &data::get && !call.brings_position) co_return std::nullopt;
  sql::Replicas::Choice choice = co_await replicas->pick(call.ctx, call.read_after);
  if (!choice.db) co_return std::nullopt;
  const data::Call data_call = services.data_call(call, *choice.db);
  auto answer = co_await read(data_call, call.target, call.params);
  if (!answer) {
    if (answer.error().id == "DATABASE_UNAVAILABLE") replicas->failed(choice.db.get());
    co_return std::nullopt;
  }
  call.read_after = std::move(choice.position);
  co_return *std::move(answer);
}

Task<Result<Reply>> run_read(const Services& services, Call& call, Read read) {
  if (auto answer = co_await read_elsewhere(services, call, read))
    co_return Reply(*std::move(answer));
  const data::Call data_call = services.data_call(call);
  CO_TRY(data::Answer answer, co_await read(data_call, call.target, std::move(call.params)));
  co_return Reply(std::move(answer));
}

Task<Result<Reply>> run_write(const Services& services, Call& call, Write write) {
  const data::Call data_call = services.data_call(call);
  CO_TRY(data::Answer answer,
         co_await (services.writer.*write)(data_call, call.target, std::move(call.params)));
  co_return Reply(std::move(answer));
}

json::Object body_schema(std::string_view description) {
  return {{"description", description}, {"oneOf", {{{"type", "object"}}, {{"type", "array"}}}}};
}

}  // namespace

void add_record_actions(ActionTable& table, const Services& services) {
  struct ReadEntry {
    const char* name;
    const char* summary;
    Read read;
  };
  for (const ReadEntry& entry : {
           ReadEntry{"list", "List records, filtered, sorted and paged", &data::list},
           ReadEntry{"get", "One record, or null", &data::get},
           ReadEntry{"query", "Aggregates: measures and dimensions", &data::query},
       }) {
    table.add({.resource = "*",
               .name = entry.name,
               .summary = entry.summary,
               .run = [&services, read = entry.read](Call& call) {
                 return run_read(services, call, read);
               }});
  }

  struct WriteEntry {
    const char* name;
    const char* summary;
    Write write;
    const char* body;
    bool looks_first = false;
  };
  for (const WriteEntry& entry : {
           WriteEntry{"create", "Create one record, or several from a list", &data::Writer::create,
                      "Values"},
           WriteEntry{"update", "Change the records that match", &data::Writer::update, "Values"},
           WriteEntry{"destroy", "Delete the records that match", &data::Writer::destroy, nullptr},
           WriteEntry{"firstOrCreate", "The record with these values, made if absent",
                      &data::Writer::first_or_create, "Values", true},
           WriteEntry{"updateOrCreate", "Update the record with these values, or make it",
                      &data::Writer::update_or_create, "Values", true},
           WriteEntry{"add", "Link records to an association", &data::Writer::add, "Keys"},
           WriteEntry{"set", "Replace the links of an association", &data::Writer::set, "Keys"},
           WriteEntry{"remove", "Unlink records from an association", &data::Writer::remove,
                      "Keys"},
           WriteEntry{"toggle", "Link a record, or unlink it when it is linked",
                      &data::Writer::toggle, "Key"},
           WriteEntry{"move", "Change the order of records", &data::Writer::move, nullptr},
       }) {
    table.add({.resource = "*",
               .name = entry.name,
               .summary = entry.summary,
               .body = entry.body == nullptr ? json::Object{} : body_schema(entry.body),
               .looks_first = entry.looks_first,
               .run = [&services, write = entry.write](Call& call) {
                 return run_write(services, call, write);
               }});
  }
}

}  // namespace halcyon::api
