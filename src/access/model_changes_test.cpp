#include "access/testing.h"

namespace halcyon::access {
namespace {

class ModelChangesTest : public testing::AccessTest {
 protected:
  void SetUp() override {
    AccessTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    make(R"({"name":"books","fields":[{"name":"title","type":"string"},
                                      {"name":"year","type":"integer"}]})");
    make(R"({"name":"shelves","fields":[{"name":"place","type":"string"}]})");
    create("roles", R"({"name":"reader","title":"Reader"})");
    create("dataSourcesRolesResources", R"({"name":"books","roleName":"reader",
        "dataSourceKey":"main","usingActionsConfig":true,"actions":[
        {"name":"view","fields":["title"]},{"name":"create","fields":["title","year"]},
        {"name":"update","fields":[]}]})");
    create("dataSourcesRolesResources", R"({"name":"shelves","roleName":"reader",
        "dataSourceKey":"main","usingActionsConfig":true,"actions":[
        {"name":"view","fields":["place"]}]})");
  }
  // "view title,year" of every action, in their order.
  std::string lists(const std::string& collection) {
    std::string text;
    for (const json::Value& row :
         find("dataSourcesRolesResources", R"({"name":")" + collection + R"("})", {"actions"})) {
      for (const json::Value& action : *json::get_array(row.as_object(), "actions")) {
        text += json::get_string(action.as_object(), "name") + " ";
        text += json::dump(*json::find(action.as_object(), "fields")) + "\n";
      }
    }
    return text;
  }
};
HALCYON_INSTANTIATE_DIALECTS(ModelChangesTest);

TEST_P(ModelChangesTest, FieldListsOfRolesFollowTheFields) {
  const auto field = schema::testing::object(R"({"name":"pages","type":"integer"})");
  ASSERT_TRUE(await(catalog().create_field(ctx(), "books", field)));
  EXPECT_EQ(lists("books"),
            "view [\"title\",\"pages\"]\ncreate [\"title\",\"year\",\"pages\"]\nupdate []\n");
  EXPECT_EQ(lists("shelves"), "view [\"place\"]\n");

  ASSERT_TRUE(await(catalog().update_field(ctx(), "books", "year",
                                           schema::testing::object(R"({"name":"printed"})"))));
  ASSERT_TRUE(await(catalog().destroy_field(ctx(), "books", "title")));
  EXPECT_EQ(lists("books"), "view [\"pages\"]\ncreate [\"printed\",\"pages\"]\nupdate []\n");
}

TEST_P(ModelChangesTest, AListIsNeverEmptiedIntoNoLimit) {
  ASSERT_TRUE(await(catalog().destroy_field(ctx(), "shelves", "place")));
  EXPECT_EQ(lists("shelves"), "view [\"place\"]\n");
}

TEST_P(ModelChangesTest, RightsOfARemovedCollectionGo) {
  ASSERT_TRUE(await(catalog().destroy_collection(ctx(), "books", false)));
  EXPECT_EQ(lists("books"), "");
  EXPECT_EQ(find("dataSourcesRolesResourcesActions", R"({"name.$ne":"x"})").size(), 1u);
  EXPECT_EQ(lists("shelves"), "view [\"place\"]\n");
}

TEST_P(ModelChangesTest, ARefusedChangeLeavesTheLists) {
  const auto field = schema::testing::object(R"({"name":"x","type":"nonsense"})");
  ASSERT_FALSE(await(catalog().create_field(ctx(), "books", field)));
  EXPECT_EQ(lists("books"), "view [\"title\"]\ncreate [\"title\",\"year\"]\nupdate []\n");
}

}  // namespace
}  // namespace halcyon::access
