// Defaults of collections, fields and relations: what a definition becomes in a snapshot.
#include "schema/build.h"

#include <gtest/gtest.h>

#include "schema/field_type.h"

namespace halcyon::schema {
namespace {

json::Object object(std::string_view text) { return json::parse(text).value().get_object(); }

Build build(std::vector<std::string_view> definitions, Settings settings = {}) {
  std::vector<json::Object> list;
  for (std::string_view text : definitions) list.push_back(object(text));
  return build_snapshot(settings, merge(list, {}));
}

constexpr std::string_view kUsers =
    R"({"name":"users","fields":[{"name":"nickname","type":"string"}]})";

TEST(Build, GivesACollectionItsImplicitFields) {
  Build b = build({kUsers, R"({"name":"posts","createdBy":true,"updatedBy":true,"sortable":true,
                               "paranoid":true,"fields":[{"name":"title","type":"string"}]})"});
  ASSERT_TRUE(b.problems.empty()) << b.problems[0].message;
  const Collection& posts = *b.snapshot->find("posts");
  std::vector<std::string> names;
  for (const Field& field : posts.fields) names.push_back(field.name);
  EXPECT_EQ(names, (std::vector<std::string>{"id", "title", "createdAt", "updatedAt", "createdById",
                                             "createdBy", "updatedById", "updatedBy", "deletedAt",
                                             "sort"}));
  EXPECT_EQ(posts.primary_key, std::vector<std::string>{"id"});
  EXPECT_EQ(posts.filter_target_key, std::vector<std::string>{"id"});
  EXPECT_EQ(posts.title_field, "id");
  const Field& id = *posts.find("id");
  EXPECT_TRUE(id.auto_increment && id.primary_key && id.implicit && !id.nullable);
  EXPECT_EQ(id.storage.type, sql::Type::kInt64);
  EXPECT_TRUE(posts.find("createdAt")->now_on_create);
  EXPECT_FALSE(posts.find("createdAt")->now_on_update);
  EXPECT_TRUE(posts.find("updatedAt")->now_on_update);
  EXPECT_TRUE(posts.find("sort")->hidden);
  EXPECT_EQ(posts.find("createdBy")->relation->foreign_key, "createdById");
}

TEST(Build, KeepsWhatIsSpelledOut) {
  Build b = build({R"({"name":"tags","autoGenId":false,"timestamps":false,"filterTargetKey":"name",
                       "titleField":"name","fields":[
                       {"name":"name","type":"uid","primaryKey":true}]})",
                   R"({"name":"items","fields":[{"name":"id","type":"snowflakeId",
                       "primaryKey":true},{"name":"createdAt","type":"date"}],"updatedAt":false})"});
  ASSERT_TRUE(b.problems.empty()) << b.problems[0].message;
  const Collection& tags = *b.snapshot->find("tags");
  EXPECT_EQ(tags.fields.size(), 1u);
  EXPECT_EQ(tags.primary_key, std::vector<std::string>{"name"});
  EXPECT_EQ(tags.title_field, "name");
  const Collection& items = *b.snapshot->find("items");
  EXPECT_EQ(items.fields.size(), 2u);
  EXPECT_FALSE(items.find("id")->auto_increment);
  EXPECT_TRUE(items.find("createdAt")->now_on_create);
}

TEST(Build, NamesRelationKeysAsNocoBaseDoes) {
  Build b = build({kUsers,
                   R"({"name":"posts","fields":[{"name":"user","type":"belongsTo"},
           {"name":"comments","type":"hasMany"},{"name":"tags","type":"belongsToMany"},
           {"name":"cover","type":"hasOne","target":"covers"}]})",
                   R"({"name":"comments","fields":[]})", R"({"name":"tags","fields":[]})",
                   R"({"name":"covers","fields":[]})"});
  ASSERT_TRUE(b.problems.empty()) << b.problems[0].message;
  const Collection& posts = *b.snapshot->find("posts");
  const Relation& user = *posts.find("user")->relation;
  EXPECT_EQ(user.target, "users");
  EXPECT_EQ(user.foreign_key, "userId");
  EXPECT_EQ(user.target_key, "id");
  EXPECT_TRUE(posts.find("userId")->implicit);
  EXPECT_EQ(posts.find("userId")->storage.type, sql::Type::kInt64);
  const Relation& comments = *posts.find("comments")->relation;
  EXPECT_EQ(comments.foreign_key, "postId");
  EXPECT_EQ(comments.source_key, "id");
  EXPECT_NE(b.snapshot->find("comments")->find("postId"), nullptr);
  const Relation& tags = *posts.find("tags")->relation;
  EXPECT_EQ(tags.through, "postsTags");
  EXPECT_EQ(tags.foreign_key, "postId");
  EXPECT_EQ(tags.other_key, "tagId");
  EXPECT_EQ(tags.on_delete, OnDelete::kCascade);
  const Collection& through = *b.snapshot->find("postsTags");
  EXPECT_TRUE(through.is_through);
  EXPECT_EQ(through.primary_key, (std::vector<std::string>{"postId", "tagId"}));
  EXPECT_EQ(through.find("id"), nullptr);
  EXPECT_NE(b.snapshot->find("covers")->find("postId"), nullptr);
  EXPECT_EQ(b.snapshot->references_to("comments").size(), 1u);
}

