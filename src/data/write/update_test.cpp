#include <atomic>
#include <thread>

#include "data/write/test_support.h"

namespace halcyon::data::write {
namespace {

class UpdateTest : public test::WriteTest {
 protected:
  std::string definitions() override {
    return R"json([
      {"name": "authors", "fields": [
        {"name": "name", "type": "string", "unique": true},
        {"name": "age", "type": "integer"},
        {"name": "books", "type": "hasMany", "target": "books", "foreignKey": "authorId",
         "onDelete": "SET NULL"},
        {"name": "desk", "type": "hasOne", "target": "desks", "foreignKey": "authorId",
         "onDelete": "CASCADE"}]},
      {"name": "desks", "fields": [
        {"name": "place", "type": "string"},
        {"name": "lamps", "type": "hasMany", "target": "lamps", "foreignKey": "deskId"}]},
      {"name": "lamps", "fields": [
        {"name": "watts", "type": "integer"},
        {"name": "desk", "type": "belongsTo", "target": "desks", "foreignKey": "deskId",
         "onDelete": "CASCADE"}]},
      {"name": "books", "fields": [
        {"name": "title", "type": "string"},
        {"name": "price", "type": "integer"},
        {"name": "author", "type": "belongsTo", "target": "authors", "foreignKey": "authorId"},
        {"name": "tags", "type": "belongsToMany", "target": "tags", "through": "bookTags",
         "foreignKey": "bookId", "otherKey": "tagId"}]},
      {"name": "bookTags", "fields": [{"name": "weight", "type": "integer"}]},
      {"name": "tags", "fields": [{"name": "name", "type": "string", "unique": true}]},
      {"name": "loans", "fields": [
        {"name": "book", "type": "belongsTo", "target": "books", "foreignKey": "bookId",
         "onDelete": "RESTRICT"}]},
      {"name": "notes", "paranoid": true, "fields": [{"name": "text", "type": "string"}]}
    ])json";
  }
  int64_t make(const std::string& name, std::string_view text) {
    return create(name, text).at("id").get_int64();
  }
  // The id of the only row.
  int64_t parse_id(const std::string& name) {
    return test::parse(table(name, {"id"})).to_number<int64_t>();
  }
  static std::string str(int64_t id) { return std::to_string(id); }
};
HALCYON_INSTANTIATE_DIALECTS(UpdateTest);

TEST_P(UpdateTest, ByKeyAnswersAList) {
  const int64_t ann = make("authors", R"({"name": "Ann", "age": 30})");
  make("authors", R"({"name": "Bob", "age": 40})");
  const json::Value after = must_write(&Writer::update, on("authors"), key(ann, R"({"age": 31})"));
  ASSERT_EQ(after.get_array().size(), 1u);
  EXPECT_EQ(after.at(0).at("age"), 31);
  EXPECT_EQ(after.at(0).at("name"), "Ann");
  EXPECT_EQ(table("authors", {"name", "age"}), "\"Ann\" 31\n\"Bob\" 40\n");
  EXPECT_EQ(must_write(&Writer::update, on("authors"), key(999, R"({"age": 1})")),
            json::Value(json::Array{}));
}

TEST_P(UpdateTest, ByFilterAndGuard) {
  create("authors", R"([{"name": "Ann", "age": 30}, {"name": "Bob", "age": 40},
                        {"name": "Cid", "age": 50}])");
  must_write(&Writer::update, on("authors"), where(R"({"age": {"$gte": 40}})", R"({"age": 1})"));
  EXPECT_EQ(table("authors", {"name", "age"}), "\"Ann\" 30\n\"Bob\" 1\n\"Cid\" 1\n");
  EXPECT_EQ(error_of(&Writer::update, on("authors"), values(R"({"age": 2})")), "FILTER_REQUIRED");
  EXPECT_EQ(error_of(&Writer::update, on("authors"), where(R"({"$and": []})", R"({"age": 2})")),
            "FILTER_REQUIRED");
  Params all = values(R"({"age": 7})");
  all.force_update = true;
  EXPECT_EQ(must_write(&Writer::update, on("authors"), all).get_array().size(), 3u);
}

