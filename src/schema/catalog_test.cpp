// Changes of the model on real databases: done with the data that is there, or refused.
#include "schema/catalog.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "json/writer.h"
#include "schema/field_type.h"
#include "schema/testing.h"
#include "sql/ddl.h"

namespace halcyon::schema {
namespace {

using testing::object;
using testing::users_collection;

class CatalogTest : public testing::CatalogTest {
 protected:
  sql::TableInfo table(const std::string& name) {
    auto info = await(sql::describe_table(db(), ctx(), "", name));
    EXPECT_TRUE(info) << info.error().internal;
    if (!info || !*info) return {};
    return **info;
  }
  std::vector<std::string> columns(const std::string& name) {
    std::vector<std::string> out;
    for (const auto& column : table(name).columns) out.push_back(column.name);
    return out;
  }
  bool has_column(const std::string& name, const std::string& column) {
    return std::ranges::count(columns(name), column) == 1;
  }
  // The error's id, or "ok".
  template <class T>
  std::string id_of(const Result<T>& result) {
    return result ? "ok" : result.error().id;
  }
  std::string create_field(const std::string& name, std::string_view definition) {
    return id_of(await(catalog().create_field(ctx(), name, object(definition))));
  }
  std::string update_field(const std::string& name, const std::string& field,
                           std::string_view changes) {
    auto result = await(catalog().update_field(ctx(), name, field, object(changes)));
    if (!result) last_message_ = result.error().message + " " + result.error().internal;
    return id_of(result);
  }
  std::string quoted(std::string_view name) {
    std::string out;
    dialect().quote(out, name);
    return out;
  }
  std::string last_message_;
};

TEST_P(CatalogTest, InstallsTwiceWithoutHarm) {
  const uint64_t generation = catalog().snapshot()->generation;
  EXPECT_GT(generation, 0u);
  auto again = open_catalog(db());
  ASSERT_TRUE(await(again->install(ctx())));
  EXPECT_EQ(again->snapshot()->generation, generation);
  EXPECT_NE(again->snapshot()->find("users"), nullptr);
  EXPECT_TRUE(has_column("users", "nickname"));
  EXPECT_TRUE(has_column("collections", "options"));
}

TEST_P(CatalogTest, AnOlderVersionLeavesTheTablesOfANewerOneAlone) {
  const auto at = [&](int version) {
    json::Object users = object(R"({"name":"members","indexes":[
        {"fields":["name"],"since":2},{"fields":["team"],"until":2}],"fields":[
      {"name":"name","type":"string"},{"name":"team","type":"string"},
      {"name":"badge","type":"integer","since":2,"defaultValue":7},
      {"name":"gone","type":"string","until":2}]})");
    return std::make_unique<Catalog>(db(), settings(),
                                     std::vector<json::Object>{users_collection(), users}, version);
  };
  // As another installation: the fixture's catalogue has no members.
  for (const char* name : {"collections", "fields", "users", "halcyon_model"}) {
    must(std::string("DROP TABLE ") + quoted(name));
  }
  const auto count = [&](const std::vector<std::string>& of) {
    return std::ranges::count_if(table("members").indexes,
                                 [&](const auto& index) { return index.columns == of; });
  };
  auto older = at(1);
  ASSERT_TRUE(await(older->install(ctx())));
  EXPECT_FALSE(has_column("members", "badge"));
  EXPECT_EQ(count({"team"}), 1);
  EXPECT_EQ(count({"name"}), 0);

  auto newer = at(2);
  EXPECT_FALSE(await(newer->is_installed(ctx())).value());
  ASSERT_TRUE(await(newer->install(ctx())));
  EXPECT_TRUE(has_column("members", "badge"));
  EXPECT_TRUE(has_column("members", "gone"));  // until the contract migration
  EXPECT_EQ(count({"name"}), 1);
  EXPECT_EQ(newer->snapshot()->find("members")->find("gone"), nullptr);
  must("INSERT INTO members (name, badge) VALUES ('a', 12)");
  const uint64_t generation = newer->snapshot()->generation;

