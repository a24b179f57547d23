// desktopRoutes:listAccessible, :create and pages:*: the menu and the pages of the web client
// (reference E.7). Everything else about the menu is a record action.
#include "api/services.h"
#include "features/pages/pages.h"

namespace halcyon::api {
namespace {

namespace pages = features::pages;

Result<Reply> replied(Result<json::Value> value) {
  if (!value) return std::unexpected(std::move(value).error());
  return Reply(*value);
}

Task<Result<Reply>> list_accessible(const Services& services, Call& call) {
  const data::Call all = services.internal_call(call);
  co_return replied(co_await pages::accessible_routes(all, *call.who));
}

Task<Result<Reply>> create_route(const Services& services, Call& call) {
  CO_TRY(json::Object values, call.body_object());
  const data::Call all = services.internal_call(call);
  co_return replied(co_await pages::create_route(all, services.writer, std::move(values)));
}

Task<Result<Reply>> get_page(const Services& services, Call& call) {
  CO_TRY(std::string uid, call.key_text());
  const data::Call all = services.internal_call(call);
  co_return replied(co_await pages::get(all, *call.who, std::move(uid)));
}

Task<Result<Reply>> save_page(const Services& services, Call& call) {
  CO_TRY(json::Object body, call.body_object());
  pages::Change change;
  CO_TRY(change.uid, call.key_text());
  change.base = json::get_int(body, "version");
  change.note = json::get_string(body, "note");
  change.schema = std::move(body["schema"]);
  const data::Call all = services.internal_call(call);
  co_return replied(co_await pages::save(all, services.writer, std::move(change)));
}

Task<Result<Reply>> list_versions(const Services& services, Call& call) {
  CO_TRY(std::string uid, call.key_text());
  const data::Call all = services.internal_call(call);
  co_return replied(co_await pages::versions(all, std::move(uid)));
}

Task<Result<Reply>> restore_page(const Services& services, Call& call) {
  CO_TRY(std::string uid, call.key_text());
  CO_TRY(json::Object body, call.body_object());
  const data::Call all = services.internal_call(call);
  co_return replied(co_await pages::restore(all, services.writer, std::move(uid),
                                            json::get_int(body, "version")));
}

}  // namespace

void add_page_actions(ActionTable& table, const Services& services) {
  using Run = Task<Result<Reply>> (*)(const Services&, Call&);
  auto add = [&](const char* resource, const char* name, Gate gate, Effect effect,
                 const char* summary, Run run, json::Object properties = {}) {
    json::Object body;
    if (!properties.empty()) body = {{"type", "object"}, {"properties", std::move(properties)}};
    table.add({.resource = resource,
               .name = name,
               .access = gate,
               .summary = summary,
               .body = std::move(body),
               .effect = effect,
               .run = [&services, run](Call& call) { return run(services, call); }});
  };
  const json::Object text{{"type", "string"}}, number{{"type", "integer"}},
      object{{"type", "object"}};
  add("desktopRoutes", "listAccessible", Gate::kLogin, Effect::kRead,
      "The menu of the current role", &list_accessible);
  add("desktopRoutes", "create", Gate::kPermission, Effect::kWrite,
      "Add an entry to the menu, with its page", &create_route,
      {{"title", text}, {"icon", text}, {"type", text}, {"parentId", number}, {"schema", object}});
  add("pages", "get", Gate::kLogin, Effect::kRead, "A page, when the role may see it", &get_page);
  add("pages", "save", Gate::kPermission, Effect::kWrite, "Store a page as a new version",
      &save_page, {{"version", number}, {"schema", object}, {"note", text}});
  add("pages", "versions", Gate::kPermission, Effect::kRead, "Versions of a page", &list_versions);
  add("pages", "restore", Gate::kPermission, Effect::kWrite, "Go back to a version of a page",
      &restore_page, {{"version", number}});
}

}  // namespace halcyon::api
