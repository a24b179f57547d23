#include <gtest/gtest.h>

#include <atomic>

#include "data/read/count_cache.h"
#include "data/read/test_support.h"
#include "data/records.h"
#include "sql/testing.h"

namespace halcyon::data {
namespace {

// Counts statements on their way to the real database.
class Counting : public sql::Database {
 public:
  explicit Counting(sql::Database& inner) : inner_(inner) {}
  Task<Result<sql::Rows>> run(const Context& ctx, sql::Statement statement) override {
    ++statements;
    if (statement.text.find("count(") != std::string::npos ||
        statement.text.find("COUNT(") != std::string::npos)
      ++counts;
    return inner_.run(ctx, std::move(statement));
  }
  const sql::Dialect& dialect() const override { return inner_.dialect(); }
  Task<Status> in_transaction(const Context& ctx, Body body) override {
    return inner_.in_transaction(ctx, std::move(body));
  }
  Task<Status> ping(const Context& ctx) override { return inner_.ping(ctx); }
  sql::PoolStats stats() const override { return inner_.stats(); }
  const sql::Options& options() const override { return inner_.options(); }
  Task<void> close() override { return inner_.close(); }
  std::atomic<int> statements{0}, counts{0};

 private:
  sql::Database& inner_;
};

class TestPermissions : public Permissions {
 public:
  Grant grant(const schema::Collection& collection, std::string_view action) const override {
    EXPECT_EQ(action, "view");
    const auto it = grants.find(collection.name);
    if (it != grants.end()) return it->second;
    Grant all;
    all.allowed = true;
    return all;
  }
  std::map<std::string, Grant> grants;
};

class ListTest : public sql::testing::DatabaseTest {
 protected:
  void SetUp() override {
    sql::testing::DatabaseTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    make_model();
    snapshot_ = model_.snapshot();
    counting_ = std::make_unique<Counting>(db());
    const Status created = await(test::create_tables(db(), ctx(), *snapshot_));
    ASSERT_TRUE(created) << created.error().message << created.error().internal;
    fill();
    caller_.user_id = 1;
    caller_.user = json::Object{{"id", 1}, {"nickname", "Ann"}};
    caller_.role = "member";
    caller_.roles = {"member"};
  }

  void make_model() {
    model_.add("customers", {{"name", "string"}, {"secret", "string"}, {"createdById", "bigInt"}});
    model_.add("orders", {{"no", "string"},
                          {"price", "double"},
                          {"paid", "boolean"},
                          {"placedAt", "date"},
                          {"meta", "json"},
                          {"labels", "array"}});
    model_.add("items", {{"sku", "string"}, {"qty", "integer"}});
    model_.add("tags", {{"title", "string"}});
    model_.belongs_to("orders", "customer", "customers", "customerId");
    model_.has(true, "customers", "orders", "orders", "customerId");
    model_.has(true, "orders", "items", "items", "orderId");
    model_.has(false, "customers", "firstOrder", "orders", "customerId");
    model_.belongs_to_many("orders", "tags", "tags", "ordersTags");
    model_.belongs_to_array("orders", "marks", "tags", "markIds");
    model_.field("customers", "secret").hidden = true;
    schema::Collection& nodes = model_.add("nodes", {{"name", "string"}});
    nodes.tree = true;
    model_.belongs_to("nodes", "parent", "nodes", "parentId");
  }

  void insert(const std::string& collection, std::string_view rows) {
    const Status done = await(test::insert_rows(db(), ctx(), *snapshot_->find(collection),
                                                json::parse(rows)->get_array()));
    ASSERT_TRUE(done) << done.error().message << done.error().internal;
  }