  // It neither undoes nor repeats anything, whoever starts.
  auto again = at(1);
  EXPECT_TRUE(await(again->is_installed(ctx())).value());
  ASSERT_TRUE(await(again->install(ctx())));
  ASSERT_TRUE(await(older->refresh(ctx())));
  EXPECT_TRUE(await(at(2)->is_installed(ctx())).value());
  EXPECT_EQ(again->snapshot()->generation, generation);
  EXPECT_EQ(again->snapshot()->find("members")->find("badge"), nullptr);
  // Changes that the older one makes to the same collection keep what it does not know.
  const auto field = [&](std::string_view text) {
    auto made = await(older->create_field(ctx(), "members", object(text)));
    EXPECT_TRUE(made) << made.error().message << " " << made.error().internal;
  };
  field(R"({"name":"note","type":"string"})");
  field(R"({"name":"age","type":"integer","index":true})");
  auto removed = await(older->destroy_field(ctx(), "members", "note"));
  EXPECT_TRUE(removed) << removed.error().internal;
  EXPECT_EQ(must("SELECT badge FROM members").cell(0, 0).text(), "12");
  EXPECT_EQ(count({"name"}), 1);
  ASSERT_TRUE(await(newer->refresh(ctx())));
  EXPECT_NE(newer->snapshot()->find("members")->find("age"), nullptr);
  EXPECT_NE(newer->snapshot()->find("members")->find("badge"), nullptr);
}

TEST_P(CatalogTest, CreatesACollectionWithItsTable) {
  make(R"({"name":"orders","title":"Orders","createdAt":true,"fields":[
    {"name":"total","type":"decimal","precision":10,"scale":2},
    {"name":"code","type":"string","length":20,"unique":true},
    {"name":"user","type":"belongsTo","target":"users","uiSchema":{"title":"User"}}]})");
  EXPECT_EQ(columns("orders"),
            (std::vector<std::string>{"id", "total", "code", "createdAt", "userId"}));
  const Collection& orders = collection("orders");
  const json::Object shown = collection_json(orders, true);
  EXPECT_EQ(json::get_string(shown, "title"), "Orders");
  EXPECT_EQ(shown.at("fields").as_array().size(), 4u);  // three and the foreign key
  // Another replica sees it after a refresh, with the same generation.
  auto other = open_catalog(db());
  ASSERT_TRUE(await(other->install(ctx())));
  EXPECT_EQ(other->snapshot()->generation, catalog().snapshot()->generation);
  EXPECT_EQ(collection_json(*other->snapshot()->find("orders"), true), shown);
}

TEST_P(CatalogTest, RefusesBadNames) {
  const auto create = [&](std::string_view definition) {
    return id_of(await(catalog().create_collection(ctx(), object(definition))));
  };
  EXPECT_EQ(create(R"({"name":"a b"})"), "INVALID_NAME");
  EXPECT_EQ(create(R"({"name":"halcyon_x"})"), "RESERVED_NAME");
  EXPECT_EQ(create(R"({"name":"users"})"), "DUPLICATE_COLLECTION");
  EXPECT_EQ(create(R"({"name":"Users"})"), "DUPLICATE_COLLECTION");
  EXPECT_EQ(create(R"({"name":")" + std::string(64, 'x') + "\"}"), "NAME_TOO_LONG");
  EXPECT_EQ(create(R"({"name":"x","fields":[{"name":"a","type":"string"},
                       {"name":"A","type":"string"}]})"),
            "DUPLICATE_FIELD");
  EXPECT_EQ(create(R"({"name":"x","fields":[{"name":"a","type":"what"}]})"), "UNKNOWN_FIELD_TYPE");
  EXPECT_EQ(catalog().snapshot()->find("x"), nullptr);
  EXPECT_TRUE(columns("x").empty());
}

TEST_P(CatalogTest, AddsFieldsToRowsThatAreThere) {
  make(R"({"name":"notes","fields":[{"name":"title","type":"string"}]})");
  must("INSERT INTO notes (title) VALUES ('a'), ('b'), ('b')");
  EXPECT_EQ(create_field("notes", R"({"name":"age","type":"integer","defaultValue":7})"), "ok");
  EXPECT_EQ(must("SELECT sum(age) AS n FROM notes").cell(0, 0).text(), "21");
  EXPECT_EQ(create_field("notes", R"({"name":"must","type":"integer","allowNull":false})"),
            "DEFAULT_VALUE_NEEDED");
  EXPECT_EQ(create_field("notes",
                         R"({"name":"must","type":"integer","allowNull":false,"defaultValue":1})"),
            "ok");
  EXPECT_EQ(create_field("notes", R"({"name":"u","type":"string","unique":true})"), "ok");
  EXPECT_EQ(update_field("notes", "title", R"({"unique":true})"), "UNIQUE_REFUSED");
  EXPECT_EQ(create_field("notes", R"({"name":"sort","type":"sort"})"), "ok");
  EXPECT_EQ(must("SELECT sort FROM notes ORDER BY id").cell(2, 0).text(), "3");
}

