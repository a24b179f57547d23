// System settings: the one row of `systemSettings` (reference E.8): title, languages, sign-up,
// roles mode.
//
//   auto definitions = settings::builtin_collections();      // for schema::Catalog
//   CO_TRY_STATUS(co_await settings::install(call, defaults));
//   CO_TRY(json::Object row, co_await settings::read(call));
//
// The API shows `raw_title` (as stored) beside `title`. Thread rule: none, there is no state.
#pragma once

#include <string>
#include <vector>

#include "data/records.h"

namespace halcyon::features::settings {

struct Defaults {
  std::string title = "Halcyon";
  std::string language = "en-US";
  Defaults() = default;
};

std::vector<json::Object> builtin_collections();
// Makes the row when it is absent. `call` must have every right.
Task<Status> install(const data::Call& call, data::Writer& writer, Defaults defaults);
Task<Result<json::Object>> read(const data::Call& call);
// Changes what `values` names. Error 400 for unknown settings, as for any record.
Task<Result<json::Object>> write(const data::Call& call, data::Writer& writer, json::Object values);

}  // namespace halcyon::features::settings
