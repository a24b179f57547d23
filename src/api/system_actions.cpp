// app:*, systemSettings:*, pm:*: what a client asks before and beside records (reference E.1, E.8,
// E.10, L).
#include "api/services.h"
#include "features/settings/settings.h"

namespace halcyon::api {
namespace {

struct Feature {
  const char* name;
  const char* title;
};
// The built-in features, as `pm:list` shows them. Nothing is installed at run time.
constexpr Feature kFeatures[] = {
    {"data-source-main", "Data model and records"},
    {"collection-tree", "Tree collections"},
    {"collection-sql", "Collections from a SELECT"},
    {"field-sort", "Sort fields"},
    {"field-sequence", "Sequence fields"},
    {"field-formula", "Formula fields"},
    {"field-m2m-array", "Many to many by key array"},
    {"auth", "Sign-in with password"},
    {"users", "Users"},
    {"acl", "Roles and permissions"},
    {"api-keys", "API keys"},
    {"api-doc", "OpenAPI document"},
    {"system-settings", "System settings"},
    {"pages", "Menu and pages"},
};

Task<Result<Reply>> get_info(const Services& services, Call& call) {
  (void)call;
  co_return Reply(json::Value(json::Object{
      {"database", json::Object{{"dialect", services.db.dialect().name()}}},
      {"version", services.settings.version},
      {"lang", services.settings.language},
      {"name", "main"},
      {"theme", "default"},
  }));
}

Task<Result<Reply>> get_lang(const Services& services, Call& call) {
  std::string language = json::get_string(call.params.extra, "locale", call.ctx.locale);
  if (language != "zh-CN" && language != "en-US") language = services.settings.language;
  co_return Reply(json::Value(json::Object{
      {"lang", language},
      {"resources", json::Object{{"client", json::Object{}}}},
      {"moment", language == "zh-CN" ? "zh-cn" : "en"},
      {"antd", json::Object{{"locale", language == "zh-CN" ? "zh-cn" : "en"}}},
      {"cron", json::Object{}},
      {"cronstrue", json::Object{}},
  }));
}

Task<Result<Reply>> get_settings(const Services& services, Call& call) {
  const data::Call data_call = services.internal_call(call);
  CO_TRY(json::Object row, co_await features::settings::read(data_call));
  co_return Reply(json::Value(std::move(row)));
}

Task<Result<Reply>> put_settings(const Services& services, Call& call) {
  CO_TRY(json::Object values, call.body_object());
  const data::Call data_call = services.internal_call(call);
  CO_TRY(json::Object row,
         co_await features::settings::write(data_call, services.writer, std::move(values)));
  co_return Reply(json::Value(std::move(row)));
}

Task<Result<Reply>> list_features(const Services& services, Call& call) {
  (void)call;
  json::Array list;
  for (const Feature& feature : kFeatures) {
    list.push_back(json::Object{{"name", feature.name},
                                {"packageName", feature.name},
                                {"displayName", feature.title},
                                {"version", services.settings.version},
                                {"enabled", true},
                                {"installed", true},
                                {"builtIn", true}});
  }
  co_return Reply(json::Value(std::move(list)));
}

// Client bundles of features: the web client has none to load.
Task<Result<Reply>> list_bundles(const Services&, Call&) {
  co_return Reply(json::Value(json::Array{}));
}

}  // namespace

void add_system_actions(ActionTable& table, const Services& services) {
  using Run = Task<Result<Reply>> (*)(const Services&, Call&);
  auto add = [&](const char* resource, const char* name, Gate gate, const char* summary, Run run,
                 json::Object body = {}) {
    table.add({.resource = resource,
               .name = name,
               .access = gate,
               .summary = summary,
               .body = std::move(body),
               .run = [&services, run](Call& call) { return run(services, call); }});
  };
  add("app", "getInfo", Gate::kPublic, "Version and database", &get_info);
  add("app", "getLang", Gate::kPublic, "Language of the interface", &get_lang);
  add("systemSettings", "get", Gate::kPublic, "System settings", &get_settings);
  add("systemSettings", "put", Gate::kPermission, "Change system settings", &put_settings,
      {{"type", "object"}});
  add("pm", "list", Gate::kLogin, "Built-in features", &list_features);
  add("pm", "listEnabled", Gate::kPublic, "Client bundles of features (none)", &list_bundles);
  add("pm", "listEnabledV2", Gate::kPublic, "Client bundles of features (none)", &list_bundles);
}

}  // namespace halcyon::api