TEST_P(CatalogTest, ChangesTypesOnlyWhereEveryValueFits) {
  make(R"({"name":"people","fields":[{"name":"age","type":"string","index":true},
                                     {"name":"name","type":"string"}]})");
  must("INSERT INTO people (age, name) VALUES ('12', 'x'), ('13', 'y'), ('old', NULL)");
  EXPECT_EQ(update_field("people", "age", R"({"type":"integer"})"), "FIELD_TYPE_CHANGE_REFUSED");
  EXPECT_NE(last_message_.find("1 of 3 values of \"age\" are not an integer"), std::string::npos)
      << last_message_;
  must("UPDATE people SET age = '14' WHERE age = 'old'");
  EXPECT_EQ(update_field("people", "age", R"({"type":"integer"})"), "ok") << last_message_;
  EXPECT_EQ(must("SELECT sum(age) AS n FROM people").cell(0, 0).text(), "39");
  EXPECT_EQ(collection("people").find("age")->storage.type, sql::Type::kInt32);
  EXPECT_FALSE(has_column("people", "age__converted"));
  EXPECT_EQ(update_field("people", "age", R"({"type":"bigInt"})"), "ok") << last_message_;
  EXPECT_EQ(update_field("people", "age", R"({"type":"string"})"), "ok") << last_message_;
  EXPECT_EQ(must("SELECT age FROM people ORDER BY id").cell(0, 0).text(), "12");
  EXPECT_EQ(update_field("people", "name", R"({"allowNull":false})"), "FIELD_HAS_EMPTY_VALUES");
  EXPECT_EQ(update_field("people", "name", R"({"allowNull":false,"defaultValue":"z"})"), "ok")
      << last_message_;
  EXPECT_EQ(must("SELECT count(*) AS n FROM people WHERE name = 'z'").cell(0, 0).text(), "1");
  EXPECT_EQ(update_field("people", "name", R"({"length":2000})"), "ok") << last_message_;
  EXPECT_EQ(update_field("people", "name", R"({"name":"fullName"})"), "ok") << last_message_;
  EXPECT_TRUE(has_column("people", "fullName"));
  EXPECT_EQ(must("SELECT count(*) AS n FROM people WHERE " + quoted("fullName") + " = 'z'")
                .cell(0, 0)
                .text(),
            "1");
}

TEST_P(CatalogTest, MakesBothSidesOfARelation) {
  make(R"({"name":"authors","fields":[]})");
  make(R"({"name":"books","fields":[]})");
  ASSERT_EQ(create_field("books", R"({"name":"author","type":"belongsTo","target":"authors",
      "reverseField":{"name":"books","interface":"o2m"}})"),
            "ok");
  const Field& books = *collection("authors").find("books");
  EXPECT_EQ(books.type, "hasMany");
  EXPECT_EQ(books.relation->foreign_key, "authorId");
  EXPECT_EQ(books.reverse_key, collection("books").find("author")->key);
  EXPECT_TRUE(has_column("books", "authorId"));
  ASSERT_EQ(create_field("books", R"({"name":"genres","type":"belongsToMany","target":"authors",
      "reverseField":{"name":"genreOf"}})"),
            "ok");
  EXPECT_EQ(collection("authors").find("genreOf")->relation->through, "authorsBooks");
  EXPECT_TRUE(has_column("authorsBooks", "bookId"));
  EXPECT_EQ(table("authorsBooks").primary_key.size(), 2u);
  EXPECT_EQ(id_of(await(catalog().destroy_field(ctx(), "books", "authorId"))), "PROTECTED_FIELD");
  EXPECT_EQ(id_of(await(catalog().destroy_collection(ctx(), "authors", false))),
            "COLLECTION_IN_USE");
  EXPECT_EQ(id_of(await(catalog().destroy_field(ctx(), "books", "author"))), "ok");
  EXPECT_TRUE(has_column("books", "authorId"));  // the other side still needs it
  EXPECT_EQ(id_of(await(catalog().destroy_field(ctx(), "authors", "books"))), "ok");
  EXPECT_FALSE(has_column("books", "authorId"));
  EXPECT_EQ(id_of(await(catalog().destroy_collection(ctx(), "authors", true))), "ok");
  EXPECT_TRUE(columns("authors").empty());
  EXPECT_TRUE(columns("authorsBooks").empty());
  EXPECT_EQ(collection("books").find("genres"), nullptr);
}

