#include "api/url.h"

#include "base/text.h"

namespace halcyon::api {
namespace {

// The action of a path without ":action" (reference A.2, table of dynamically created collections).
std::string_view rest_action(std::string_view method, bool association, bool has_key) {
  if (method == "GET" || method == "HEAD") return has_key ? "get" : "list";
  if (method == "POST") return !has_key || association ? "create" : "";
  if (method == "PUT" || method == "PATCH") return has_key ? "update" : "";
  if (method == "DELETE") return "destroy";
  return "";
}

std::unexpected<Error> no_such_path() {
  return fail(Code::kNotFound, "NOT_FOUND", "There is no such API path.");
}

// "orders:list" -> name and action; a name without ":" leaves the action empty.
bool split_action(const std::string& segment, std::string& name, std::string& action) {
  const auto colon = segment.find(':');
  name = segment.substr(0, colon);
  action = colon == std::string::npos ? "" : segment.substr(colon + 1);
  return !name.empty() && (colon == std::string::npos || !action.empty());
}

}  // namespace

Result<Route> parse_url(std::string_view method, std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  std::vector<std::string> segments;
  for (std::string_view raw : split(path, '/')) segments.push_back(percent_decode(raw, false));
  Route route;
  if (!segments.empty() && segments[0] == "resourcer") {
    segments.erase(segments.begin());
    route.body_is_params = true;
  }
  if (segments.empty() || segments.size() > 4) return no_such_path();
  for (const auto& segment : segments) {
    if (segment.empty()) return no_such_path();
  }

  const bool association = segments.size() >= 3;
  if (association && segments[0].find(':') != std::string::npos) return no_such_path();
  if (!split_action(segments[association ? 2 : 0], route.resource, route.action))
    return no_such_path();
  if (association) {
    route.source = segments[0];
    if (segments[1] != "_" && segments[1] != "undefined") route.source_id = segments[1];
  } else if (const auto dot = route.resource.find('.'); dot != std::string::npos) {
    route.source = route.resource.substr(0, dot);
    route.resource = route.resource.substr(dot + 1);
  }
  if (segments.size() == (association ? 4u : 2u)) route.tk = segments.back();
  if (route.action.empty()) {
    route.action = rest_action(method, association, route.tk.has_value());
    if (route.action.empty()) {
      return fail(Code::kMethodNotAllowed, "METHOD_NOT_ALLOWED",
                  "This method is not for this path; name an action as in /orders:update.");
    }
  }
  return route;
}

}  // namespace halcyon::api
