// Whatever valid changes are made in whatever order: the tables are what the model says, and
// another process that loads the model sees the same.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>

#include "schema/testing.h"
#include "sql/ddl.h"

namespace halcyon::schema {
namespace {

class PropertyTest : public testing::CatalogTest {
 protected:
  template <class List>
  const auto& pick(const List& list) {
    return list[random_() % list.size()];
  }
  json::Object random_field() {
    static const std::vector<std::string> types = {
        "string", "text", "integer", "bigInt", "double",       "decimal",  "boolean", "json",
        "array",  "date", "time",    "uuid",   "datetimeNoTz", "dateOnly", "uid",     "sort"};
    json::Object out{{"name", fmt::format("f{}", random_() % 8)}, {"type", pick(types)}};
    const std::string type = json::get_string(out, "type");
    if (type == "decimal") out["precision"] = 10, out["scale"] = 2;
    if (type == "string" && random_() % 2 == 0) out["length"] = 20 + random_() % 100;
    if (type != "text" && type != "json" && type != "array" && random_() % 4 == 0) {
      out[random_() % 2 == 0 ? "unique" : "index"] = true;
    }
    if (type == "integer" && random_() % 3 == 0) out["defaultValue"] = 5;
    if (random_() % 6 == 0) out["allowNull"] = false;
    return out;
  }
  json::Object random_relation() {
    static const std::vector<std::string> types = {"belongsTo", "hasOne", "hasMany",
                                                   "belongsToMany", "belongsToArray"};
    json::Object out{{"name", fmt::format("r{}", random_() % 4)},
                     {"type", pick(types)},
                     {"target", random_name()}};
    if (random_() % 3 == 0 && out["type"] != "belongsToArray") {
      out["reverseField"] = json::Object{{"name", fmt::format("r{}", random_() % 4)}};
    }
    return out;
  }
  std::string random_name() { return fmt::format("c{}", random_() % 4); }

  // The name of a field of the collection, if it has any: mostly one that can be changed.
  std::string known_field(const std::string& name) {
    const auto model = catalog().snapshot();
    const Collection* known = model->find(name);
    if (known == nullptr) return "f0";
    std::vector<std::string> names;
    for (const Field& field : known->fields) {
      if (!field.key.empty()) names.push_back(field.name);
    }
    return names.empty() ? "id" : pick(names);
  }
  // A row of defaults, so that changes meet data; not every table takes one.
  void insert_row(const std::string& name) {
    const auto model = catalog().snapshot();
    const Collection* known = model->find(name);
    if (known == nullptr) return;
    std::string table;
    dialect().quote(table, known->table);
    auto done = run("INSERT INTO " + table + (on_mysql() ? " () VALUES ()" : " DEFAULT VALUES"));
    rows_ += done.has_value();
  }

  // One change; whether it is accepted is the catalogue's business.
  Status change() {
    const std::string name = random_name();
    const std::string field = known_field(name);
    insert_row(random_name());
    const auto status_of = [](const auto& result) -> Status {
      if (!result) return std::unexpected(result.error());
      return {};
    };
    const auto choice = random_() % 16;
    switch (catalog().snapshot()->find(name) == nullptr ? 0 : choice) {
      case 0: {
        json::Object definition{{"name", name}, {"fields", {random_field(), random_field()}}};
        if (random_() % 2 == 0) definition["createdAt"] = true;
        if (random_() % 3 == 0) definition["createdBy"] = true;
        if (random_() % 4 == 0) definition["sortable"] = true;
        if (random_() % 4 == 0) definition["tree"] = "adjacencyList";
        return status_of(await(catalog().create_collection(ctx(), definition)));
      }
      case 1:
        return await(catalog().destroy_collection(ctx(), name, random_() % 2 == 0));
      case 2:
      case 3:
      case 4:
      case 5:
        return status_of(await(catalog().create_field(ctx(), name, random_field())));
      case 6:
      case 7:
      case 8:
        return status_of(await(catalog().create_field(ctx(), name, random_relation())));
      case 9:
      case 10:
      case 11: {
        json::Object changes = random_field();
        changes["name"] = field;
        return status_of(await(catalog().update_field(ctx(), name, field, changes)));
      }
      case 12:
      case 13:
        return await(catalog().destroy_field(ctx(), name, field));
      default:
        return status_of(await(catalog().update_collection(
            ctx(), name, {{"createdAt", random_() % 2 == 0}, {"paranoid", random_() % 2 == 0}})));
    }
  }