TEST_P(UpdateTest, AListUpdatesEachByItsKey) {
  const int64_t ann = make("authors", R"({"name": "Ann", "age": 30})");
  const int64_t bob = make("authors", R"({"name": "Bob", "age": 40})");
  must_write(
      &Writer::update, on("authors"),
      values("[{\"id\": " + str(ann) + ", \"age\": 1}, {\"id\": " + str(bob) + ", \"age\": 2}]"));
  EXPECT_EQ(table("authors", {"name", "age"}), "\"Ann\" 1\n\"Bob\" 2\n");
  EXPECT_EQ(error_of(&Writer::update, on("authors"), values(R"([{"age": 1}])")), "KEY_REQUIRED");
}

TEST_P(UpdateTest, ExistingRelatedRecordsAreOnlyLinkedUnlessListed) {
  const int64_t ann = make("authors", R"({"name": "Ann", "age": 30})");
  const int64_t book = make("books", R"({"title": "a"})");
  const std::string text =
      R"({"author": {"id": )" + str(ann) + R"(, "name": "Ann", "age": 99, "unknown": 1}})";
  must_write(&Writer::update, on("books"), key(book, text));
  EXPECT_EQ(table("authors", {"age"}), "30\n");
  EXPECT_EQ(table("books", {"authorId"}), str(ann) + "\n");
  Params listed = key(book, R"({"author": {"id": )" + str(ann) + R"(, "age": 99}})");
  listed.update_association_values = {"author"};
  must_write(&Writer::update, on("books"), listed);
  EXPECT_EQ(table("authors", {"age"}), "99\n");
  // A role that may not update authors keeps the link and changes nothing.
  permissions_.grants["authors:update"] = Grant{};
  listed = key(book, R"({"author": {"id": )" + str(ann) + R"(, "age": 5}})");
  listed.update_association_values = {"author"};
  must_write(&Writer::update, on("books"), listed);
  EXPECT_EQ(table("authors", {"age"}), "99\n");
}

TEST_P(UpdateTest, NestedUpdatesFollowDottedNames) {
  const json::Value ann = create("authors", R"({"name": "Ann", "desk": {"place": "window",
                                               "lamps": [{"watts": 10}]}})");
  const int64_t lamp = parse_id("lamps");
  const int64_t desk = parse_id("desks");
  const std::string text = R"({"desk": {"id": )" + str(desk) +
                           R"(, "place": "door", "lamps": [{"id": )" + str(lamp) +
                           R"(, "watts": 20}]}})";
  Params params = key(ann.at("id"), text);
  params.update_association_values = {"desk"};
  must_write(&Writer::update, on("authors"), params);
  EXPECT_EQ(table("desks", {"place"}), "\"door\"\n");
  EXPECT_EQ(table("lamps", {"watts"}), "10\n");
  params.update_association_values = {"desk", "desk.lamps"};
  must_write(&Writer::update, on("authors"), params);
  EXPECT_EQ(table("lamps", {"watts"}), "20\n");
}

TEST_P(UpdateTest, ToManyListsReplace) {
  const json::Value ann =
      create("authors", R"({"name": "Ann", "books": [{"title": "a"}, {"title": "b"}]})");
  const int64_t a = ann.at("books").at(0).at("id").get_int64();
  must_write(&Writer::update, on("authors"),
             key(ann.at("id"), R"({"books": [)" + str(a) + R"(, {"title": "c"}]})"));
  const std::string id = json::dump(ann.at("id"));
  EXPECT_EQ(table("books", {"title", "authorId"}),
            "\"a\" " + id + "\n\"b\" null\n\"c\" " + id + "\n");
  must_write(&Writer::update, on("authors"), key(ann.at("id"), R"({"books": []})"));
  EXPECT_EQ(table("books", {"authorId"}), "null\nnull\nnull\n");
}

