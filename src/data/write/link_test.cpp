#include "data/write/test_support.h"

namespace halcyon::data::write {
namespace {

class LinkTest : public test::WriteTest {
 protected:
  std::string definitions() override {
    return R"json([
      {"name": "authors", "fields": [
        {"name": "name", "type": "string"},
        {"name": "colours", "type": "array"},
        {"name": "marks", "type": "set"},
        {"name": "friendIds", "type": "array"},
        {"name": "friends", "type": "belongsToArray", "target": "authors",
         "foreignKey": "friendIds", "targetKey": "id"},
        {"name": "books", "type": "hasMany", "target": "books", "foreignKey": "authorId"},
        {"name": "desk", "type": "hasOne", "target": "desks", "foreignKey": "authorId"}]},
      {"name": "desks", "fields": [{"name": "place", "type": "string"}]},
      {"name": "books", "fields": [
        {"name": "title", "type": "string"},
        {"name": "author", "type": "belongsTo", "target": "authors", "foreignKey": "authorId"},
        {"name": "tags", "type": "belongsToMany", "target": "tags", "through": "bookTags",
         "foreignKey": "bookId", "otherKey": "tagId"}]},
      {"name": "bookTags", "fields": [{"name": "weight", "type": "integer"}]},
      {"name": "tags", "fields": [{"name": "name", "type": "string", "unique": true}]},
      {"name": "cards", "fields": [
        {"name": "title", "type": "string"},
        {"name": "lane", "type": "string"},
        {"name": "sort", "type": "sort", "scopeKey": "lane"}]},
      {"name": "nodes", "tree": "adjacencyList", "fields": [{"name": "name", "type": "string"}]}
    ])json";
  }
  int64_t make(const std::string& name, std::string_view text) {
    return create(name, text).at("id").get_int64();
  }
  static std::string str(int64_t id) { return std::to_string(id); }
  // Titles and keys of books with their author, "a:1 b:-".
  std::string books() { return table("books", {"title", "authorId"}); }
};
HALCYON_INSTANTIATE_DIALECTS(LinkTest);

TEST_P(LinkTest, HasManyCreateUpdateDestroy) {
  const int64_t ann = make("authors", R"({"name": "Ann"})");
  const int64_t bob = make("authors", R"({"name": "Bob"})");
  const json::Value book =
      must_write(&Writer::create, on("authors", ann, "books"), values(R"({"title": "a"})"));
  EXPECT_EQ(book.at("authorId"), ann);
  must_write(&Writer::create, on("authors", bob, "books"), values(R"([{"title": "b"}])"));
  // Only rows of this source.
  EXPECT_EQ(must_write(&Writer::update, on("authors", bob, "books"),
                       key(book.at("id"), R"({"title": "x"})")),
            json::Value(json::Array{}));
  must_write(&Writer::update, on("authors", ann, "books"), key(book.at("id"), R"({"title": "x"})"));
  EXPECT_EQ(books(), "\"b\" " + str(bob) + "\n\"x\" " + str(ann) + "\n");
  EXPECT_EQ(must_write(&Writer::destroy, on("authors", ann, "books"), {}), true);
  EXPECT_EQ(books(), "\"b\" " + str(bob) + "\n");
  EXPECT_EQ(error_of(&Writer::create, on("authors", 999, "books"), values(R"({"title": "a"})")),
            "SOURCE_NOT_FOUND");
}

TEST_P(LinkTest, HasManyAddSetRemove) {
  const int64_t ann = make("authors", R"({"name": "Ann"})");
  const int64_t a = make("books", R"({"title": "a"})");
  const int64_t b = make("books", R"({"title": "b"})");
  const int64_t c = make("books", R"({"title": "c"})");
  const std::string id = str(ann);
  must_write(&Writer::add, on("authors", ann, "books"), values("[" + str(a) + "," + str(b) + "]"));
  EXPECT_EQ(books(), "\"a\" " + id + "\n\"b\" " + id + "\n\"c\" null\n");
  must_write(&Writer::set, on("authors", ann, "books"), values("[" + str(b) + "," + str(c) + "]"));
  EXPECT_EQ(books(), "\"a\" null\n\"b\" " + id + "\n\"c\" " + id + "\n");
  must_write(&Writer::remove, on("authors", ann, "books"), key(json::Value(str(b) + "," + str(c))));
  EXPECT_EQ(books(), "\"a\" null\n\"b\" null\n\"c\" null\n");
  EXPECT_EQ(error_of(&Writer::add, on("authors", ann, "books"), values("[777]")),
            "RELATED_RECORD_NOT_FOUND");
  EXPECT_EQ(error_of(&Writer::add, on("books"), values("[1]")), "ACTION_NOT_SUPPORTED");
}

