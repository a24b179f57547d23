#include <gtest/gtest.h>

#include "data/read/memory_query.h"
#include "data/read/test_support.h"
#include "data/records.h"
#include "sql/testing.h"

namespace halcyon::data {
namespace {

class QueryTest : public sql::testing::DatabaseTest {
 protected:
  void SetUp() override {
    sql::testing::DatabaseTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    model_.add("customers", {{"name", "string"}});
    model_.add("sales", {{"amount", "integer"},
                         {"at", "date"},
                         {"kind", "string"},
                         {"doc", "json"},
                         {"seen", "unixTimestamp"}});
    model_.belongs_to("sales", "customer", "customers", "customerId");
    snapshot_ = model_.snapshot();
    ASSERT_TRUE(await(test::create_tables(db(), ctx(), *snapshot_)));
    insert("customers", R"([{"id":1,"name":"Ann"},{"id":2,"name":"Bob"}])");
    insert("sales", R"([
      {"id":1,"amount":5,"at":"2026-01-31T22:00:00Z","kind":"a","customerId":1,"seen":"2026-01-31T22:00:00Z"},
      {"id":2,"amount":7,"at":"2026-02-01T10:00:00Z","kind":"a","customerId":1},
      {"id":3,"amount":7,"at":"2026-02-02T10:00:00Z","kind":"b","customerId":2},
      {"id":4,"amount":null,"kind":"b"}])");
  }
  void insert(const std::string& collection, std::string_view rows) {
    ASSERT_TRUE(await(test::insert_rows(db(), ctx(), *snapshot_->find(collection),
                                        json::parse(rows)->get_array())));
  }
  std::string ask(std::string_view body) {
    const Call call{*ctx_, snapshot_, db(), caller_, unrestricted()};
    Target target;
    target.collection = snapshot_->find("sales");
    Params params;
    params.values = *json::parse(body);
    const Result<Answer> answer = await(query(call, target, params));
    return answer ? answer->data : answer.error().id + ": " + answer.error().internal;
  }

  test::Model model_;
  std::shared_ptr<const schema::Snapshot> snapshot_;
  Caller caller_;
};

TEST_P(QueryTest, GroupsAndAggregates) {
  EXPECT_EQ(ask(R"({"measures":[{"field":"amount","aggregation":"sum","alias":"total"},
                                {"field":"id","aggregation":"count","alias":"n"},
                                {"field":["amount"],"aggregation":"count","distinct":true,"alias":"d"}]})"),
            R"([{"total":19,"n":4,"d":2}])");
  EXPECT_EQ(ask(R"({"dimensions":[{"field":"kind"}],
                    "measures":[{"field":"amount","aggregation":"max","alias":"most"}],
                    "orders":[{"field":"kind","order":"desc"}]})"),
            R"([{"kind":"b","most":7},{"kind":"a","most":7}])");
  EXPECT_EQ(ask(R"({"dimensions":[{"field":["customer","name"],"alias":"who"}],
                    "measures":[{"field":"amount","aggregation":"sum","alias":"s"}],
                    "filter":{"customer.name.$ne":null},
                    "having":{"s":{"$gt":7}},"orders":[{"alias":"s","field":"amount"}]})"),
            R"([{"who":"Ann","s":12}])");
  EXPECT_EQ(ask(R"({"measures":[{"field":"id"}],"orders":[{"field":"id","order":"desc"}],
                    "limit":2,"offset":1})"),
            R"([{"id":3},{"id":2}])");
}

TEST_P(QueryTest, FormatsDatesInTheCallersZone) {
  const char* const by_month =
      R"({"dimensions":[{"field":"at","format":"YYYY-MM","alias":"m"}],
          "measures":[{"field":"id","aggregation":"count","alias":"n"}],
          "filter":{"at.$notEmpty":true},"orders":[{"field":"at","alias":"m"}]})";
  EXPECT_EQ(ask(by_month), R"([{"m":"2026-01","n":1},{"m":"2026-02","n":2}])");
  ctx_->utc_offset_minutes = 480;
  EXPECT_EQ(ask(by_month), R"([{"m":"2026-02","n":3}])");
  EXPECT_EQ(ask(R"({"dimensions":[{"field":"seen","format":"YYYY-MM-DD hh","alias":"h"}],
                    "measures":[{"field":"id","aggregation":"count","alias":"n"}],
                    "filter":{"seen.$notEmpty":true}})"),
            R"([{"h":"2026-02-01 06","n":1}])");
}