TEST_P(CatalogTest, ProtectsWhatIsBuiltIn) {
  EXPECT_EQ(id_of(await(catalog().destroy_collection(ctx(), "users", true))),
            "PROTECTED_COLLECTION");
  EXPECT_EQ(id_of(await(catalog().destroy_field(ctx(), "users", "nickname"))), "PROTECTED_FIELD");
  EXPECT_EQ(update_field("users", "nickname", R"({"type":"integer"})"), "PROTECTED_FIELD");
  EXPECT_EQ(update_field("users", "nickname", R"({"uiSchema":{"title":"Nick"}})"), "ok");
  EXPECT_EQ(create_field("users", R"({"name":"shoe","type":"integer"})"), "ok");
  EXPECT_TRUE(has_column("users", "shoe"));
  const json::Object shown = collection_json(collection("users"), true);
  EXPECT_EQ(json::get_string(shown, "name"), "users");
  auto other = open_catalog(db());
  ASSERT_TRUE(await(other->install(ctx())));
  const Field* nick = other->snapshot()->find("users")->find("nickname");
  EXPECT_EQ(json::get_string(*json::get_object(nick->options, "uiSchema"), "title"), "Nick");
  EXPECT_EQ(nick->type, "string");
  EXPECT_EQ(id_of(await(catalog().destroy_field(ctx(), "users", "shoe"))), "ok");
  EXPECT_FALSE(has_column("users", "shoe"));
}

TEST_P(CatalogTest, SetsAppliesAndMovesFields) {
  make(R"({"name":"t","fields":[{"name":"a","type":"string"},{"name":"b","type":"string"},
                                {"name":"c","type":"string"}]})");
  const auto names = [&] {
    std::string out;
    for (const auto& field : collection_json(collection("t"), true).at("fields").as_array()) {
      out += json::get_string(field.as_object(), "name");
    }
    return out;
  };
  EXPECT_EQ(names(), "abc");
  ASSERT_EQ(id_of(await(catalog().move_field(ctx(), "t", "a", "c", ""))), "ok");
  EXPECT_EQ(names(), "bca");
  ASSERT_EQ(id_of(await(catalog().move_field(ctx(), "t", "a", "b", "insertAfter"))), "ok");
  EXPECT_EQ(names(), "bac");
  json::Array fields = {object(R"({"name":"d","type":"integer"})"),
                        object(R"({"name":"a","type":"text"})")};
  ASSERT_EQ(id_of(await(catalog().set_fields(ctx(), "t", fields))), "ok");
  EXPECT_EQ(names(), "da");
  EXPECT_EQ(collection("t").find("a")->type, "text");
  EXPECT_FALSE(has_column("t", "b"));
  const auto apply = object(R"({"name":"t","title":"T","fields":[{"name":"e","type":"date"}]})");
  ASSERT_EQ(id_of(await(catalog().apply_collection(ctx(), apply))), "ok");
  const uint64_t generation = catalog().snapshot()->generation;
  ASSERT_EQ(id_of(await(catalog().apply_collection(ctx(), apply))), "ok");
  EXPECT_EQ(catalog().snapshot()->generation, generation);  // nothing changed
  EXPECT_EQ(names(), "dae");
}

