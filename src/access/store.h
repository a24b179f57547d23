// Reads and writes of access' own records, with every right: a thin layer over data and sql.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/records.h"
#include "schema/catalog.h"

namespace halcyon::access {

class Store {
 public:
  Store(sql::Database& db, schema::Catalog& catalog, data::Writer& writer)
      : db_(db), catalog_(catalog), writer_(writer) {}

  // Where a call runs: in a transaction, or by itself.
  struct In {
    const Context& ctx;
    sql::Transaction* tx = nullptr;
    In(const Context& c, sql::Transaction* t = nullptr) : ctx(c), tx(t) {}
    In(const data::Call& call) : ctx(call.ctx), tx(call.tx) {}
  };

  // A data call with every right; inside `tx` when given. Lives no longer than ctx and this.
  data::Call call(const Context& ctx, sql::Transaction* tx = nullptr) const {
    return call_as(nobody_, ctx, tx);
  }
  // The same in the name of a user: for createdBy and the like.
  data::Call call_as(const data::Caller& caller, const Context& ctx,
                     sql::Transaction* tx = nullptr) const;

  struct Query {
    json::Value filter;
    std::vector<std::string> appends, sort;
    Query() = default;
    explicit Query(json::Value f, std::vector<std::string> a = {}, std::vector<std::string> s = {})
        : filter(std::move(f)), appends(std::move(a)), sort(std::move(s)) {}
  };
  Task<Result<json::Array>> find(In in, std::string collection, Query query);
  Task<Result<std::optional<json::Object>>> find_one(In in, std::string collection, Query query);
  // The created record.
  Task<Result<json::Object>> create(In in, std::string collection, json::Object values,
                                    const data::Caller* as = nullptr);
  Task<Status> update(In in, std::string collection, json::Value filter, json::Object values);
  Task<Status> destroy(In in, std::string collection, json::Value filter);

  // Plain columns of fields, hidden ones too, without types: for passwords and tokens.
  using Row = std::vector<std::optional<std::string>>;
  using Match = std::vector<std::pair<std::string, sql::Value>>;  // field = value, all of them
  Task<Result<std::vector<Row>>> columns(In in, std::string collection,
                                         std::vector<std::string> fields, Match match);
  // UPDATE ... WHERE in one statement; how many rows it changed.
  Task<Result<int64_t>> set_columns(In in, std::string collection, Match assignments, Match match);

 private:
  sql::Executor& executor(const In& in) const {
    if (in.tx != nullptr) return *in.tx;
    return db_;
  }

  sql::Database& db_;
  schema::Catalog& catalog_;
  data::Writer& writer_;
  data::Caller nobody_;
};

}  // namespace halcyon::access