TEST_P(LinkTest, ToOneCreateSetRemoveDestroy) {
  const int64_t ann = make("authors", R"({"name": "Ann"})");
  const int64_t book = make("books", R"({"title": "a"})");
  EXPECT_EQ(error_of(&Writer::update, on("books", book, "author"), values(R"({"name": "x"})")),
            "RELATED_RECORD_NOT_FOUND");
  must_write(&Writer::set, on("books", book, "author"), key(ann));
  EXPECT_EQ(books(), "\"a\" " + str(ann) + "\n");
  EXPECT_EQ(must_write(&Writer::update, on("books", book, "author"), values(R"({"name": "Anna"})"))
                .at("name"),
            "Anna");
  must_write(&Writer::remove, on("books", book, "author"), {});
  EXPECT_EQ(books(), "\"a\" null\n");
  const json::Value bob =
      must_write(&Writer::create, on("books", book, "author"), values(R"({"name": "Bob"})"));
  EXPECT_EQ(books(), "\"a\" " + json::dump(bob.at("id")) + "\n");
  EXPECT_EQ(must_write(&Writer::destroy, on("books", book, "author"), {}), true);
  EXPECT_EQ(books(), "\"a\" null\n");
  EXPECT_EQ(table("authors", {"name"}), "\"Anna\"\n");

  must_write(&Writer::create, on("authors", ann, "desk"), values(R"({"place": "x"})"));
  must_write(&Writer::create, on("authors", ann, "desk"), values(R"({"place": "y"})"));
  EXPECT_EQ(table("desks", {"place", "authorId"}), "\"x\" null\n\"y\" " + str(ann) + "\n");
  const json::Value y =
      must_write(&Writer::update, on("authors", ann, "desk"), values(R"({"place": "z"})"));
  EXPECT_EQ(y.at("place"), "z");
  must_write(&Writer::remove, on("authors", ann, "desk"), {});
  EXPECT_EQ(table("desks", {"authorId"}), "null\nnull\n");
}

TEST_P(LinkTest, ManyToManyCreateUpdateDestroy) {
  const int64_t book = make("books", R"({"title": "a"})");
  const int64_t other = make("books", R"({"title": "b"})");
  const json::Value red = must_write(&Writer::create, on("books", book, "tags"),
                                     values(R"({"name": "red", "bookTags": {"weight": 3}})"));
  EXPECT_EQ(table("bookTags", {"bookId", "weight"}), str(book) + " 3\n");
  must_write(&Writer::update, on("books", book, "tags"),
             key(red.at("id"), R"({"name": "rot", "bookTags": {"weight": 4}})"));
  EXPECT_EQ(table("bookTags", {"weight"}), "4\n");
  EXPECT_EQ(table("tags", {"name"}), "\"rot\"\n");
  EXPECT_EQ(must_write(&Writer::update, on("books", other, "tags"),
                       key(red.at("id"), R"({"name": "x"})")),
            json::Value(json::Array{}));
  must_write(&Writer::destroy, on("books", book, "tags"), key(red.at("id")));
  EXPECT_EQ(count("tags"), 0u);
  EXPECT_EQ(count("bookTags"), 0u);
}

TEST_P(LinkTest, ManyToManyAddSetRemoveToggle) {
  const int64_t book = make("books", R"({"title": "a"})");
  const int64_t red = make("tags", R"({"name": "red"})");
  const int64_t blue = make("tags", R"({"name": "blue"})");
  auto rows = [&] { return table("bookTags", {"tagId", "weight"}); };
  const Target tags = on("books", book, "tags");
  must_write(&Writer::add, tags, values("[[" + str(red) + R"(, {"weight": 2}]])"));
  must_write(&Writer::add, tags, values("[" + str(red) + "," + str(blue) + "]"));
  EXPECT_EQ(rows(), str(red) + " 2\n" + str(blue) + " null\n");
  must_write(&Writer::add, tags, values("[[" + str(red) + R"(, {"weight": 9}]])"));
  EXPECT_EQ(rows(), str(red) + " 9\n" + str(blue) + " null\n");
  must_write(&Writer::set, tags, key(json::Array{blue}));
  EXPECT_EQ(rows(), str(blue) + " null\n");
  EXPECT_EQ(must_write(&Writer::toggle, tags, values(str(blue))), "ok");
  EXPECT_EQ(rows(), "");
  must_write(&Writer::toggle, tags, values(str(blue)));
  EXPECT_EQ(rows(), str(blue) + " null\n");
  must_write(&Writer::remove, tags, key(blue));
  EXPECT_EQ(rows(), "");
  EXPECT_EQ(count("tags"), 2u);
}