  void expect_tables_as_modelled(const std::string& when) {
    const auto model = catalog().snapshot();
    std::vector<std::string> expected;
    for (const auto& [name, collection] : model->collections) {
      expected.push_back(collection->table);
      auto found = await(sql::describe_table(db(), ctx(), "", collection->table));
      ASSERT_TRUE(found) << when << ": " << found.error().message << " " << found.error().internal;
      ASSERT_TRUE(*found) << when << ": no table for " << name;
      const sql::TableInfo& info = **found;
      std::vector<std::string> wanted, real;
      for (const Field& field : collection->fields) {
        if (field.column.empty()) continue;
        wanted.push_back(field.column + " " + sql::type_text(field.storage, dialect()) +
                         (field.nullable ? "" : " not null"));
      }
      for (const auto& column : info.columns) {
        real.push_back(column.name + " " + sql::type_text(column.type, dialect()) +
                       (column.nullable ? "" : " not null"));
      }
      std::ranges::sort(wanted);
      std::ranges::sort(real);
      EXPECT_EQ(real, wanted) << when << ": " << name;
      std::vector<std::string> indexes, real_indexes;
      for (const auto& index : collection->indexes) indexes.push_back(index_text(index));
      for (const auto& index : info.indexes) {
        if (index.columns != info.primary_key) real_indexes.push_back(index_text(index));
      }
      std::ranges::sort(indexes);
      std::ranges::sort(real_indexes);
      EXPECT_EQ(real_indexes, indexes) << when << ": " << name;
    }
    auto tables = await(sql::list_tables(db(), ctx(), "", false));
    ASSERT_TRUE(tables);
    std::erase_if(*tables, [](const std::string& t) { return t.starts_with("halcyon_"); });
    std::ranges::sort(*tables);
    std::ranges::sort(expected);
    EXPECT_EQ(*tables, expected) << when;
  }
  static std::string index_text(const sql::IndexSpec& index) {
    std::string out = index.unique ? "unique" : "index";
    for (const auto& column : index.columns) out += " " + column;
    return out;
  }
  std::mt19937 random_;
  int rows_ = 0;
};

TEST_P(PropertyTest, TablesFollowTheModelThroughAnyChanges) {
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    random_.seed(seed);
    int accepted = 0;
    std::map<std::string, int> refusals;
    for (int i = 0; i < 80; ++i) {
      ctx_ = std::make_unique<Context>();  // a deadline is one request's, not the whole test's
      Status status = change();
      accepted += status.has_value();
      if (!status) ++refusals[status.error().id + " " + status.error().message];
      // Refusals are the caller's fault; anything else is ours.
      if (!status) {
        EXPECT_TRUE(status.error().code == Code::kInvalidArgument ||
                    status.error().code == Code::kNotFound)
            << status.error().id << " " << status.error().message << " " << status.error().internal;
      }
      if (i % 4 == 3) expect_tables_as_modelled(fmt::format("seed {} change {}", seed, i));
      if (HasFailure()) return;
    }
    EXPECT_GT(accepted, 20) << [&] {
      std::string text;
      for (const auto& [refusal, count] : refusals) text += fmt::format("{} {}\n", count, refusal);
      return text;
    }();
    auto other = open_catalog(db());
    ASSERT_TRUE(await(other->install(ctx())));
    for (const auto& [name, collection] : catalog().snapshot()->collections) {
      const Collection* same = other->snapshot()->find(name);
      ASSERT_NE(same, nullptr) << name;
      EXPECT_EQ(collection_json(*same, true), collection_json(*collection, true));
    }
  }
  EXPECT_GT(rows_, 20);
}

HALCYON_INSTANTIATE_DIALECTS(PropertyTest);

}  // namespace
}  // namespace halcyon::schema