TEST_P(CatalogTest, AdoptsTablesMadeElsewhere) {
  must(
      "CREATE TABLE legacy (code VARCHAR(10) NOT NULL PRIMARY KEY, amount DECIMAL(8,2), n "
      "INTEGER)");
  must("INSERT INTO legacy (code, amount, n) VALUES ('x', 1.5, 2)");
  auto adopted = await(catalog().refresh_main_data_source(ctx()));
  ASSERT_TRUE(adopted) << adopted.error().message << adopted.error().internal;
  ASSERT_EQ(adopted->size(), 1u);
  const Collection& legacy = collection("legacy");
  EXPECT_EQ(legacy.primary_key, std::vector<std::string>{"code"});
  EXPECT_EQ(legacy.find("amount")->type, "decimal");
  EXPECT_EQ(legacy.find("createdAt"), nullptr);
  must("ALTER TABLE legacy ADD COLUMN extra INTEGER");
  ASSERT_TRUE(await(catalog().sync_fields(ctx(), {"legacy"})));
  EXPECT_EQ(collection("legacy").find("extra")->storage.type, sql::Type::kInt32);
  EXPECT_EQ(create_field("legacy", R"({"name":"more","type":"string"})"), "ok");
  EXPECT_TRUE(has_column("legacy", "more"));
  ASSERT_EQ(id_of(await(catalog().destroy_collection(ctx(), "legacy", false))), "ok");
  EXPECT_EQ(must("SELECT count(*) AS n FROM legacy").cell(0, 0).text(), "1");  // not ours to drop
}

TEST_P(CatalogTest, ConnectsViewsAndQueries) {
  make(R"({"name":"sales","fields":[{"name":"amount","type":"integer"},
                                    {"name":"who","type":"string"}]})");
  must("INSERT INTO sales (amount, who) VALUES (5, 'a'), (7, 'b')");
  must("CREATE VIEW big_sales AS SELECT id, amount, who FROM sales WHERE amount > 5");
  auto views = await(catalog().list_views(ctx()));
  ASSERT_TRUE(views) << views.error().internal;
  ASSERT_EQ(views->size(), 1u);
  auto view = await(catalog().get_view(ctx(), "big_sales"));
  ASSERT_TRUE(view);
  EXPECT_EQ(view->at("fields").at("amount").at("type").as_string(), "integer");
  make(R"({"name":"bigSales","template":"view","viewName":"big_sales"})");
  const Collection& big = collection("bigSales");
  EXPECT_TRUE(big.read_only());
  EXPECT_EQ(big.table, "big_sales");
  EXPECT_NE(big.find("who"), nullptr);
  EXPECT_EQ(big.find("createdAt"), nullptr);
  EXPECT_TRUE(await(catalog().list_views(ctx()))->empty());  // connected already
  EXPECT_EQ(id_of(await(catalog().create_collection(
                ctx(), object(R"({"name":"v","template":"view","viewName":"none"})")))),
            "UNKNOWN_VIEW");
  ASSERT_EQ(id_of(await(catalog().destroy_collection(ctx(), "bigSales", false))), "ok");
  EXPECT_EQ(must("SELECT count(*) AS n FROM big_sales").cell(0, 0).text(), "1");

  auto answer = await(catalog().execute_sql(ctx(), "SELECT who, amount FROM sales ORDER BY id;"));
  ASSERT_TRUE(answer) << answer.error().message << answer.error().internal;
  EXPECT_EQ(json::dump(answer->at("data")), R"([{"who":"a","amount":5},{"who":"b","amount":7}])");
  make(R"({"name":"perPerson","template":"sql","sql":"SELECT who FROM sales","fields":[
          {"name":"who","type":"string"}]})");
  EXPECT_TRUE(collection("perPerson").read_only());
  for (const char* sql :
       {"DELETE FROM sales", "SELECT 1; DROP TABLE sales", "", "SELECT pg_sleep(9)",
        "WITH x AS (DELETE FROM sales RETURNING 1) SELECT * FROM x",
        "SELECT 1 /*! INTO OUTFILE 'x' */", "SELECT load_file('/etc/passwd')"}) {
    EXPECT_EQ(id_of(await(catalog().execute_sql(ctx(), sql))), "INVALID_SQL") << sql;
  }
  EXPECT_EQ(must("SELECT count(*) AS n FROM sales").cell(0, 0).text(), "2");
}