TEST_P(LinkTest, ArrayFields) {
  const int64_t ann = make("authors", R"({"name": "Ann", "colours": ["red"], "marks": [1]})");
  must_write(&Writer::add, on("authors", ann, "colours"), values(R"(["red", "blue"])"));
  EXPECT_EQ(table("authors", {"colours"}), "[\"red\",\"red\",\"blue\"]\n");
  must_write(&Writer::remove, on("authors", ann, "colours"), values(R"("red")"));
  EXPECT_EQ(table("authors", {"colours"}), "[\"blue\"]\n");
  must_write(&Writer::set, on("authors", ann, "colours"), values(R"(["x"])"));
  EXPECT_EQ(table("authors", {"colours"}), "[\"x\"]\n");
  must_write(&Writer::add, on("authors", ann, "marks"), values("[1, 2]"));
  EXPECT_EQ(table("authors", {"marks"}), "[1,2]\n");
  const int64_t bob = make("authors", R"({"name": "Bob"})");
  must_write(&Writer::add, on("authors", ann, "friends"), values("[" + str(bob) + "]"));
  EXPECT_EQ(table("authors", {"name", "friendIds"}).find("[" + str(bob) + "]") != std::string::npos,
            true);
  EXPECT_EQ(error_of(&Writer::add, on("authors", ann, "friends"), values("[777]")),
            "RELATED_RECORD_NOT_FOUND");
}

TEST_P(LinkTest, LinkingNeedsUpdateOnTheSource) {
  const int64_t ann = make("authors", R"({"name": "Ann"})");
  const int64_t book = make("books", R"({"title": "a"})");
  permissions_.set("authors:update").fields = {"name"};
  EXPECT_EQ(error_of(&Writer::add, on("authors", ann, "books"), values("[" + str(book) + "]")),
            "FIELD_NOT_WRITABLE");
  permissions_.set("authors:update").fields = {"books"};
  permissions_.set("authors:update").scope = test::parse(R"({"name": "Bob"})");
  EXPECT_EQ(error_of(&Writer::add, on("authors", ann, "books"), values("[" + str(book) + "]")),
            "NO_PERMISSION");
  permissions_.grants["authors:update"] = Grant{};
  EXPECT_EQ(error_of(&Writer::set, on("authors", ann, "books"), values("[]")), "NO_PERMISSION");
  EXPECT_EQ(books(), "\"a\" null\n");
}

TEST_P(LinkTest, GrantsLimitFieldsRowsAndNestedTargets) {
  const int64_t ann = make("authors", R"({"name": "Ann"})");
  const int64_t bob = make("authors", R"({"name": "Bob"})");
  permissions_.set("authors:update").fields = {"name"};
  EXPECT_EQ(error_of(&Writer::update, on("authors"), key(ann, R"({"colours": ["x"]})")),
            "FIELD_NOT_WRITABLE");
  EXPECT_EQ(last_error_.field, "colours");
  // A value sent back unchanged is no change.
  must_write(&Writer::update, on("authors"), key(ann, R"({"name": "A", "colours": null})"));
  permissions_.set("authors:update").scope = test::parse(R"({"name": "Bob"})");
  EXPECT_EQ(must_write(&Writer::update, on("authors"), key(ann, R"({"name": "x"})")),
            json::Value(json::Array{}));
  permissions_.set("authors:destroy").scope = test::parse(R"({"name": "Bob"})");
  EXPECT_EQ(error_of(&Writer::destroy, on("authors"), key(json::Array{ann, bob})), "NO_PERMISSION");
  EXPECT_EQ(must_write(&Writer::destroy, on("authors"), key(json::Array{bob, 777})), 1);
  permissions_.grants["authors:create"] = Grant{};
  EXPECT_EQ(error_of(&Writer::create, on("books"), values(R"({"author": {"name": "C"}})")),
            "NO_PERMISSION");
  permissions_.set("books:create").fields = {"title"};
  EXPECT_EQ(error_of(&Writer::create, on("books"), values(R"({"author": 1})")),
            "FIELD_NOT_WRITABLE");
  permissions_.set("books:view").fields = std::vector<std::string>{};
  const json::Value made = create("books", R"({"title": "t"})");
  EXPECT_EQ(made.at("title"), "t");
  EXPECT_FALSE(made.get_object().contains("authorId"));
}