  void fill() {
    insert("customers", R"([{"id":1,"name":"Ann","secret":"x","createdById":1},
                            {"id":2,"name":"Bob","createdById":2},{"id":3,"name":null}])");
    insert("orders", R"([
      {"id":1,"no":"A1","price":10.5,"paid":true,"customerId":1,"placedAt":"2026-01-31T22:30:00Z",
       "meta":{"a":{"b":"x"},"n":5},"labels":["red","big"],"markIds":[2,1]},
      {"id":2,"no":"A2","price":3,"paid":false,"customerId":1,"placedAt":"2026-02-01T08:00:00Z",
       "labels":["red"]},
      {"id":3,"no":"b3","price":null,"paid":null,"customerId":2,"labels":[]},
      {"id":4,"no":"b%4","price":99,"customerId":null}])");
    insert("items",
           R"([{"id":1,"sku":"s1","qty":1,"orderId":1},{"id":2,"sku":"s2","qty":9,"orderId":1},
                        {"id":3,"sku":"s1","qty":9,"orderId":2}])");
    insert("tags", R"([{"id":1,"title":"hot"},{"id":2,"title":"new"},{"id":3,"title":"old"}])");
    insert("ordersTags", R"([{"ordersId":1,"tagsKey":1},{"ordersId":1,"tagsKey":2},
                             {"ordersId":2,"tagsKey":2},{"ordersId":3,"tagsKey":77}])");
    insert("nodes", R"([{"id":1,"name":"root"},{"id":2,"name":"a","parentId":1},
                        {"id":3,"name":"b","parentId":1},{"id":4,"name":"aa","parentId":2},
                        {"id":5,"name":"lone"}])");
  }

  Call call() {
    Call made{*ctx_, snapshot_, *counting_, caller_, permissions_};
    made.counts = counts_.get();
    return made;
  }
  Target target(const std::string& collection) {
    Target made;
    made.collection = snapshot_->find(collection);
    return made;
  }
  Target target(const std::string& source, json::Value id, const std::string& association) {
    Target made;
    made.source = snapshot_->find(source);
    made.association = made.source->find(association);
    made.source_id = std::move(id);
    made.collection = snapshot_->find(made.association->relation->target);
    return made;
  }
  static Params params(std::string_view filter = "") {
    Params made;
    if (!filter.empty()) made.filter = *json::parse(filter);
    return made;
  }

  json::Value data(const Result<Answer>& answer) {
    if (!answer) {
      ADD_FAILURE() << answer.error().id << ": " << answer.error().message << " "
                    << answer.error().internal;
      return nullptr;
    }
    Result<json::Value> parsed = json::parse(answer->data);
    if (!parsed) ADD_FAILURE() << answer->data;
    return parsed.value_or(nullptr);
  }
  json::Value rows(Params p, const std::string& collection = "orders") {
    const Call c = call();
    return data(await(list(c, target(collection), std::move(p))));
  }
  // Keys of the matching orders: "1,2".
  std::string ids(std::string_view filter, const std::string& collection = "orders") {
    std::string text;
    const json::Value found = rows(params(filter), collection);
    if (!found.is_array()) return "?";
    for (const json::Value& row : found.get_array()) {
      if (!text.empty()) text += ',';
      text += json::dump(row.at("id"));
    }
    return text;
  }
  std::string error(Params p, const std::string& collection = "orders") {
    const Call c = call();
    const Result<Answer> answer = await(list(c, target(collection), std::move(p)));
    return answer ? "no error" : answer.error().id;
  }

  test::Model model_;
  std::shared_ptr<const schema::Snapshot> snapshot_;
  std::unique_ptr<Counting> counting_;
  std::unique_ptr<CountCache> counts_;
  Caller caller_;
  TestPermissions permissions_;
};

