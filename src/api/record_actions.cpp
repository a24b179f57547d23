// list, get, create, ...: the actions every collection and association has (reference B).
#include "api/services.h"

namespace halcyon::api {
namespace {

using Read = Task<Result<data::Answer>> (*)(const data::Call&, data::Target, data::Params);
using Write = Task<Result<data::Answer>> (data::Writer::*)(const data::Call&, data::Target,
                                                           data::Params);

// Lambdas that are coroutines must not capture: the action is copied into the table, and these
// plain functions take what they need as parameters.
Task<Result<Reply>> run_read(const Services& services, Call& call, Read read) {
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