// --- listeners ---

TEST_P(LinkTest, ListenersHearInsideAndAfterTheCommit) {
  test::Recorder recorder;
  writer_.listeners = {&recorder};
  const int64_t book = make("books", R"({"title": "a", "tags": [{"name": "red"}]})");
  ASSERT_EQ(recorder.inside.size(), 3u);
  EXPECT_EQ(recorder.inside[0], "create books " + str(book));
  EXPECT_EQ(recorder.inside[1].substr(0, 12), "create tags ");
  EXPECT_EQ(recorder.inside[2].substr(0, 16), "create bookTags ");
  EXPECT_EQ(recorder.after, recorder.inside);
  recorder.refuse = "create tags";
  EXPECT_EQ(
      error_of(&Writer::create, on("books"), values(R"({"title": "b", "tags": [{"name": "x"}]})")),
      "REFUSED");
  EXPECT_EQ(recorder.after.size(), 3u);
  EXPECT_EQ(count("books"), 1u);
  recorder.after.clear();
  must_write(&Writer::destroy, on("books"), key(book));
  ASSERT_EQ(recorder.after.size(), 2u);
  EXPECT_EQ(recorder.after[0].substr(0, 17), "destroy bookTags ");
  EXPECT_EQ(recorder.after[1], "destroy books " + str(book));
}

TEST_P(LinkTest, InsideACallersTransaction) {
  test::Recorder recorder;
  writer_.listeners = {&recorder};
  const Call outer = call();
  const Target target = on("tags");
  sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
    Call inner = outer;
    inner.tx = &tx;
    CO_TRY_STATUS(co_await writer_.create(inner, target, values(R"({"name": "a"})")));
    EXPECT_TRUE(recorder.after.empty());
    co_return Status{};
  };
  EXPECT_TRUE(await(db().in_transaction(ctx(), body)));
  EXPECT_EQ(recorder.after.size(), 1u);
  sql::Database::Body failing = [&](sql::Transaction& tx) -> Task<Status> {
    Call inner = outer;
    inner.tx = &tx;
    CO_TRY_STATUS(co_await writer_.create(inner, target, values(R"({"name": "b"})")));
    co_return invalid("STOP", "stop");
  };
  EXPECT_FALSE(await(db().in_transaction(ctx(), failing)));
  EXPECT_EQ(recorder.after.size(), 1u);
  EXPECT_EQ(table("tags", {"name"}), "\"a\"\n");
}

// --- move ---

class MoveTest : public LinkTest {
 protected:
  void SetUp() override {
    LinkTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const json::Value made = create("cards", R"([
        {"title": "a", "lane": "x"}, {"title": "b", "lane": "x"}, {"title": "c", "lane": "x"},
        {"title": "d", "lane": "x"}, {"title": "m", "lane": "y"}, {"title": "n", "lane": "y"}])");
    for (const json::Value& card : made.get_array()) {
      ids_[std::string(json::as_view(card.at("title")))] = card.at("id").get_int64();
    }
  }
  void move(const std::string& source, json::Object how) {
    Params params;
    params.extra = std::move(how);
    params.extra["sourceId"] = ids_[source];
    EXPECT_EQ(must_write(&Writer::move, on("cards"), params), "ok");
  }
  std::string order() {
    std::string text;
    for (std::string_view line : split(table("cards", {"lane", "sort", "title"}), '\n')) {
      if (line.empty()) continue;
      if (line.substr(1, 1) == "y" && text.find('|') == std::string::npos) text += '|';
      text += line.substr(line.size() - 2, 1);
    }
    return text;
  }
  std::map<std::string, int64_t> ids_;
};
HALCYON_INSTANTIATE_DIALECTS(MoveTest);

