#include "features/settings/settings.h"

namespace halcyon::features::settings {
namespace {

constexpr int64_t kRowId = 1;

data::Target target(const data::Call& call) {
  data::Target t;
  t.collection = call.model->find("systemSettings");
  return t;
}

data::Params by_id() {
  data::Params params;
  params.filter_by_tk = kRowId;
  return params;
}

}  // namespace

std::vector<json::Object> builtin_collections() {
  auto field = [](const char* name, const char* type) {
    return json::Object{{"name", name}, {"type", type}};
  };
  json::Array fields;
  for (const char* name : {"title", "appLang", "roleMode"}) fields.push_back(field(name, "string"));
  for (const char* name : {"showLogoOnly", "allowSignUp", "smsAuthEnabled", "enableEditProfile",
                           "enableChangePassword"}) {
    fields.push_back(field(name, "boolean"));
  }
  fields.push_back(field("logoId", "bigInt"));
  fields.push_back(json::Object{{"name", "enabledLanguages"}, {"type", "json"}});
  fields.push_back(json::Object{{"name", "options"}, {"type", "json"}});
  return {json::Object{{"name", "systemSettings"}, {"fields", std::move(fields)}}};
}

Task<Status> install(const data::Call& call, data::Writer& writer, Defaults defaults) {
  CO_TRY(data::Answer found, co_await data::get(call, target(call), by_id()));
  if (found.data != "null") co_return Status{};
  data::Params params;
  params.values = json::Object{{"id", kRowId},
                               {"title", defaults.title},
                               {"appLang", defaults.language},
                               {"enabledLanguages", {"en-US", "zh-CN"}},
                               {"roleMode", "default"},
                               {"allowSignUp", true},
                               {"enableEditProfile", true},
                               {"enableChangePassword", true},
                               {"options", json::Object{}}};
  auto made = co_await writer.create(call, target(call), std::move(params));
  // Another process may have been faster; its row is as good.
  if (!made && made.error().id != "UNIQUE_VIOLATION")
    co_return std::unexpected(std::move(made).error());
  co_return Status{};
}

Task<Result<json::Object>> read(const data::Call& call) {
  CO_TRY(data::Answer found, co_await data::get(call, target(call), by_id()));
  CO_TRY(json::Value row, json::parse(found.data));
  if (!row.is_object())
    co_return fail(Code::kInternal, "SETTINGS_MISSING", "The system settings are missing.");
  json::Object settings = std::move(row.get_object());
  settings["raw_title"] = settings["title"];
  co_return settings;
}

Task<Result<json::Object>> write(const data::Call& call, data::Writer& writer,
                                 json::Object values) {
  if (const json::Value* raw = json::find(values, "raw_title")) {
    values["title"] = json::Value(*raw);
    values.erase("raw_title");
  }
  // What `get` adds for clients comes back with `put`; it is no setting.
  for (const char* name : {"id", "logo", "createdAt", "updatedAt"}) values.erase(name);
  data::Params params = by_id();
  params.values = std::move(values);
  CO_TRY(data::Answer updated, co_await writer.update(call, target(call), std::move(params)));
  co_return co_await read(call);
}

}  // namespace halcyon::features::settings