TEST(Build, GivesForeignKeysTheTypeOfTheirKey) {
  Build b = build({R"({"name":"a","autoGenId":false,"fields":[{"name":"code","type":"string",
                       "length":20,"primaryKey":true},{"name":"uuid","type":"uuid"},
                       {"name":"number","type":"integer","unique":true}]})",
                   R"({"name":"b","fields":[{"name":"one","type":"belongsTo","target":"a"},
                       {"name":"two","type":"belongsTo","target":"a","targetKey":"uuid"},
                       {"name":"n","type":"belongsTo","target":"a","targetKey":"number",
                        "foreignKey":"ref"},{"name":"ref","type":"bigInt"}]})"});
  ASSERT_TRUE(b.problems.empty()) << b.problems[0].message;
  const Collection& c = *b.snapshot->find("b");
  EXPECT_EQ(c.find("oneCode")->storage.length, 20);
  EXPECT_EQ(c.find("twoUuid")->storage.type, sql::Type::kUuid);
  EXPECT_FALSE(c.find("ref")->implicit);  // integers and bigints are one family
}

TEST(Build, ReportsWhatCannotBe) {
  Build b = build({R"({"name":"a","fields":[{"name":"x","type":"belongsTo","target":"nowhere"},
                       {"name":"y","type":"no such"},{"name":"z","type":"string","length":-1},
                       {"name":"k","type":"text"},
                       {"name":"w","type":"belongsTo","target":"a","foreignKey":"k"},
                       {"name":"t","type":"text","unique":true}]})"});
  std::vector<std::string> ids;
  for (const Error& error : b.problems) ids.push_back(error.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"UNKNOWN_FIELD_TYPE", "INVALID_FIELD_OPTIONS",
                                           "UNKNOWN_TARGET", "FOREIGN_KEY_TYPE_MISMATCH",
                                           "INVALID_INDEX"}));
  // The rest of the collection stays usable.
  EXPECT_EQ(b.snapshot->find("a")->find("x"), nullptr);
  EXPECT_NE(b.snapshot->find("a")->find("k"), nullptr);
}

TEST(Build, AppliesPrefixAndSnakeCase) {
  Settings settings;
  settings.table_prefix = "app_";
  settings.underscored = true;
  Build b = build({R"({"name":"orderItems","fields":[{"name":"unitPrice","type":"double"},
                       {"name":"note","type":"text","field":"theNote"}]})"},
                  settings);
  const Collection& items = *b.snapshot->find("orderItems");
  EXPECT_EQ(items.table, "app_order_items");
  EXPECT_EQ(items.find("unitPrice")->column, "unit_price");
  EXPECT_EQ(items.find("createdAt")->column, "created_at");
  EXPECT_EQ(items.find("note")->column, "theNote");
}

TEST(Build, MakesTreesOfCollections) {
  Build b = build({R"({"name":"areas","tree":"adjacencyList","fields":[]})"});
  ASSERT_TRUE(b.problems.empty()) << b.problems[0].message;
  const Collection& areas = *b.snapshot->find("areas");
  EXPECT_TRUE(areas.tree);
  EXPECT_EQ(areas.find("parent")->relation->foreign_key, "parentId");
  EXPECT_EQ(areas.find("parent")->relation->on_delete, OnDelete::kCascade);
  EXPECT_EQ(areas.find("children")->relation->kind, RelationKind::kHasMany);
  const Collection* paths = b.snapshot->find("main_areas_path");
  ASSERT_NE(paths, nullptr);
  EXPECT_TRUE(paths->builtin);
  EXPECT_EQ(paths->fields.size(), 3u);
  EXPECT_EQ(paths->find("nodePk")->storage.type, sql::Type::kInt64);
}

TEST(Build, IndexesKeysAndWhatIsAsked) {
  Build b = build({kUsers,
                   R"({"name":"posts","indexes":[{"unique":true,"fields":["slug","userId"]}],
                       "fields":[{"name":"slug","type":"string"},
                       {"name":"code","type":"string","unique":true},
                       {"name":"at","type":"date","index":true},
                       {"name":"user","type":"belongsTo"}]})"});
  ASSERT_TRUE(b.problems.empty()) << b.problems[0].message;
  std::vector<std::string> found;
  for (const auto& index : b.snapshot->find("posts")->indexes) {
    std::string text = index.unique ? "unique" : "index";
    for (const auto& column : index.columns) text += " " + column;
    found.push_back(text);
  }
  EXPECT_EQ(found, (std::vector<std::string>{"unique code", "index at", "index userId",
                                             "unique slug userId"}));
}

}  // namespace
}  // namespace halcyon::schema