TEST_P(ListTest, ComparesScalars) {
  EXPECT_EQ(ids(""), "1,2,3,4");
  EXPECT_EQ(ids(R"({"no":"A1"})"), "1");
  EXPECT_EQ(ids(R"({"id":[1,3]})"), "1,3");
  EXPECT_EQ(ids(R"({"price":null})"), "3");
  EXPECT_EQ(ids(R"({"price":{"$ne":3}})"), "1,3,4");
  EXPECT_EQ(ids(R"({"price":{"$notIn":[3]}})"), "1,3,4");
  EXPECT_EQ(ids(R"({"price.$gt":3})"), "1,4");
  EXPECT_EQ(ids(R"({"price":{"$between":[3,11]}})"), "1,2");
  EXPECT_EQ(ids(R"({"$or":[{"id":1},{"no.$includes":"B"}]})"), "1,3,4");
  EXPECT_EQ(ids(R"({"$not":{"price.$gt":3}})"), "2");
  EXPECT_EQ(ids(R"({"no":{"$includes":"%"}})"), "4");
  EXPECT_EQ(ids(R"({"no":{"$startsWith":"a"}})"), "1,2");
  EXPECT_EQ(ids(R"({"no":{"$like":"A%"}})"), "1,2");
  EXPECT_EQ(ids(R"({"no":{"$notIncludes":["1","2"]}})"), "3,4");
  EXPECT_EQ(ids(R"({"paid.$isTruly":true})"), "1");
  EXPECT_EQ(ids(R"({"paid.$isFalsy":true})"), "2,3,4");
  EXPECT_EQ(ids(R"({"no.$regexp":"^[Ab][0-9]"})"), "1,2,3");
  EXPECT_EQ(ids(R"({"$and":[{"$or":[]},{}]})"), "1,2,3,4");
}

TEST_P(ListTest, EveryRowIsOfItsOwnCollection) {
  EXPECT_EQ(ids(R"({"__collection":{"$childIn":["orders","other"]}})"), "1,2,3,4");
  EXPECT_EQ(ids(R"({"__collection.$childIn":"orders"})"), "1,2,3,4");
  EXPECT_EQ(ids(R"({"tableoid":{"$childIn":["other"]}})"), "");
  EXPECT_EQ(ids(R"({"tableoid":{"$childIn":[]}})"), "");
  EXPECT_EQ(ids(R"({"__collection":{"$childNotIn":["other"]}, "price":3})"), "2");
  EXPECT_EQ(ids(R"({"__collection":{"$childNotIn":["orders"]}})"), "");
  EXPECT_EQ(error(params(R"({"__collection":{"$childIn":[5]}})")), "INVALID_VALUE");
  EXPECT_EQ(error(params(R"({"no":{"$childIn":["orders"]}})")), "OPERATOR_NOT_APPLICABLE");
}

TEST_P(ListTest, FiltersListsAndJson) {
  EXPECT_EQ(ids(R"({"labels":{"$anyOf":["big","x"]}})"), "1");
  EXPECT_EQ(ids(R"({"labels":{"$match":["red","big"]}})"), "1");
  EXPECT_EQ(ids(R"({"labels":{"$notMatch":["red"]}})"), "1,3");
  EXPECT_EQ(ids(R"({"labels":{"$noneOf":["big"]}})"), "2,3,4");
  EXPECT_EQ(ids(R"({"labels.$arrayEmpty":true})"), "3,4");
  EXPECT_EQ(ids(R"({"labels.$empty":true})"), "3,4");
  EXPECT_EQ(ids(R"({"labels":{"$contains":["red"]}})"), "1,2");
  EXPECT_EQ(ids(R"({"meta.a.b":"x"})"), "1");
  EXPECT_EQ(ids(R"({"meta.n.$gt":4})"), "1");
}