TEST_P(MoveTest, WithinAScope) {
  EXPECT_EQ(order(), "abcd|mn");
  EXPECT_EQ(table("cards", {"lane", "sort"}),
            "\"x\" 1\n\"x\" 2\n\"x\" 3\n\"x\" 4\n\"y\" 1\n\"y\" 2\n");
  move("a", {{"targetId", ids_["c"]}});
  EXPECT_EQ(order(), "bcad|mn");
  move("d", {{"targetId", ids_["c"]}});
  EXPECT_EQ(order(), "bdca|mn");
  move("b", {{"targetId", ids_["c"]}, {"method", "insertAfter"}});
  EXPECT_EQ(order(), "dcba|mn");
  move("a", {{"targetId", ids_["d"]}, {"method", "insertAfter"}});
  EXPECT_EQ(order(), "dacb|mn");
  move("b", {{"sticky", true}});
  EXPECT_EQ(order(), "bdac|mn");
}

TEST_P(MoveTest, BetweenScopes) {
  move("b", {{"targetId", ids_["n"]}});
  EXPECT_EQ(order(), "acd|mbn");
  move("m", {{"targetScope", {{"lane", "x"}}}});
  EXPECT_EQ(order(), "acdm|bn");
  move("c", {{"targetScope", {{"lane", "y"}}}, {"method", "prepend"}});
  EXPECT_EQ(order(), "adm|cbn");
}

TEST_P(MoveTest, Refuses) {
  Params params;
  EXPECT_EQ(error_of(&Writer::move, on("tags"), params), "INVALID_PARAMETER");
  EXPECT_EQ(error_of(&Writer::move, on("cards"), params), "INVALID_PARAMETER");
  params.extra = {{"sourceId", 999}, {"targetId", ids_["a"]}};
  EXPECT_EQ(error_of(&Writer::move, on("cards"), params), "RECORD_NOT_FOUND");
}

// --- trees ---

TEST_P(LinkTest, TreesKeepTheirPaths) {
  const int64_t root = make("nodes", R"({"name": "root"})");
  const int64_t a = make("nodes", R"({"name": "a", "parentId": )" + str(root) + "}");
  const int64_t b = make("nodes", R"({"name": "b", "parent": {"id": )" + str(root) + "}}");
  const int64_t leaf = make("nodes", R"({"name": "leaf", "parentId": )" + str(a) + "}");
  auto paths = [&] { return table("main_nodes_path", {"nodePk", "path", "rootPk"}); };
  auto line = [](std::vector<int64_t> chain) {
    std::string path;
    for (int64_t id : chain) path += "/" + std::to_string(id);
    return std::to_string(chain.back()) + " \"" + path + "\" " + std::to_string(chain.front()) +
           "\n";
  };
  EXPECT_EQ(paths(), line({root}) + line({root, a}) + line({root, b}) + line({root, a, leaf}));
  EXPECT_EQ(error_of(&Writer::update, on("nodes"), key(a, R"({"parentId": )" + str(leaf) + "}")),
            "TREE_CYCLE");
  EXPECT_EQ(error_of(&Writer::update, on("nodes"), key(a, R"({"parentId": )" + str(a) + "}")),
            "TREE_CYCLE");
  must_write(&Writer::update, on("nodes"), key(a, R"({"parentId": )" + str(b) + "}"));
  EXPECT_EQ(paths(),
            line({root}) + line({root, b, a}) + line({root, b}) + line({root, b, a, leaf}));
  must_write(&Writer::update, on("nodes"), key(b, R"({"parent": null})"));
  EXPECT_EQ(paths(), line({root}) + line({b, a}) + line({b}) + line({b, a, leaf}));
  must_write(&Writer::add, on("nodes", root, "children"), values("[" + str(leaf) + "]"));
  EXPECT_EQ(paths(), line({root}) + line({b, a}) + line({b}) + line({root, leaf}));
  must_write(&Writer::destroy, on("nodes"), key(b));
  EXPECT_EQ(paths(), line({root}) + line({root, leaf}));
  EXPECT_EQ(table("nodes", {"name"}), "\"leaf\"\n\"root\"\n");
}

TEST_P(LinkTest, NestedValuesAreLimited) {
  std::string text = R"({"name": "x"})";
  for (int i = 0; i < 12; ++i) text = R"({"name": "x", "children": [)" + text + "]}";
  EXPECT_EQ(error_of(&Writer::create, on("nodes"), values(text)), "NESTING_TOO_DEEP");
  EXPECT_EQ(count("nodes"), 0u);
}

}  // namespace
}  // namespace halcyon::data::write