TEST_P(QueryTest, RefusesWhatItCannotMean) {
  EXPECT_EQ(ask("{}"), "INVALID_QUERY: ");
  EXPECT_EQ(ask(R"({"measures":[{"field":"nope"}]})"), "UNKNOWN_FIELD: ");
  EXPECT_EQ(ask(R"({"measures":[{"field":"kind","aggregation":"sum"}]})"), "INVALID_QUERY: ");
  EXPECT_EQ(ask(R"({"measures":[{"field":"id","aggregation":"evil("}]})"), "INVALID_QUERY: ");
  EXPECT_EQ(ask(R"({"dimensions":[{"field":"doc"}]})"), "INVALID_QUERY: ");
  EXPECT_EQ(
      ask(R"({"dimensions":[{"field":"kind"}],"measures":[{"field":"id","aggregation":"count"}],
                    "orders":[{"field":"amount"}]})"),
      "INVALID_QUERY: ");
}

HALCYON_INSTANTIATE_DIALECTS(QueryTest);

class MemoryQueryTest : public sql::testing::DatabaseTest {};

TEST_P(MemoryQueryTest, ListsRowsInMemory) {
  const json::Value rows = *json::parse(R"([
    {"name":"users","sort":2,"hidden":false,"fields":[{"name":"id","type":"bigInt"}]},
    {"name":"roles","sort":1,"hidden":true,"fields":[{"name":"name","type":"uid"}]},
    {"name":"posts","fields":[]}])");
  Caller caller;
  const Call call{ctx(), std::make_shared<schema::Snapshot>(), db(), caller, unrestricted()};
  auto names = [&](std::string_view filter, std::vector<std::string> sort = {}) {
    Params p;
    if (!filter.empty()) p.filter = *json::parse(filter);
    p.fields = {"name"};
    p.sort = std::move(sort);
    const auto answer = memory_list(rows.get_array(), p, "name", call);
    return answer ? answer->data : answer.error().id;
  };
  EXPECT_EQ(names(""), R"([{"name":"users"},{"name":"roles"},{"name":"posts"}])");
  EXPECT_EQ(names(R"({"hidden.$isFalsy":true})"), R"([{"name":"users"},{"name":"posts"}])");
  EXPECT_EQ(names(R"({"fields.type":"uid"})"), R"([{"name":"roles"}])");
  EXPECT_EQ(names(R"({"name.$in":["posts","x"]})"), R"([{"name":"posts"}])");
  EXPECT_EQ(names("", {"sort"}), R"([{"name":"roles"},{"name":"users"},{"name":"posts"}])");
  EXPECT_EQ(names("", {"-sort"}), R"([{"name":"users"},{"name":"roles"},{"name":"posts"}])");
  EXPECT_EQ(names(R"({"name.$foo":1})"), "UNKNOWN_OPERATOR");
  Params p;
  p.filter_by_tk = "roles";
  p.fields = {"name", "fields.type"};
  EXPECT_EQ(memory_get(rows.get_array(), p, "name", call)->data,
            R"({"name":"roles","fields":[{"type":"uid"}]})");
  p = Params();
  p.page_size = 2;
  p.page = 2;
  p.except = {"fields"};
  const auto second = memory_list(rows.get_array(), p, "name", call);
  EXPECT_EQ(second->data, R"([{"name":"posts"}])");
  EXPECT_EQ(second->meta, R"({"count":3,"page":2,"pageSize":2,"totalPage":2})");
}

INSTANTIATE_TEST_SUITE_P(Sqlite, MemoryQueryTest, ::testing::Values(sql::DialectKind::kSqlite));

}  // namespace
}  // namespace halcyon::data
