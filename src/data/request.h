// What an action on records is asked to do, and by whom. Built by api from the HTTP request; also
// used directly by features. See reference A.4 for the meaning of each parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "json/json.h"
#include "runtime/context.h"
#include "schema/model.h"
#include "sql/database.h"

namespace halcyon::data {

class CountCache;  // data/read/count_cache.h

// Rights for one action on one collection (reference F.6). `scope` is a filter in API form that may
// hold variables; the planner ANDs it into the query. `fields`: readable (view) or writable fields;
// nullopt = all.
struct Grant {
  bool allowed = false;
  std::optional<std::vector<std::string>> fields;
  json::Value scope;  // null: no row limit
};

// Implemented by access; asked also for targets of nested writes. Action names are canonical:
// "create", "view", "update", "destroy", "export", ... (aliases already mapped).
class Permissions {
 public:
  virtual ~Permissions() = default;
  virtual Grant grant(const schema::Collection& collection, std::string_view action) const = 0;
};
const Permissions& unrestricted();  // everything allowed: root, internal work

struct Caller {
  std::optional<int64_t> user_id;
  json::Object user;  // fields of the current user for {{$user.x}}; hidden ones left out
  std::string role;   // current role, "__union__" in union mode
  std::vector<std::string> roles;  // all current roles
};

struct Params {
  json::Value filter;        // object or null
  json::Value filter_by_tk;  // null, scalar, array, object, array of objects
  std::optional<std::vector<std::string>> fields;
  std::vector<std::string> appends, except, sort;
  std::optional<std::vector<std::string>> whitelist, blacklist;
  std::vector<std::string> update_association_values, filter_keys;
  int64_t page = 1, page_size = 20;
  bool paginate = true;
  bool tree = false;
  bool force_update = false, truncate = false, is_template = false;
  json::Value values;  // body: object or array; null when absent
  json::Object extra;  // every other parameter (sourceId of move, ...)
};

// orders                    -> {collection: "orders"}
// customers/5/orders        -> {collection: "orders", source: "customers", source_id: 5,
// association: "orders"}
struct Target {
  const schema::Collection* collection = nullptr;  // where the rows are
  const schema::Collection* source = nullptr;      // association resources only
  const schema::Field* association = nullptr;
  json::Value source_id;  // value of the relation's source key
};

struct Call {
  const Context& ctx;
  std::shared_ptr<const schema::Snapshot> model;
  sql::Database& db;
  const Caller& caller;
  const Permissions& permissions;
  sql::Transaction* tx = nullptr;  // set: run inside this transaction instead of db
  CountCache* counts = nullptr;    // shares totals of lists; nullptr: count each time
  sql::Executor& executor() const {
    if (tx != nullptr) return *tx;
    return db;
  }
};

// JSON text ready for the envelope: {"data": <data>, "meta": <meta>}.
struct Answer {
  std::string data = "null";
  std::string meta;  // empty: none
};

// A change of records, told to listeners inside the transaction (`in_transaction`) and after
// commit.
struct Change {
  enum class Kind { kCreate, kUpdate, kDestroy } kind;
  const schema::Collection* collection;
  json::Value key;           // filterTargetKey value
  json::Object record;       // create/update: values written; destroy: the row
  json::Object before = {};  // update: the row before, where a listener wants it
};
class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  // Change::before costs a copy of the row, so it is made only for who uses it.
  virtual bool wants_before(const schema::Collection&) const { return false; }
  virtual Task<Status> in_transaction(const Call& call, sql::Transaction& tx,
                                      const Change& change) = 0;
  // Once for all changes of a write, after in_transaction was called for each.
  virtual Task<Status> before_commit(const Call&, sql::Transaction&, const std::vector<Change>&) {
    co_return Status{};
  }
  virtual void committed(const std::vector<Change>& changes) = 0;
};

}  // namespace halcyon::data
