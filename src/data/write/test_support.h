// For the tests of this folder: a model from definitions as the API takes them, its tables in a
// fresh database of each dialect, and short ways to call the writer and look at tables.
//
//   class CreateTest : public WriteTest { ... model() ... };
//   json::Value made = must_write(&Writer::create, on("orders"), {.values = parse(R"({...})")});
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "data/records.h"
#include "json/writer.h"
#include "schema/build.h"
#include "schema/field_type.h"
#include "schema/migration.h"
#include "sql/testing.h"

namespace halcyon::data::write::test {

inline json::Value parse(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? *std::move(value) : json::Value();
}

class TestPermissions : public Permissions {
 public:
  Grant grant(const schema::Collection& collection, std::string_view action) const override {
    auto it = grants.find(collection.name + ":" + std::string(action));
    if (it != grants.end()) return it->second;
    Grant grant;
    grant.allowed = allow_rest;
    return grant;
  }
  Grant& set(const std::string& name) {
    grants[name].allowed = true;
    return grants[name];
  }
  std::map<std::string, Grant> grants;
  bool allow_rest = true;
};

class Recorder : public ChangeListener {
 public:
  Task<Status> in_transaction(const Call&, sql::Transaction&, const Change& change) override {
    inside.push_back(text(change));
    if (!refuse.empty() && inside.back().starts_with(refuse)) {
      co_return invalid("REFUSED", "A listener refused.");
    }
    co_return Status{};
  }
  void committed(const std::vector<Change>& changes) override {
    for (const Change& change : changes) after.push_back(text(change));
  }
  static std::string text(const Change& change) {
    static const char* const kKinds[] = {"create ", "update ", "destroy "};
    return kKinds[static_cast<int>(change.kind)] + change.collection->name + " " +
           json::dump(change.key);
  }
  std::vector<std::string> inside, after;
  std::string refuse;
};

class WriteTest : public sql::testing::DatabaseTest {
 protected:
  // Where sort, radio and sequence fields take turns.
  static constexpr std::string_view kSequences = R"json({"name": "sequences",
    "indexes": [{"unique": true, "fields": ["collection", "field", "key"]}],
    "fields": [{"name": "collection", "type": "string"}, {"name": "field", "type": "string"},
               {"name": "key", "type": "bigInt"}, {"name": "current", "type": "bigInt"},
               {"name": "lastGeneratedAt", "type": "date"}]})json";

  // Definitions of the collections, a JSON list.
  virtual std::string definitions() = 0;

  void SetUp() override {
    sql::testing::DatabaseTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    std::vector<json::Object> all{parse(kSequences).get_object()};
    for (const json::Value& one : parse(definitions()).get_array()) all.push_back(one.get_object());
    const auto build = schema::build_snapshot({}, schema::merge(all, {}));
    for (const Error& problem : build.problems) ADD_FAILURE() << problem.message;
    model_ = build.snapshot;
    const Status made = await(create_tables());
    ASSERT_TRUE(made) << made.error().message << " " << made.error().internal;
  }

  Task<Status> create_tables() {
    for (const auto& [name, collection] : model_->collections) {
      if (collection->is_view || collection->is_sql) continue;
      for (std::string& text : sql::create_table(schema::table_spec(*collection), db().dialect())) {
        sql::Statement statement;
        statement.text = std::move(text);
        statement.is_write = statement.is_slow = true;
        CO_TRY_STATUS(co_await db().run(ctx(), std::move(statement)));
      }
    }
    co_return Status{};
  }

  Call call() { return Call{ctx(), model_, db(), caller_, permissions_}; }
  Target on(const std::string& name) {
    Target target;
    target.collection = model_->find(name);
    EXPECT_NE(target.collection, nullptr) << name;
    return target;
  }
  Target on(const std::string& source, json::Value id, const std::string& association) {
    Target target;
    target.source = model_->find(source);
    target.association = target.source->find(association);
    EXPECT_NE(target.association, nullptr) << association;
    target.source_id = std::move(id);
    target.collection = target.association->relation
                            ? model_->find(target.association->relation->target)
                            : target.source;
    return target;
  }
  static Params values(std::string_view text) {
    Params params;
    params.values = parse(text);
    return params;
  }
  static Params key(json::Value tk, std::string_view text = "null") {
    Params params = values(text);
    params.filter_by_tk = std::move(tk);
    return params;
  }
  static Params where(std::string_view filter, std::string_view text = "null") {
    Params params = values(text);
    params.filter = parse(filter);
    return params;
  }

  using Action = Task<Result<Answer>> (Writer::*)(const Call&, Target, Params);
  Result<Answer> write(Action action, Target target, Params params) {
    const Call call = this->call();
    return await((writer_.*action)(call, std::move(target), std::move(params)));
  }
  json::Value must_write(Action action, Target target, Params params) {
    auto answer = write(action, std::move(target), std::move(params));
    EXPECT_TRUE(answer) << (answer ? ""
                                   : answer.error().id + " " + answer.error().message + " " +
                                         answer.error().field + " " + answer.error().internal);
    return answer ? parse(answer->data) : json::Value();
  }
  // The id of the error an action answers with; "ok" when it does not fail.
  std::string error_of(Action action, Target target, Params params) {
    auto answer = write(action, std::move(target), std::move(params));
    if (answer) return "ok";
    last_error_ = answer.error();
    if (last_error_.code == Code::kInternal) ADD_FAILURE() << last_error_.internal;
    return answer.error().id;
  }
  json::Value create(const std::string& name, std::string_view text) {
    return must_write(&Writer::create, on(name), values(text));
  }

  // All rows of a table as JSON, by the columns named (fields), ordered by them.
  std::string table(const std::string& name, const std::vector<std::string>& fields) {
    const schema::Collection& collection = *model_->find(name);
    sql::Select select;
    select.from = collection.table_ref("t");
    for (const std::string& field : fields) {
      const schema::Field* found = collection.find(field);
      EXPECT_NE(found, nullptr) << field;
      const auto column = sql::column("t", found->column);
      select.columns.push_back({column, field});
      select.order_by.push_back({column, false, sql::Nulls::kFirst});
    }
    auto rows = await(db().run(ctx(), sql::render(select, db().dialect())));
    EXPECT_TRUE(rows) << (rows ? "" : rows.error().internal);
    if (!rows) return "";
    std::string text;
    for (size_t i = 0; i < rows->size(); ++i) {
      for (size_t c = 0; c < fields.size(); ++c) {
        if (c > 0) text += ' ';
        std::string cell;
        json::Writer out(cell);
        collection.find(fields[c])->kind->write(*collection.find(fields[c]), rows->cell(i, c), out);
        text += json::dump(parse(cell));  // databases space their JSON differently
      }
      text += '\n';
    }
    return text;
  }
  size_t count(const std::string& name) {
    const std::string text = table(name, {model_->find(name)->primary_key.front()});
    return static_cast<size_t>(std::ranges::count(text, '\n'));
  }

  std::shared_ptr<const schema::Snapshot> model_;
  Caller caller_;
  TestPermissions permissions_;
  Writer writer_;
  Error last_error_;
};

}  // namespace halcyon::data::write::test
