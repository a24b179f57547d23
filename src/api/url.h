// API paths: reference A.1 and A.2. Pure text, no model needed.
//
//   parse_url("GET", "customers/5/orders:list")  -> resource "orders", source "customers",
//   source_id "5", action "list" parse_url("DELETE", "orders/7")              -> resource "orders",
//   action "destroy", tk "7"
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace halcyon::api {

struct Route {
  std::string resource;  // last name: the collection, association or system resource
  std::string source;    // first name of association resources, or empty
  std::optional<std::string> source_id;  // nullopt: none, or "_" / "undefined" (the whole target)
  std::string action;
  std::optional<std::string> tk;  // path tail
  bool body_is_params = false;    // legacy /resourcer/ form

  // "orders" or "customers.orders": the name that permissions and routes use.
  std::string full_name() const { return source.empty() ? resource : source + "." + resource; }
};

// `path` is what follows the API base path, undecoded. Error 404 NOT_FOUND for shapes that are no
// API path.
Result<Route> parse_url(std::string_view method, std::string_view path);

}  // namespace halcyon::api
