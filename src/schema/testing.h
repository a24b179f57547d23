// A catalogue over a test database, with collections from JSON, for the tests of every module.
// Link halcyon_sql_testing.
//
//   class OrdersTest : public schema::testing::CatalogTest {};
//   TEST_P(OrdersTest, Counts) {
//     make(R"({"name":"orders","fields":[{"name":"total","type":"integer"}]})");
//     const Collection& orders = collection("orders");
//   }
//   HALCYON_INSTANTIATE_DIALECTS(OrdersTest);
//
// Thread rule: the test's own thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/catalog.h"
#include "sql/testing.h"

namespace halcyon::schema::testing {

inline json::Object object(std::string_view text) {
  auto value = json::parse(text);
  if (!value || !value->is_object()) throw std::invalid_argument("not a JSON object");
  return value->get_object();
}

// The users collection that createdBy and updatedBy point at, for tests without module access.
inline json::Object users_collection() {
  return object(R"({"name":"users","fields":[
    {"name":"id","type":"bigInt","primaryKey":true,"autoIncrement":true},
    {"name":"nickname","type":"string"},{"name":"username","type":"string","unique":true}]})");
}

class CatalogTest : public sql::testing::DatabaseTest {
 protected:
  void SetUp() override {
    DatabaseTest::SetUp();
    if (database_ == nullptr || IsSkipped()) return;
    catalog_ = open_catalog(db());
    auto status = await(catalog_->install(ctx()));
    ASSERT_TRUE(status) << status.error().message << " " << status.error().internal;
  }
  void TearDown() override {
    catalog_.reset();
    DatabaseTest::TearDown();
  }

  virtual std::vector<json::Object> builtin() const { return {users_collection()}; }
  virtual Settings settings() const { return {}; }

  std::unique_ptr<Catalog> open_catalog(sql::Database& database) const {
    return std::make_unique<Catalog>(database, settings(), builtin());
  }
  Catalog& catalog() { return *catalog_; }

  // Creates a collection; a failure fails the test.
  void make(std::string_view definition) {
    auto made = await(catalog_->create_collection(ctx(), object(definition)));
    ASSERT_TRUE(made) << made.error().message << " " << made.error().internal;
  }
  const Collection& collection(std::string_view name) {
    kept_.push_back(catalog_->snapshot());  // references stay good for the whole test
    const Collection* found = kept_.back()->find(name);
    if (found == nullptr) throw std::invalid_argument("no collection " + std::string(name));
    return *found;
  }

  std::unique_ptr<Catalog> catalog_;
  std::vector<std::shared_ptr<const Snapshot>> kept_;
};

}  // namespace halcyon::schema::testing
