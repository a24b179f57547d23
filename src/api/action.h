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

struct Action;

// One API request on its way through the layers. Owned by the dispatcher for the whole request.
struct Call {
  Context ctx;
  Route route;
  const Action* action = nullptr;
  std::string method;
  data::Params params;
  std::shared_ptr<const access::Identity> who;  // never nullptr once the action runs
  std::shared_ptr<const schema::Snapshot> model;
  data::Target target;             // set when the resource is a collection or its association
  sql::Transaction* tx = nullptr;  // of a writing action; its end is the dispatcher's business
  schema::Unit* unit = nullptr;    // of an action that changes the model
  std::string authenticator;       // X-Authenticator
  std::string read_after;          // X-Read-After: a position of the database (sql/replicas.h)
  bool brings_position = false;    // there is one, whatever it says
  std::string host;                // for links in documents
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

// What running it does, and so what a second try may do.
enum class Effect {
  kByName,      // kRead for list..., get..., query and check; else kWrite
  kRead,        // nothing: runs outside of a transaction
  kWrite,       // runs in one transaction with its idempotency key; happens exactly once
  kModel,       // the same, for changes of the data model (schema::Unit)
  kRepeatable,  // writes, but doing it again is harmless (auth:signIn)
};

struct Action {
  std::string resource;  // "orders", "customers.orders", or "*" for every collection
  std::string name;
  Gate access = Gate::kPermission;
  std::string summary;     // one line for the OpenAPI document
  json::Object body = {};  // JSON schema of the body, empty: none
  Effect effect = Effect::kByName;
  bool secret = false;  // the answer is shown once: it is kept encrypted for a second try
  // Looks for a record before it makes one: when another makes it meanwhile, it looks again.
  bool looks_first = false;
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
