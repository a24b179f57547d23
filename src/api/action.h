// Actions and their table: what the API can do, who may ask, and how each part is documented.
//
// The table is the only place that knows routes: the dispatcher looks actions up in it, the OpenAPI
// document is generated from it. Record actions (list, create, ...) are entries with resource "*".
//
//   table.add({.resource = "app", .name = "getInfo", .access = Gate::kPublic,
//              .summary = "Version and database", .run = [&](Call& call) -> Task<Result<Reply>>
//              {...}});
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "access/access.h"
#include "api/url.h"
#include "base/result.h"
#include "data/records.h"
#include "json/json.h"
#include "runtime/context.h"
#include "schema/catalog.h"

namespace halcyon::api {

// One API request on its way through the layers. Owned by the dispatcher for the whole request.
struct Call {
  Context ctx;
  Route route;
  std::string method;
  data::Params params;
  std::shared_ptr<const access::Identity> who;  // never nullptr once the action runs
  std::shared_ptr<const schema::Snapshot> model;
  data::Target target;        // set when the resource is a collection or its association
  std::string authenticator;  // X-Authenticator
  std::string host;           // for links in documents
  std::vector<std::pair<std::string, std::string>> reply_headers;

  // The body as an object; 400 INVALID_BODY when it is something else. An absent body is {}.
  Result<json::Object> body_object() const;
  // filterByTk as text; 400 MISSING_PARAMETER when it is absent or no scalar.
  Result<std::string> key_text() const;
};

// What an action answers: JSON parts for the envelope, or a raw body.
struct Reply {
  std::string data = "null";
  std::string meta;
  int status = 200;
  bool raw = false;  // send `data` as it is, without the envelope
  std::string content_type = "application/json; charset=utf-8";

  Reply() = default;
  explicit Reply(const json::Value& value) : data(json::dump(value)) {}
  explicit Reply(data::Answer answer)
      : data(std::move(answer.data)), meta(std::move(answer.meta)) {}
};

enum class Gate {
  kPublic,      // no sign-in
  kLogin,       // any signed-in user
  kPermission,  // decided by access (reference F.6)
};

struct Action {
  std::string resource;  // "orders", "customers.orders", or "*" for every collection
  std::string name;
  Gate access = Gate::kPermission;
  std::string summary;     // one line for the OpenAPI document
  json::Object body = {};  // JSON schema of the body, empty: none
  std::function<Task<Result<Reply>>(Call&)> run;
};

class ActionTable {
 public:
  void add(Action action);
  // The entry for exactly this resource, else the "*" entry when `is_collection`, else nullptr.
  const Action* find(std::string_view resource, std::string_view name, bool is_collection) const;
  const std::map<std::string, Action, std::less<>>& all() const { return actions_; }

 private:
  std::map<std::string, Action, std::less<>> actions_;  // by "resource:name"
};

}  // namespace halcyon::api
