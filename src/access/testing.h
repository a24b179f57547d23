// Access over a test database, for the tests of this module: the catalogue with its own
// collections, a writer that tells it of changes, records made and read as the server itself would.
//
//   class RolesTest : public access::testing::AccessTest {};
//   TEST_P(RolesTest, ...) { create("roles", R"({"name":"r"})"); auto made = sign_in("nocobase",
//   "x"); } HALCYON_INSTANTIATE_DIALECTS(RolesTest);
//
// Thread rule: the test's own thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "access/access.h"
#include "access/store.h"
#include "runtime/blocking_pool.h"
#include "schema/testing.h"

namespace halcyon::access::testing {

class AccessTest : public schema::testing::CatalogTest {
 protected:
  void SetUp() override {
    CatalogTest::SetUp();
    if (database_ == nullptr || IsSkipped()) return;
    access_ = open_access(*catalog_, writer_);
    writer_.listeners.push_back(&access_->listener());
    store_ = std::make_unique<Store>(db(), *catalog_, writer_);
    const Status installed = await(access_->install(ctx()));
    ASSERT_TRUE(installed) << installed.error().message << " " << installed.error().internal;
  }
  void TearDown() override {
    store_.reset();
    access_.reset();
    CatalogTest::TearDown();
  }

  std::vector<json::Object> builtin() const override { return Access::builtin_collections(); }
  virtual Settings access_settings() const {
    Settings settings;
    settings.jwt_secret = "a secret of thirty-two characters";
    settings.root_email = "admin@example.com";
    settings.root_username = "root";
    settings.root_password = "first-password";
    settings.root_nickname = "Root";
    return settings;
  }
  std::unique_ptr<Access> open_access(schema::Catalog& catalog, data::Writer& writer) {
    return std::make_unique<Access>(db(), catalog, writer, hashing_, access_settings());
  }

  json::Object create(const std::string& collection, std::string_view values) {
    auto made = await(store_->create(ctx(), collection, schema::testing::object(values)));
    EXPECT_TRUE(made) << (made ? "" : made.error().message + " " + made.error().internal);
    return made ? *made : json::Object();
  }
  json::Array find(const std::string& collection, std::string_view filter,
                   std::vector<std::string> appends = {}) {
    auto rows = await(
        store_->find(ctx(), collection, Store::Query(schema::testing::object(filter), appends)));
    EXPECT_TRUE(rows) << (rows ? "" : rows.error().message + " " + rows.error().internal);
    return rows ? *rows : json::Array();
  }

  runtime::BlockingPool hashing_{"hash", 2, 64};
  data::Writer writer_;
  std::unique_ptr<Access> access_;
  std::unique_ptr<Store> store_;
};

}  // namespace halcyon::access::testing
