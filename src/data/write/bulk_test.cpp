#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "data/write/test_support.h"

namespace halcyon::data::write {
namespace {

// Holds the shape of bulk creates: few statements. With BULK_ROWS=n it prints the rate.
class BulkTest : public test::WriteTest {
 protected:
  std::string definitions() override {
    return R"json([
      {"name": "a", "fields": [{"name": "name", "type": "string"}]},
      {"name": "b", "fields": [{"name": "name", "type": "string"}]},
      {"name": "items", "autoGenId": false, "createdBy": true, "fields": [
        {"name": "id", "type": "snowflakeId", "primaryKey": true},
        {"name": "title", "type": "string"}, {"name": "note", "type": "text"},
        {"name": "price", "type": "double"}, {"name": "day", "type": "dateOnly"},
        {"name": "done", "type": "boolean"},
        {"name": "a", "type": "belongsTo", "target": "a", "foreignKey": "aId"},
        {"name": "b", "type": "belongsTo", "target": "b", "foreignKey": "bId"}]},
      {"name": "users", "fields": [{"name": "name", "type": "string"}]}
    ])json";
  }
};
HALCYON_INSTANTIATE_DIALECTS(BulkTest);

TEST_P(BulkTest, ThousandsOfRows) {
  const int64_t a = create("a", R"({"name": "a"})").at("id").get_int64();
  const int64_t b = create("b", R"({"name": "b"})").at("id").get_int64();
  const char* wanted = std::getenv("BULK_ROWS");
  const int total = wanted != nullptr ? std::atoi(wanted) : 2000;
  json::Array rows;
  for (int i = 0; i < 1000; ++i) {
    rows.push_back({{"title", "row " + std::to_string(i)},
                    {"note", "some longer text here"},
                    {"price", i * 1.5},
                    {"day", "2026-01-31"},
                    {"done", i % 2 == 0},
                    {"aId", a},
                    {"b", b}});
  }
  Params params;
  params.values = rows;
  const int64_t before = db().stats().statements;
  const auto start = std::chrono::steady_clock::now();
  for (int done = 0; done < total; done += 1000) {
    const json::Value made = must_write(&Writer::create, on("items"), params);
    ASSERT_EQ(made.get_array().size(), 1000u);
    EXPECT_EQ(made.at(999).at("title"), "row 999");
    EXPECT_EQ(made.at(0).at("b").at("name"), "b");
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  RecordProperty("rows_per_second", static_cast<int>(total / seconds));
  if (wanted != nullptr) std::printf("%s: %.0f rows/s\n", dialect().name().data(), total / seconds);
  // No statement per row: inserts of a hundred rows, one look-up of the links, one read; where the
  // server cannot return what it inserted, a read after each insert.
  EXPECT_LE(db().stats().statements - before, total / 1000 * (dialect().has_returning() ? 20 : 30));
  EXPECT_EQ(count("items"), static_cast<size_t>(total));
}

}  // namespace
}  // namespace halcyon::data::write
