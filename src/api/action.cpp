#include "api/action.h"

namespace halcyon::api {

Result<json::Object> Call::body_object() const {
  if (params.values.is_null()) return json::Object{};
  if (!params.values.is_object()) {
    return std::unexpected(
        Error(Code::kInvalidArgument, "INVALID_BODY", "The body must be a JSON object.")
            .with_expected("object"));
  }
  return params.values.get_object();
}

Result<std::string> Call::key_text() const {
  const json::Value& key = params.filter_by_tk;
  if (key.is_string()) return std::string(json::as_view(key));
  if (key.is_int64()) return std::to_string(key.get_int64());
  return std::unexpected(
      Error(Code::kInvalidArgument, "MISSING_PARAMETER", "filterByTk is required.")
          .with_field("filterByTk")
          .with_expected("one key"));
}

namespace {

Effect effect_of(std::string_view name) {
  const bool reads =
      name.starts_with("list") || name.starts_with("get") || name == "query" || name == "check";
  return reads ? Effect::kRead : Effect::kWrite;
}

}  // namespace

void ActionTable::add(Action action) {
  if (action.effect == Effect::kByName) action.effect = effect_of(action.name);
  std::string key = action.resource + ":" + action.name;
  actions_.insert_or_assign(std::move(key), std::move(action));
}

const Action* ActionTable::find(std::string_view resource, std::string_view name,
                                bool is_collection) const {
  auto it = actions_.find(std::string(resource) + ":" + std::string(name));
  if (it == actions_.end() && is_collection) it = actions_.find("*:" + std::string(name));
  return it == actions_.end() ? nullptr : &it->second;
}

}  // namespace halcyon::api