TEST_P(UpdateTest, ManyToManyReplacesAndKeepsThroughRows) {
  const int64_t red = make("tags", R"({"name": "red"})");
  const int64_t blue = make("tags", R"({"name": "blue"})");
  const json::Value book =
      create("books", R"({"title": "a", "tags": [{"id": )" + str(red) +
                          R"(, "bookTags": {"weight": 1}}, )" + str(blue) + "]}");
  must_write(&Writer::update, on("books"),
             key(book.at("id"), R"({"tags": [)" + str(red) + R"(, {"name": "green"}]})"));
  EXPECT_EQ(count("bookTags"), 2u);
  EXPECT_EQ(table("bookTags", {"weight"}), "null\n1\n");  // red's row stayed as it was
  must_write(
      &Writer::update, on("books"),
      key(book.at("id"), R"({"tags": [{"id": )" + str(red) + R"(, "bookTags": {"weight": 5}}]})"));
  EXPECT_EQ(table("bookTags", {"weight"}), "5\n");
}

TEST_P(UpdateTest, RefusedHalfWayLeavesNothing) {
  const json::Value ann =
      create("authors", R"({"name": "Ann", "age": 1, "books": [{"title": "a"}]})");
  make("tags", R"({"name": "red"})");
  const std::string text = R"({"age": 2, "books": [{"title": "b", "tags": [{"name": "new"},
                               {"name": "red"}]}]})";
  EXPECT_EQ(error_of(&Writer::update, on("authors"), key(ann.at("id"), text)), "UNIQUE_VIOLATION");
  EXPECT_EQ(last_error_.field, "books.tags.name");
  EXPECT_EQ(table("authors", {"name", "age"}), "\"Ann\" 1\n");
  EXPECT_EQ(table("books", {"title", "authorId"}), "\"a\" " + json::dump(ann.at("id")) + "\n");
  EXPECT_EQ(count("tags"), 1u);
  EXPECT_EQ(count("bookTags"), 0u);
}

TEST_P(UpdateTest, UpdatedAtMovesOnlyWithAChange) {
  const json::Value ann = create("authors", R"({"name": "Ann", "age": 1})");
  const json::Value same =
      must_write(&Writer::update, on("authors"), key(ann.at("id"), json::dump(ann)));
  EXPECT_EQ(same.at(0).at("updatedAt"), ann.at("updatedAt"));
  test::Recorder recorder;
  writer_.listeners = {&recorder};
  must_write(&Writer::update, on("authors"), key(ann.at("id"), R"({"age": 1})"));
  EXPECT_TRUE(recorder.after.empty());
  must_write(&Writer::update, on("authors"), key(ann.at("id"), R"({"age": 2})"));
  EXPECT_EQ(recorder.after.size(), 1u);
}

// --- destroy ---

TEST_P(UpdateTest, DestroyCountsAndGuards) {
  create("tags", R"([{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}])");
  EXPECT_EQ(error_of(&Writer::destroy, on("tags"), {}), "FILTER_REQUIRED");
  EXPECT_EQ(must_write(&Writer::destroy, on("tags"), where(R"({"name": "a"})")), 1);
  EXPECT_EQ(must_write(&Writer::destroy, on("tags"), where(R"({"name": "a"})")), 0);
  const json::Value left = must_write(&Writer::update, on("tags"), where(R"({"name": "b"})"));
  Params both = key(left.at(0).at("id"));
  both.filter = test::parse(R"({"name": "c"})");
  EXPECT_EQ(must_write(&Writer::destroy, on("tags"), both), 0);
  Params all;
  all.truncate = true;
  EXPECT_EQ(must_write(&Writer::destroy, on("tags"), all), 3);
  EXPECT_EQ(count("tags"), 0u);
}

