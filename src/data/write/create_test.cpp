#include "data/write/test_support.h"

namespace halcyon::data::write {
namespace {

class CreateTest : public test::WriteTest {
 protected:
  std::string definitions() override {
    return R"json([
      {"name": "customers", "fields": [
        {"name": "name", "type": "string", "unique": true},
        {"name": "note", "type": "text"},
        {"name": "level", "type": "integer", "defaultValue": 3},
        {"name": "code", "type": "string",
         "validation": {"type": "string", "rules": [{"name": "max", "args": {"limit": 3}}]}},
        {"name": "secret", "type": "password"},
        {"name": "orders", "type": "hasMany", "target": "orders", "foreignKey": "customerId"},
        {"name": "card", "type": "hasOne", "target": "cards", "foreignKey": "customerId"}]},
      {"name": "cards", "fields": [{"name": "number", "type": "string"}]},
      {"name": "orders", "fields": [
        {"name": "title", "type": "string"},
        {"name": "total", "type": "decimal", "precision": 10, "scale": 2},
        {"name": "customer", "type": "belongsTo", "target": "customers",
         "foreignKey": "customerId"},
        {"name": "tags", "type": "belongsToMany", "target": "tags", "through": "ordersTags",
         "foreignKey": "orderId", "otherKey": "tagId"},
        {"name": "watcherIds", "type": "array"},
        {"name": "watchers", "type": "belongsToArray", "target": "customers",
         "foreignKey": "watcherIds", "targetKey": "id"}]},
      {"name": "ordersTags", "fields": [{"name": "weight", "type": "integer"}]},
      {"name": "visits", "fields": [
        {"name": "place", "type": "string",
         "validation": {"type": "string", "rules": [{"name": "required"}]}},
        {"name": "count", "type": "integer",
         "validation": {"type": "number", "rules": [{"name": "min", "args": {"limit": 1}}]}},
        {"name": "guest", "type": "belongsTo", "target": "customers", "foreignKey": "guestId",
         "validation": {"rules": [{"name": "required"}]}}]},
      {"name": "tags", "fields": [{"name": "name", "type": "string", "unique": true}]}
    ])json";
  }
};
HALCYON_INSTANTIATE_DIALECTS(CreateTest);

TEST_P(CreateTest, OneRecordWithDefaultsAndTimes) {
  const json::Value made = create("customers", R"({"name": "Ann", "secret": "s3cret"})");
  EXPECT_TRUE(made.at("id").is_int64());
  EXPECT_EQ(made.at("name"), "Ann");
  EXPECT_EQ(made.at("level"), 3);
  EXPECT_TRUE(made.at("createdAt").is_string());
  EXPECT_FALSE(made.get_object().contains("secret"));
  EXPECT_EQ(table("customers", {"name", "level"}), "\"Ann\" 3\n");
}

TEST_P(CreateTest, ManyRecordsKeepTheirOrder) {
  const json::Value made =
      create("orders", R"([{"title": "a", "total": 1.5}, {"title": "b"}, {"title": "c"}])");
  ASSERT_EQ(made.get_array().size(), 3u);
  EXPECT_EQ(made.at(0).at("title"), "a");
  EXPECT_EQ(made.at(2).at("title"), "c");
  EXPECT_LT(made.at(0).at("id").get_int64(), made.at(1).at("id").get_int64());
  EXPECT_EQ(json::dump(made.at(0).at("total")).find("1.5") != std::string::npos, true);
}

TEST_P(CreateTest, BelongsToByKeyObjectAndNull) {
  const int64_t ann = create("customers", R"({"name": "Ann"})").at("id").get_int64();
  create("orders", R"({"title": "a", "customer": )" + std::to_string(ann) + "}");
  create("orders",
         R"({"title": "b", "customer": {"id": )" + std::to_string(ann) + R"(, "name": "Ann"}})");
  const json::Value made =
      create("orders", R"({"title": "c", "customer": {"name": "Bob", "level": 9}})");
  create("orders", R"({"title": "d", "customer": null})");
  EXPECT_EQ(made.at("customer").at("name"), "Bob");
  const std::string id = std::to_string(ann);
  const std::string bob = json::dump(made.at("customerId"));
  EXPECT_EQ(table("orders", {"title", "customerId"}),
            "\"a\" " + id + "\n\"b\" " + id + "\n\"c\" " + bob + "\n\"d\" null\n");
}

TEST_P(CreateTest, HasManyHasOneAndManyToMany) {
  const json::Value tag = create("tags", R"({"name": "red"})");
  const json::Value made =
      create("customers", R"({"name": "Ann",
      "card": {"number": "42"},
      "orders": [{"title": "a", "tags": [)" +
                              json::dump(tag.at("id")) +
                              R"(, {"name": "blue", "ordersTags": {"weight": 7}}]},
                 {"title": "b"}]})");
  EXPECT_EQ(made.at("card").at("number"), "42");
  EXPECT_EQ(made.at("orders").get_array().size(), 2u);
  EXPECT_EQ(table("cards", {"number", "customerId"}), "\"42\" " + json::dump(made.at("id")) + "\n");
  EXPECT_EQ(table("tags", {"name"}), "\"blue\"\n\"red\"\n");
  EXPECT_EQ(table("ordersTags", {"weight"}), "null\n7\n");
}

TEST_P(CreateTest, BelongsToArrayStoresKeys) {
  const json::Value ann = create("customers", R"({"name": "Ann"})");
  create("orders",
         R"({"title": "a", "watchers": [)" + json::dump(ann.at("id")) + R"(, {"name": "Bob"}]})");
  EXPECT_EQ(count("customers"), 2u);
  EXPECT_NE(table("orders", {"watcherIds"}).find(json::dump(ann.at("id"))), std::string::npos);
}