// A database whose every k-th write fails: what a crash in the middle of a change leaves.
class Failing final : public sql::Database {
 public:
  Failing(sql::Database& inner, int left) : inner_(inner), left_(left) {}
  Task<Result<sql::Rows>> run(const Context& ctx, sql::Statement statement) override {
    if (statement.is_write && --left_ < 0) return gone();
    return inner_.run(ctx, std::move(statement));
  }
  const sql::Dialect& dialect() const override { return inner_.dialect(); }
  Task<Status> in_transaction(const Context& ctx, Body body) override {
    if (--left_ < 0) co_return fail(Code::kUnavailable, "DATABASE_UNAVAILABLE", "gone");
    co_return co_await inner_.in_transaction(ctx, std::move(body));
  }
  Task<Status> ping(const Context& ctx) override { return inner_.ping(ctx); }
  sql::PoolStats stats() const override { return inner_.stats(); }
  const sql::Options& options() const override { return inner_.options(); }
  Task<void> close() override { co_return; }

 private:
  static Task<Result<sql::Rows>> gone() {
    co_return fail(Code::kUnavailable, "DATABASE_UNAVAILABLE", "gone");
  }
  sql::Database& inner_;
  int left_;
};

TEST_P(CatalogTest, ChangesCutShortAreFinishedOrUndone) {
  make(R"({"name":"things","fields":[{"name":"a","type":"string"},{"name":"b","type":"string"}]})");
  must("INSERT INTO things (a, b) VALUES ('1', 'x'), ('2', 'y')");
  const auto wanted = object(R"({"name":"things","fields":[
    {"name":"a","type":"integer"},{"name":"c","type":"string","index":true},
    {"name":"d","type":"belongsToMany","target":"users"}]})");
  int cut = 0;
  for (;; ++cut) {
    ASSERT_LT(cut, 60);
    Failing failing(db(), cut);
    auto victim = open_catalog(failing);
    Context own;
    Status done = await(victim->refresh(own));
    if (done) done = await(victim->set_fields(own, "things", *json::get_array(wanted, "fields")));
    if (done) break;
    // The lease of the dead process runs out; here someone shortens the wait.
    must("UPDATE halcyon_model SET lock_until = 0");
    auto next = open_catalog(db());
    auto installed = await(next->install(ctx()));
    ASSERT_TRUE(installed) << cut << " " << installed.error().message << " "
                           << installed.error().internal;
    const Collection* things = next->snapshot()->find("things");
    std::vector<std::string> expected;
    for (const Field& field : things->fields) {
      if (!field.column.empty()) expected.push_back(field.column);
    }
    std::vector<std::string> real = columns("things");
    std::ranges::sort(expected);
    std::ranges::sort(real);
    EXPECT_EQ(real, expected) << "cut at " << cut;
    EXPECT_EQ(columns("thingsUsers").empty(), next->snapshot()->find("thingsUsers") == nullptr);
    EXPECT_EQ(must("SELECT count(*) AS n FROM things WHERE a IS NOT NULL").cell(0, 0).text(), "2");
    if (things->find("c") != nullptr) {  // finished by the repair: back to the start
      auto back =
          object(R"({"fields":[{"name":"a","type":"string"},{"name":"b","type":"string"}]})");
      ASSERT_TRUE(await(next->set_fields(ctx(), "things", *json::get_array(back, "fields"))));
    }
  }
  EXPECT_GT(cut, 0);
}

TEST_P(CatalogTest, FourReplicasInstallAtOnce) {
  std::vector<std::unique_ptr<sql::Database>> databases;
  auto fresh = sql::testing::TestDatabase::create(GetParam());
  ASSERT_TRUE(fresh);
  std::vector<std::unique_ptr<Catalog>> catalogs;
  for (int i = 0; i < 4; ++i) {
    databases.push_back((*fresh)->open_another());
    catalogs.push_back(open_catalog(*databases.back()));
  }
  std::vector<Status> results(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      Context own;
      results[i] = (*fresh)->await(catalogs[i]->install(own), i % 2);
    });
  }
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(results[i]) << results[i].error().message << " " << results[i].error().internal;
    EXPECT_NE(catalogs[i]->snapshot()->find("users"), nullptr);
    EXPECT_EQ(catalogs[i]->snapshot()->generation, 1u);
  }
  catalogs.clear();
  databases.clear();
}