TEST_P(UpdateTest, DestroyKeepsTheRules) {
  const json::Value ann = create("authors", R"({"name": "Ann",
      "books": [{"title": "a", "tags": [{"name": "red"}]}],
      "desk": {"place": "x", "lamps": [{"watts": 1}, {"watts": 2}]}})");
  const int64_t book = parse_id("books");
  make("loans", R"({"book": )" + str(book) + "}");
  EXPECT_EQ(error_of(&Writer::destroy, on("books"), key(book)), "DELETE_RESTRICTED");
  EXPECT_EQ(last_error_.code, Code::kConflict);
  EXPECT_EQ(count("bookTags"), 1u);
  EXPECT_EQ(must_write(&Writer::destroy, on("authors"), key(ann.at("id"))), 1);
  EXPECT_EQ(table("books", {"title", "authorId"}), "\"a\" null\n");
  EXPECT_EQ(count("desks"), 0u);
  EXPECT_EQ(count("lamps"), 0u);
  Params all;
  all.truncate = true;
  must_write(&Writer::destroy, on("loans"), all);
  must_write(&Writer::destroy, on("books"), key(book));
  EXPECT_EQ(count("bookTags"), 0u);
  EXPECT_EQ(count("tags"), 1u);
}

TEST_P(UpdateTest, SoftDeletedRecordsStayButAreNotFound) {
  const int64_t note = make("notes", R"({"text": "a"})");
  EXPECT_EQ(must_write(&Writer::destroy, on("notes"), key(note)), 1);
  EXPECT_EQ(must_write(&Writer::destroy, on("notes"), key(note)), 0);
  EXPECT_EQ(must_write(&Writer::update, on("notes"), key(note, R"({"text": "b"})")),
            json::Value(json::Array{}));
  EXPECT_EQ(table("notes", {"text"}), "\"a\"\n");
}

// --- firstOrCreate, updateOrCreate ---

TEST_P(UpdateTest, FirstAndUpdateOrCreate) {
  Params params = values(R"({"name": "Ann", "age": 1})");
  EXPECT_EQ(error_of(&Writer::first_or_create, on("authors"), params), "FILTER_KEYS_REQUIRED");
  params.filter_keys = {"name"};
  const json::Value made = must_write(&Writer::first_or_create, on("authors"), params);
  EXPECT_EQ(made.at("age"), 1);
  params.values = test::parse(R"({"name": "Ann", "age": 2})");
  EXPECT_EQ(must_write(&Writer::first_or_create, on("authors"), params).at("id"), made.at("id"));
  EXPECT_EQ(table("authors", {"age"}), "1\n");
  const json::Value after = must_write(&Writer::update_or_create, on("authors"), params);
  EXPECT_EQ(after.at(0).at("age"), 2);
  params.values = test::parse(R"({"name": "Bob", "age": 3})");
  EXPECT_EQ(must_write(&Writer::update_or_create, on("authors"), params).at("age"), 3);
  EXPECT_EQ(table("authors", {"name", "age"}), "\"Ann\" 2\n\"Bob\" 3\n");
}

// --- several at once ---

TEST_P(UpdateTest, OneOfTwoEqualCreatesWins) {
  std::atomic<int> made{0}, refused{0}, other{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const Call own = call();
      auto answer =
          database_->await(writer_.create(own, on("authors"),
                                          values(R"({"name": "Ann", "books": [{"title": "x"}]})")),
                           static_cast<size_t>(i % 2));
      if (answer) {
        ++made;
      } else if (answer.error().id == "UNIQUE_VIOLATION") {
        ++refused;
      } else {
        ++other;
        ADD_FAILURE() << answer.error().id << answer.error().internal;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(refused, 3);
  EXPECT_EQ(count("authors"), 1u);
  EXPECT_EQ(count("books"), 1u);
}

TEST_P(UpdateTest, FirstOrCreateRacesToOneRecord) {
  std::vector<std::thread> threads;
  std::atomic<int> found{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Params params = values(R"({"name": "Ann"})");
      params.filter_keys = {"name"};
      const Call own = call();
      auto answer = database_->await(writer_.first_or_create(own, on("authors"), params),
                                     static_cast<size_t>(i % 2));
      EXPECT_TRUE(answer) << answer.error().id << answer.error().internal;
      if (answer) ++found;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(found, 4);
  EXPECT_EQ(count("authors"), 1u);
}

}  // namespace
}  // namespace halcyon::data::write