TEST_P(CreateTest, RefusesWithoutLeavingAnything) {
  create("customers", R"({"name": "Ann"})");
  auto refused = [&](std::string_view text) {
    return error_of(&Writer::create, on("orders"), values(text));
  };
  EXPECT_EQ(refused(R"({"title": "a", "nope": 1})"), "UNKNOWN_FIELD");
  EXPECT_EQ(last_error_.field, "nope");
  EXPECT_EQ(refused(R"({"title": "a", "customer": {"name": "Ann"}})"), "UNIQUE_VIOLATION");
  EXPECT_EQ(last_error_.field, "customer.name");
  EXPECT_EQ(last_error_.code, Code::kInvalidArgument);
  EXPECT_EQ(refused(R"({"title": "a", "tags": [{"name": "x"}, {"name": "x"}]})"),
            "UNIQUE_VIOLATION");
  EXPECT_EQ(refused(R"({"title": "a", "customer": 999})"), "RELATED_RECORD_NOT_FOUND");
  EXPECT_EQ(refused(R"({"title": "a", "customer": [1]})"), "INVALID_ASSOCIATION_VALUE");
  EXPECT_EQ(refused(R"([{"title": "a"}, 5])"), "INVALID_VALUES");
  EXPECT_EQ(count("orders"), 0u);
  EXPECT_EQ(count("tags"), 0u);
  EXPECT_EQ(count("customers"), 1u);
}

TEST_P(CreateTest, ReportsAllFailedRulesAtOnce) {
  EXPECT_EQ(error_of(&Writer::create, on("visits"), values(R"({"count": 0, "nope": 1})")),
            "VALIDATION_FAILED");
  std::vector<std::string> fields{last_error_.field};
  for (const Error& more : last_error_.more) fields.push_back(more.id + " " + more.field);
  EXPECT_EQ(fields,
            (std::vector<std::string>{"count", "UNKNOWN_FIELD nope", "VALIDATION_FAILED place",
                                      "VALIDATION_FAILED guest"}));
  const json::Value made = create("visits", R"({"place": "x", "guest": {"name": "Ann"}})");
  create("visits", R"({"place": "y", "guestId": 1})");
  // On update only what is given is checked.
  must_write(&Writer::update, on("visits"), key(made.at("id"), R"({"count": 5})"));
  EXPECT_EQ(error_of(&Writer::update, on("visits"), key(made.at("id"), R"({"place": null})")),
            "VALIDATION_FAILED");
  EXPECT_EQ(error_of(&Writer::create, on("visits"),
                     values(R"({"place": "z", "guest": {"name": "Bob", "code": "long"}})")),
            "VALIDATION_FAILED");
  EXPECT_EQ(last_error_.field, "guest.code");
  EXPECT_EQ(count("visits"), 2u);
}

TEST_P(CreateTest, IgnoresWhatOnlyTheServerSets) {
  const json::Value made = create(
      "customers", R"({"name": "Ann", "createdAt": "1999-01-01T00:00:00.000Z", "__index": "0"})");
  EXPECT_FALSE(json::as_view(made.at("createdAt")).starts_with("1999"));
}

TEST_P(CreateTest, WhitelistAndBlacklist) {
  Params params = values(R"({"name": "Ann", "note": "n", "orders": [{"title": "a", "total": 1}]})");
  params.whitelist = {"name", "orders.title"};
  must_write(&Writer::create, on("customers"), params);
  EXPECT_EQ(table("customers", {"name", "note"}), "\"Ann\" null\n");
  EXPECT_EQ(table("orders", {"title", "total"}), "\"a\" null\n");
  params = values(R"({"name": "Bob", "note": "n"})");
  params.blacklist = {"note"};
  must_write(&Writer::create, on("customers"), params);
  EXPECT_EQ(table("customers", {"name", "note"}), "\"Ann\" null\n\"Bob\" null\n");
}

TEST_P(CreateTest, RecordsMadeLieInTheScopeOfTheRole) {
  create("customers", R"([{"name": "Ann", "level": 1}, {"name": "Bob", "level": 9}])");
  permissions_.set("orders:create").scope = test::parse(R"({"customer.level.$lt": 5})");
  permissions_.set("customers:create").scope = test::parse(R"({"level": 1})");
  EXPECT_EQ(create("orders", R"({"title": "in", "customer": 1})").at("title"), "in");
  const auto refused = [&](const char* collection, const char* text) {
    return error_of(&Writer::create, on(collection), values(text));
  };
  EXPECT_EQ(refused("orders", R"({"title": "out", "customer": 2})"), "OUT_OF_SCOPE");
  EXPECT_EQ(last_error_.code, Code::kPermissionDenied);
  EXPECT_EQ(refused("orders", R"([{"title": "in", "customer": 1}, {"title": "out"}])"),
            "OUT_OF_SCOPE");
  // Nested records too; nothing of the refused write stays.
  EXPECT_EQ(refused("orders", R"({"title": "x", "customer": {"name": "Cid", "level": 2}})"),
            "OUT_OF_SCOPE");
  EXPECT_EQ(refused("orders", R"({"title": "in2", "customer": {"name": "Dan", "level": 1}})"),
            "ok");
  Params upsert = values(R"({"name": "Eve", "level": 4})");
  upsert.filter_keys = {"name"};
  EXPECT_EQ(error_of(&Writer::first_or_create, on("customers"), upsert), "OUT_OF_SCOPE");
  EXPECT_EQ(table("orders", {"title"}), "\"in\"\n\"in2\"\n");
  EXPECT_EQ(table("customers", {"name"}), "\"Ann\"\n\"Bob\"\n\"Dan\"\n");
}

}  // namespace
}  // namespace halcyon::data::write