TEST_P(CatalogTest, TwoReplicasChangeTheModelAtOnce) {
  auto second_db = database().open_another();
  auto second = open_catalog(*second_db);
  ASSERT_TRUE(await(second->install(ctx())));
  std::vector<std::thread> threads;
  std::array<Catalog*, 2> both = {&catalog(), second.get()};
  for (size_t who = 0; who < 2; ++who) {
    threads.emplace_back([&, who] {
      Context own;
      for (int i = 0; i < 4; ++i) {
        const std::string name = "c" + std::to_string(who) + std::to_string(i);
        auto made = database().await(
            both[who]->create_collection(
                own,
                object(R"({"name":")" + name + R"(","fields":[{"name":"x","type":"string"}]})")),
            who);
        EXPECT_TRUE(made) << made.error().message << " " << made.error().internal;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(await(catalog().refresh(ctx())));
  ASSERT_TRUE(await(second->refresh(ctx())));
  EXPECT_EQ(catalog().snapshot()->generation, second->snapshot()->generation);
  for (const char* name : {"c00", "c03", "c10", "c13"}) {
    EXPECT_NE(catalog().snapshot()->find(name), nullptr);
    EXPECT_NE(second->snapshot()->find(name), nullptr);
  }
  second.reset();
  second_db.reset();
}

TEST_P(CatalogTest, P5RefreshSucceedsWhileTheModelChanges) {
  auto reader_db = database().open_another();
  auto reader = open_catalog(*reader_db);
  ASSERT_TRUE(await(reader->install(ctx())));
  ASSERT_EQ(create_field("users", R"({"name":"first","type":"string"})"), "ok");
  std::atomic<bool> done{false};
  std::thread changes([&] {
    Context own;
    for (int i = 0; i < 60; ++i) {
      const json::Object title = object(R"({"uiSchema":{"title":")" + std::to_string(i) + R"("}})");
      auto changed = database().await(catalog().update_field(own, "users", "first", title), 1);
      EXPECT_TRUE(changed) << changed.error().message;
    }
    done = true;
  });
  while (!done) {
    Status fresh = await(reader->refresh(ctx()));
    EXPECT_TRUE(fresh) << fresh.error().id << " " << fresh.error().message;
  }
  changes.join();
  ASSERT_TRUE(await(reader->refresh(ctx())));
  EXPECT_EQ(reader->snapshot()->generation, catalog().snapshot()->generation);
  reader.reset();
  reader_db.reset();
}

HALCYON_INSTANTIATE_DIALECTS(CatalogTest);

TEST_P(CatalogTest, ATreeHasItsPathTable) {
  const auto paths = [&] {
    sql::Rows rows = must("SELECT path FROM main_areas_path ORDER BY path");
    std::string text;
    for (size_t i = 0; i < rows.size(); ++i) text += std::string(rows.cell(i, 0).text()) + " ";
    return text;
  };
  // Rows from before the collection was a tree, one of them with a parent that does not exist.
  make(R"({"name":"areas","fields":[{"name":"parentId","type":"bigInt"}]})");
  const std::string& parent = collection("areas").find("parentId")->column;
  const std::string q(1, on_mysql() ? '`' : '"');
  for (const char* row : {"1, NULL", "2, 1", "3, 2", "4, 99"}) {
    must("INSERT INTO areas (id, " + q + parent + q + ") VALUES (" + row + ")");
  }
  ASSERT_TRUE(
      await(catalog().update_collection(ctx(), "areas", object(R"({"tree":"adjacencyList"})"))));
  EXPECT_EQ(paths(), "/1 /1/2 /1/2/3 /4 ");

  // A database from before the table was kept is filled at start.
  must("DROP TABLE main_areas_path");
  must("UPDATE halcyon_model SET fingerprint = 'old'");
  auto again = open_catalog(db());
  auto started = await(again->install(ctx()));
  ASSERT_TRUE(started) << started.error().message << started.error().internal;
  EXPECT_EQ(paths(), "/1 /1/2 /1/2/3 /4 ");

  ASSERT_TRUE(await(again->destroy_collection(ctx(), "areas", false)));
  EXPECT_FALSE(run("SELECT path FROM main_areas_path"));
}

TEST_P(CatalogTest, AChangedFormulaIsWorkedOutForOldRows) {
  make(R"({"name":"parts","fields":[{"name":"price","type":"decimal","precision":10,"scale":2},
    {"name":"amount","type":"integer"},{"name":"label","type":"string"}]})");
  for (const char* row : {"1, 2.50, 4, 'a'", "2, 1.00, NULL, 'b'", "3, 2.00, 5, 'c'"}) {
    must("INSERT INTO parts (id, price, amount, label) VALUES (" + std::string(row) + ")");
  }
  const auto values = [&] {
    const Collection& parts = collection("parts");
    const Field& total = *parts.find("total");
    sql::Select select;
    select.from = parts.table_ref("t");
    select.columns = {{sql::column("t", total.column), "v"}};
    select.order_by = {{sql::column("t", "id"), false, sql::Nulls::kDefault}};
    auto rows = await(db().run(ctx(), sql::render(select, dialect())));
    std::string text;
    for (size_t i = 0; rows && i < rows->size(); ++i) {
      json::Writer writer(text);
      total.kind->write(total, rows->cell(i, 0), writer);
      text += ' ';
    }
    return text;
  };
  ASSERT_TRUE(await(catalog().create_field(ctx(), "parts", object(R"({"name":"total",
    "type":"formula","dataType":"double","expression":"{{price}} * {{amount}}"})"))));
  EXPECT_EQ(values(), "10 null 10 ");
  ASSERT_TRUE(await(catalog().update_field(ctx(), "parts", "total",
                                           object(R"({"expression":"{{price}} + 1"})"))));
  EXPECT_EQ(values(), "3.5 2 3 ");
  auto typed = await(catalog().update_field(ctx(), "parts", "total", object(R"({
    "dataType":"string","engine":"string","expression":"{{label}}!"})")));
  ASSERT_TRUE(typed) << typed.error().message << typed.error().internal;
  EXPECT_EQ(values(), R"("a!" "b!" "c!" )");
  // A wrong formula changes nothing; what a formula reads stays.
  auto wrong = await(catalog().update_field(
      ctx(), "parts", "total", object(R"({"expression":"{{label", "engine":"math.js"})")));
  EXPECT_FALSE(wrong);
  auto gone = await(catalog().destroy_field(ctx(), "parts", "label"));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().id, "FIELD_IN_USE");
  EXPECT_EQ(values(), R"("a!" "b!" "c!" )");
}

TEST_P(CatalogTest, WhatOnlyTheServerDecidesIsNotTakenFromClients) {
  // "introspected" would mean that the column is there already.
  make(R"({"name":"own","introspected":true,"treePathOf":"own","fields":[
    {"name":"a","type":"string","introspected":true}]})");
  must("INSERT INTO own (a) VALUES ('x')");
  EXPECT_TRUE(await(catalog().create_field(ctx(), "own", object(R"({"name":"b","type":"string",
    "introspected":true})"))));
  must("UPDATE own SET b = 'y'");
  const auto refused = [&](const char* changes) {
    auto done = await(catalog().update_collection(ctx(), "own", object(changes)));
    return done ? "ok" : done.error().id;
  };
  EXPECT_EQ(refused(R"({"view":true})"), "COLLECTION_KIND_CHANGE_REFUSED");
  EXPECT_EQ(refused(R"({"sql":"SELECT 1"})"), "COLLECTION_KIND_CHANGE_REFUSED");
  EXPECT_EQ(refused(R"({"schema":"elsewhere"})"), "COLLECTION_KIND_CHANGE_REFUSED");
  EXPECT_EQ(refused("{\"tableName\":\"a\\u0000b\"}"), "INVALID_NAME");
  auto view = await(catalog().apply_collection(ctx(), object(R"({"name":"v","viewName":"no"})")));
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().id, "UNKNOWN_VIEW");
}

TEST_P(CatalogTest, AFormulaIsWorkedOutForManyRowsAtOnce) {
  make(R"({"name":"many","fields":[{"name":"n","type":"integer"}]})");
  for (int from = 0; from < 2500; from += 500) {
    std::string rows;
    for (int i = from; i < from + 500; ++i) {
      rows += (i == from ? "(" : ",(") + std::to_string(i + 1) + "," + std::to_string(i % 3) + ")";
    }
    must("INSERT INTO many (id, n) VALUES " + rows);
  }
  auto made = await(catalog().create_field(ctx(), "many", object(R"({"name":"twice",
    "type":"formula","dataType":"integer","expression":"{{n}} * 2"})")));
  ASSERT_TRUE(made) << made.error().message << made.error().internal;
  EXPECT_EQ(must("SELECT count(*) FROM many WHERE twice = n * 2").cell(0, 0).text(), "2500");
}

}  // namespace
}  // namespace halcyon::schema