TEST_P(ListTest, FiltersByDatesInTheCallersZone) {
  EXPECT_EQ(ids(R"({"placedAt":{"$dateOn":"2026-01-31"}})"), "1");
  EXPECT_EQ(ids(R"({"placedAt":{"$dateOn":"2026-02"}})"), "2");
  EXPECT_EQ(ids(R"({"placedAt":{"$dateBetween":["2026-01-31","2026-02-01"]}})"), "1,2");
  ctx_->utc_offset_minutes = 480;
  EXPECT_EQ(ids(R"({"placedAt":{"$dateOn":"2026-02-01"}})"), "1,2");
  EXPECT_EQ(ids(R"({"placedAt":{"$dateOn":"2026-01-31T22:30:00.000Z"}})"), "1");
  EXPECT_EQ(ids(R"({"placedAt":{"$dateBefore":"2026-02-01+00:00"}})"), "1");
  EXPECT_EQ(ids(R"({"placedAt":{"$dateBefore":{"type":"today"}}})"), "1,2");
}

TEST_P(ListTest, FollowsRelations) {
  EXPECT_EQ(ids(R"({"customer.name":"Ann"})"), "1,2");
  EXPECT_EQ(ids(R"({"customer.$notExists":true})"), "4");
  EXPECT_EQ(ids(R"({"items.sku":"s1"})"), "1,2");
  EXPECT_EQ(ids(R"({"items.sku":"s1","items.qty":9})"), "2");
  EXPECT_EQ(ids(R"({"items":{"sku":"s1"},"tags.title":"hot"})"), "1");
  EXPECT_EQ(ids(R"({"items.$notExists":true})"), "3,4");
  EXPECT_EQ(ids(R"({"tags.$exists":true})"), "1,2");
  EXPECT_EQ(ids(R"({"tags.$notExists":true})"), "3,4");
  EXPECT_EQ(ids(R"({"marks.title":"new"})"), "1");
  EXPECT_EQ(ids(R"({"orders.items.qty.$gt":5})", "customers"), "1");
  EXPECT_EQ(ids(R"({"$or":[{"orders.items.qty":9},{"name":null}]})", "customers"), "1,3");
}

TEST_P(ListTest, ResolvesVariables) {
  EXPECT_EQ(ids(R"({"createdById":"{{$user.id}}"})", "customers"), "1");
  EXPECT_EQ(ids(R"({"createdById":"{{ $user.nothing }}"})", "customers"), "");
  EXPECT_EQ(ids(R"({"createdById.$isCurrentUser":true})", "customers"), "1");
  EXPECT_EQ(ids(R"({"name":"{{$user.nickname}}"})", "customers"), "1");
  EXPECT_EQ(error(params(R"({"no":"{{$nothing.x}}"})")), "UNKNOWN_VARIABLE");
}

TEST_P(ListTest, RefusesWhatItCannotMean) {
  EXPECT_EQ(error(params(R"({"nothing":1})")), "UNKNOWN_FIELD");
  EXPECT_EQ(error(params(R"({"customer.nothing":1})")), "UNKNOWN_FIELD");
  EXPECT_EQ(error(params(R"({"no.$foo":1})")), "UNKNOWN_OPERATOR");
  EXPECT_EQ(error(params(R"({"id.$gt":"x"})")), "INVALID_VALUE");
  EXPECT_EQ(error(params(R"({"placedAt.$dateOn":"soon"})")), "INVALID_VALUE");
  EXPECT_EQ(error(params(R"({"no.$dateOn":"2026"})")), "OPERATOR_NOT_APPLICABLE");
  EXPECT_EQ(error(params(R"({"no.$regexp":"("})")), "INVALID_VALUE");
  EXPECT_EQ(error(params(R"({"no":{}})")), "INVALID_VALUE");
  Params p;
  p.page = 0;
  EXPECT_EQ(error(p), "INVALID_PARAMETER");
  p = Params();
  p.sort = {"items.qty"};
  EXPECT_EQ(error(p), "INVALID_SORT");
  p.sort = {"nope"};
  EXPECT_EQ(error(p), "UNKNOWN_FIELD");
}

TEST_P(ListTest, SortsWithNullsLast) {
  auto sorted = [&](std::vector<std::string> sort) {
    Params p;
    p.sort = std::move(sort);
    p.fields = {"id"};
    return json::dump(rows(p));
  };
  EXPECT_EQ(sorted({"price"}), R"([{"id":2},{"id":1},{"id":4},{"id":3}])");
  EXPECT_EQ(sorted({"-price"}), R"([{"id":4},{"id":1},{"id":2},{"id":3}])");
  EXPECT_EQ(sorted({"-customer.name", "-id"}), R"([{"id":3},{"id":2},{"id":1},{"id":4}])");
}

TEST_P(ListTest, LoadsAppends) {
  Params p;
  p.filter_by_tk = 1;
  p.fields = {"id", "customer.name", "items.sku", "tags", "marks.title"};
  EXPECT_EQ(json::dump(rows(p)),
            R"([{"id":1,"customer":{"name":"Ann"},"items":[{"sku":"s1"},{"sku":"s2"}],)"
            R"("tags":[{"id":1,"title":"hot","ordersTags":{"ordersId":1,"tagsKey":1}},)"
            R"({"id":2,"title":"new","ordersTags":{"ordersId":1,"tagsKey":2}}],)"
            R"("marks":[{"title":"new"},{"title":"hot"}]}])");
  p = Params();
  p.appends = {"orders.items", "firstOrder.no"};
  p.except = {"createdById"};
  p.fields.reset();
  const json::Value all = rows(p, "customers");
  EXPECT_EQ(all.at(0).at("orders").at(1).at("items").at(0).at("sku"), "s1");
  EXPECT_EQ(json::dump(all.at(0).at("firstOrder")), R"({"no":"A1"})");
  EXPECT_EQ(json::dump(all.at(2)), R"({"id":3,"name":null,"orders":[],"firstOrder":null})");
}

TEST_P(ListTest, LoadsEachLevelWithOneStatement) {
  Params p;
  p.appends = {"orders.items", "orders.tags"};
  counting_->statements = 0;
  rows(p, "customers");
  EXPECT_EQ(counting_->statements, 4);
}

TEST_P(ListTest, CountsOnlyWhenThePageDoesNotTell) {
  Params p;
  p.page_size = 2;
  const Call c = call();
  Result<Answer> answer = await(list(c, target("orders"), p));
  EXPECT_EQ(answer->meta, R"({"count":4,"page":1,"pageSize":2,"totalPage":2})");
  EXPECT_EQ(counting_->counts, 1);
  counting_->counts = 0;
  p.page_size = 3;
  p.page = 2;
  answer = await(list(c, target("orders"), p));
  EXPECT_EQ(answer->meta, R"({"count":4,"page":2,"pageSize":3,"totalPage":2})");
  EXPECT_EQ(counting_->counts, 0);
  p.page = 9;
  answer = await(list(c, target("orders"), p));
  EXPECT_EQ(answer->data, "[]");
  EXPECT_EQ(answer->meta, R"({"count":4,"page":9,"pageSize":3,"totalPage":2})");
  p = Params();
  p.paginate = false;
  answer = await(list(c, target("orders"), p));
  EXPECT_EQ(answer->meta, "");
}

TEST_P(ListTest, SharesCountsButNeverHidesAWrite) {
  CountCache::Options options;
  options.ttl = std::chrono::hours(1);
  counts_ = std::make_unique<CountCache>(options);
  Params p;
  p.page_size = 1;
  auto meta = [&] {
    const Call c = call();
    return await(list(c, target("tags"), p))->meta;
  };
  EXPECT_EQ(meta(), R"({"count":3,"page":1,"pageSize":1,"totalPage":3})");
  EXPECT_EQ(meta(), R"({"count":3,"page":1,"pageSize":1,"totalPage":3})");
  EXPECT_EQ(counting_->counts, 1);
  insert("tags", R"([{"id":9}])");
  counts_->touched("tags");
  EXPECT_EQ(meta(), R"({"count":4,"page":1,"pageSize":1,"totalPage":4})");
  EXPECT_EQ(counting_->counts, 2);
}

// Another member may have written: only the database knows.
TEST_P(ListTest, KeepsNoTotalThatAnotherMemberMayHaveChanged) {
  CountCache::Options options;
  options.ttl = std::chrono::hours(1);
  std::atomic<uint64_t> alone{1};
  options.alone = [&] { return alone.load(); };
  counts_ = std::make_unique<CountCache>(options);
  Params p;
  p.page_size = 1;
  auto total = [&] {
    const Call c = call();
    return json::parse(await(list(c, target("tags"), p))->meta)->at("count").to_number<int>();
  };
  EXPECT_EQ(total(), 3);
  alone = 0;
  insert("tags", R"([{"id":9}])");
  EXPECT_EQ(total(), 4);
  // Others may commit at any moment, such as autovacuum; not all the time.
  bool saved = false;
  for (int i = 0; i < 50 && !saved; ++i) {
    counting_->counts = 0;
    EXPECT_EQ(total(), 4);
    saved = counting_->counts == 0;
  }
  EXPECT_EQ(saved, dialect().snapshot_mark() != nullptr) << "a mark saves the count";
  insert("tags", R"([{"id":10}])");
  EXPECT_EQ(total(), 5);
  // Alone again, but not all the time since that count.
  alone = 2;
  insert("tags", R"([{"id":11}])");
  EXPECT_EQ(total(), 6);
  counting_->counts = 0;
  EXPECT_EQ(total(), 6);
  EXPECT_EQ(counting_->counts, 0);
}

TEST_P(ListTest, TellsWhetherAnythingWasCommittedBetween) {
  if (!dialect().snapshot_mark()) GTEST_SKIP() << "no marks";
  sql::Select select;
  select.columns = {{dialect().snapshot_mark(), "mark"}};
  const auto mark = [&](sql::Executor& in) {
    return std::string(await(in.run(ctx(), sql::render(select, dialect())))->cell(0, 0).text());
  };
  std::string before, again = mark(db());
  for (int i = 0; i < 50 && before != again; ++i) before = std::exchange(again, mark(db()));
  EXPECT_EQ(before, again);
  const Status status = await(db().in_transaction(ctx(), [&](sql::Transaction& tx) -> Task<Status> {
    CO_TRY_STATUS(co_await tx.run(
        ctx(), sql::testing::statement(dialect(), "DELETE FROM t_tags WHERE c_id = 1")));
    co_return Status{};
  }));
  ASSERT_TRUE(status) << status.error().internal;
  EXPECT_NE(mark(db()), before);
}

TEST_P(ListTest, PagesWithoutACount) {
  model_.get("tags").simple_paginate = true;
  Params p;
  p.page_size = 2;
  const Call c = call();
  EXPECT_EQ(await(list(c, target("tags"), p))->meta, R"({"hasNext":true,"page":1,"pageSize":2})");
  p.page = 2;
  EXPECT_EQ(await(list(c, target("tags"), p))->meta, R"({"hasNext":false,"page":2,"pageSize":2})");
}

TEST_P(ListTest, GetsOneOrNull) {
  const Call c = call();
  Params p;
  p.filter_by_tk = "2";
  p.fields = {"no"};
  EXPECT_EQ(await(get(c, target("orders"), p))->data, R"({"no":"A2"})");
  p.filter_by_tk = 99;
  EXPECT_EQ(await(get(c, target("orders"), p))->data, "null");
  p.filter_by_tk = "x";
  EXPECT_EQ(await(get(c, target("orders"), p)).error().id, "INVALID_FILTER_BY_TK");
  p = params(R"({"no":"A1"})");
  p.is_template = true;
  const json::Value copy = data(await(get(c, target("orders"), p)));
  EXPECT_FALSE(copy.get_object().contains("id"));
  EXPECT_FALSE(copy.get_object().contains("customerId"));
  EXPECT_EQ(copy.at("no"), "A1");
}

TEST_P(ListTest, ReadsAssociations) {
  const Call c = call();
  Params p;
  p.fields = {"id"};
  auto of = [&](const std::string& source, json::Value id, const std::string& name) {
    const Result<Answer> answer = await(list(c, target(source, std::move(id), name), p));
    return answer ? answer->data : answer.error().id + answer.error().internal;
  };
  EXPECT_EQ(of("customers", 1, "orders"), R"([{"id":1},{"id":2}])");
  EXPECT_EQ(of("orders", "1", "tags"), R"([{"id":1,"ordersTags":{"ordersId":1,"tagsKey":1}},)"
                                       R"({"id":2,"ordersTags":{"ordersId":1,"tagsKey":2}}])");
  EXPECT_EQ(of("orders", 1, "marks"), R"([{"id":1},{"id":2}])");
  EXPECT_EQ(of("customers", "x", "orders"), "INVALID_SOURCE_ID");
  EXPECT_EQ(of("orders", 1, "customer"), "INVALID_PARAMETER");
  EXPECT_EQ(await(get(c, target("orders", 3, "customer"), p))->data, R"({"id":2})");
  p.paginate = false;
  EXPECT_EQ(of("orders", 1, "customer"), R"({"id":1})");
}

TEST_P(ListTest, NestsTrees) {
  Params p;
  p.tree = true;
  p.fields = {"id"};
  EXPECT_EQ(json::dump(rows(p, "nodes")),
            R"([{"id":1,"__index":"0","children":[{"id":2,"__index":"0.children.0","children":)"
            R"([{"id":4,"__index":"0.children.0.children.0"}]},)"
            R"({"id":3,"__index":"0.children.1"}]},{"id":5,"__index":"1"}])");
  p.filter = *json::parse(R"({"name":"aa"})");
  EXPECT_EQ(json::dump(rows(p, "nodes")),
            R"([{"id":1,"__index":"0","children":[{"id":2,"__index":"0.children.0","children":)"
            R"([{"id":4,"__index":"0.children.0.children.0"}]}]}])");
  p = Params();
  p.filter_by_tk = 4;
  p.fields = {"id"};
  p.appends = {"parent(recursively=true)"};
  const json::Value found = rows(p, "nodes");
  EXPECT_EQ(found.at(0).at("parent").at("parent").at("name"), "root");
  EXPECT_TRUE(found.at(0).at("parent").at("parent").at("parent").is_null());
}

TEST_P(ListTest, KeepsToTheGrants) {
  Grant grant;
  grant.allowed = true;
  grant.fields = {"no", "customer"};
  grant.scope = *json::parse(R"({"customer.createdById":"{{ctx.state.currentUser.id}}"})");
  permissions_.grants["orders"] = grant;
  grant.fields = {"name"};
  grant.scope = nullptr;
  permissions_.grants["customers"] = grant;
  Params p;
  p.appends = {"customer", "items"};
  EXPECT_EQ(json::dump(rows(p)),
            R"([{"id":1,"no":"A1","customer":{"id":1,"name":"Ann","createdById":1}},)"
            R"({"id":2,"no":"A2","customer":{"id":1,"name":"Ann","createdById":1}}])");
  EXPECT_EQ(error(params(R"({"price.$gt":1})")), "FIELD_NOT_READABLE");
  EXPECT_EQ(error(params(R"({"items.qty":1})")), "FIELD_NOT_READABLE");
  EXPECT_EQ(error(params(R"({"customer.secret":"x"})")), "FIELD_NOT_READABLE");
  p = Params();
  p.sort = {"price"};
  EXPECT_EQ(error(p), "FIELD_NOT_READABLE");
  permissions_.grants["orders"] = Grant();
  EXPECT_EQ(error(Params()), "NO_PERMISSION");
}

HALCYON_INSTANTIATE_DIALECTS(ListTest);

}  // namespace
}  // namespace halcyon::data
