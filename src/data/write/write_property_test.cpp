// Random sequences of writes, nested ones among them, against a model in memory of the same rules:
// the tables must come out equal, and so must the refusals.
#include <map>
#include <optional>
#include <random>
#include <set>

#include "data/write/test_support.h"

namespace halcyon::data::write {
namespace {

// Parents have children (SET NULL), guarded children (RESTRICT), owned ones (CASCADE) and labels.
class Oracle {
 public:
  struct Child {
    int64_t value = 0;
    std::optional<int64_t> parent;
  };
  std::map<int64_t, std::string> parents;
  std::map<int64_t, Child> children, owned, guards;
  std::map<int64_t, std::string> labels;
  std::set<std::pair<int64_t, int64_t>> links;  // parent, label

  bool name_taken(const std::string& name, int64_t except = -1) const {
    for (const auto& [id, other] : parents) {
      if (other == name && id != except) return true;
    }
    return false;
  }
  void set_children(int64_t parent, const std::vector<int64_t>& wanted) {
    for (auto& [id, child] : children) {
      const bool is_wanted = std::ranges::find(wanted, id) != wanted.end();
      if (is_wanted) {
        child.parent = parent;
      } else if (child.parent == parent) {
        child.parent.reset();
      }
    }
  }
  void set_links(int64_t parent, const std::vector<int64_t>& wanted) {
    std::erase_if(links, [&](const auto& link) { return link.first == parent; });
    for (int64_t label : wanted) links.emplace(parent, label);
  }
  bool is_guarded(int64_t parent) const {
    return std::ranges::any_of(guards, [&](const auto& g) { return g.second.parent == parent; });
  }
  void destroy_parent(int64_t parent) {
    parents.erase(parent);
    for (auto& [id, child] : children) {
      if (child.parent == parent) child.parent.reset();
    }
    std::erase_if(owned, [&](const auto& o) { return o.second.parent == parent; });
    std::erase_if(links, [&](const auto& link) { return link.first == parent; });
  }
};

class WritePropertyTest : public test::WriteTest {
 protected:
  std::string definitions() override {
    return R"json([
      {"name": "parents", "fields": [
        {"name": "name", "type": "string", "unique": true},
        {"name": "children", "type": "hasMany", "target": "children", "foreignKey": "parentKey",
         "onDelete": "SET NULL"},
        {"name": "owned", "type": "hasMany", "target": "owned", "foreignKey": "parentKey",
         "onDelete": "CASCADE"},
        {"name": "labels", "type": "belongsToMany", "target": "labels", "through": "links",
         "foreignKey": "parentKey", "otherKey": "labelKey"}]},
      {"name": "children", "fields": [{"name": "value", "type": "integer"},
        {"name": "parent", "type": "belongsTo", "target": "parents", "foreignKey": "parentKey"}]},
      {"name": "owned", "fields": [{"name": "value", "type": "integer"}]},
      {"name": "guards", "fields": [{"name": "value", "type": "integer"},
        {"name": "parent", "type": "belongsTo", "target": "parents", "foreignKey": "parentKey",
         "onDelete": "RESTRICT"}]},
      {"name": "links", "fields": []},
      {"name": "labels", "fields": [{"name": "name", "type": "string", "unique": true}]}
    ])json";
  }

  size_t below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }
  bool chance(int percent) { return below(100) < static_cast<size_t>(percent); }
  template <class Map>
  std::optional<int64_t> any_of(const Map& rows) {
    if (rows.empty()) return std::nullopt;
    auto it = rows.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(below(rows.size())));
    return it->first;
  }
  template <class Map>
  std::vector<int64_t> some_of(const Map& rows) {
    std::vector<int64_t> keys;
    for (const auto& [id, row] : rows) {
      if (chance(30)) keys.push_back(id);
    }
    return keys;
  }
  static json::Array as_json(const std::vector<int64_t>& keys) {
    json::Array list;
    for (int64_t id : keys) list.emplace_back(id);
    return list;
  }
  std::string some_name() { return "n" + std::to_string(below(12)); }

  json::Value expect_ok(Action action, Target target, json::Value tk, json::Value body) {
    Params params;
    params.filter_by_tk = std::move(tk);
    params.values = std::move(body);
    return must_write(action, std::move(target), std::move(params));
  }
  void expect_refused(Action action, Target target, json::Value tk, json::Value body,
                      std::string_view id) {
    Params params;
    params.filter_by_tk = std::move(tk);
    params.values = std::move(body);
    EXPECT_EQ(error_of(action, std::move(target), std::move(params)), id);
  }

 public:
  void create_parent();
  void update_parent();
  void destroy_parent();
  void change_links();
  void change_children();
  void create_child();
  void check();

 protected:
  Oracle oracle_;
  std::mt19937 random_{20260131};
  int64_t next_value_ = 1;
};
HALCYON_INSTANTIATE_DIALECTS(WritePropertyTest);

void WritePropertyTest::create_parent() {
  const std::string name = some_name();
  const auto linked = some_of(oracle_.children);
  const auto labels = some_of(oracle_.labels);
  json::Array children = as_json(linked);
  const int64_t value = next_value_++;
  children.push_back({{"value", value}});
  json::Array owned;
  for (size_t i = below(3); i > 0; --i) owned.push_back({{"value", static_cast<int64_t>(i)}});
  const bool bad_label = chance(15);
  json::Array tags = as_json(labels);
  if (bad_label) tags.push_back(999999);
  const json::Value body{
      {"name", name}, {"children", children}, {"owned", owned}, {"labels", tags}};
  if (oracle_.name_taken(name)) {
    return expect_refused(&Writer::create, on("parents"), nullptr, body, "UNIQUE_VIOLATION");
  }
  if (bad_label) {  // the parent, its children and what it owns are written by then
    return expect_refused(&Writer::create, on("parents"), nullptr, body,
                          "RELATED_RECORD_NOT_FOUND");
  }
  const json::Value made = expect_ok(&Writer::create, on("parents"), nullptr, body);
  const int64_t id = made.at("id").get_int64();
  oracle_.parents[id] = name;
  oracle_.set_children(id, linked);
  for (const json::Value& child : made.at("children").get_array()) {
    if (child.at("value") == value) oracle_.children[child.at("id").get_int64()] = {value, id};
  }
  for (const json::Value& item : made.at("owned").get_array()) {
    oracle_.owned[item.at("id").get_int64()] = {item.at("value").get_int64(), id};
  }
  oracle_.set_links(id, labels);
}

void WritePropertyTest::update_parent() {
  const auto id = any_of(oracle_.parents);
  if (!id) return;
  const std::string name = some_name();
  const auto children = some_of(oracle_.children);
  const json::Value body{{"name", name}, {"children", as_json(children)}};
  if (oracle_.name_taken(name, *id)) {
    return expect_refused(&Writer::update, on("parents"), *id, body, "UNIQUE_VIOLATION");
  }
  expect_ok(&Writer::update, on("parents"), *id, body);
  oracle_.parents[*id] = name;
  oracle_.set_children(*id, children);
}

void WritePropertyTest::destroy_parent() {
  const auto keys = some_of(oracle_.parents);
  if (keys.empty()) return;
  if (std::ranges::any_of(keys, [&](int64_t id) { return oracle_.is_guarded(id); })) {
    return expect_refused(&Writer::destroy, on("parents"), as_json(keys), nullptr,
                          "DELETE_RESTRICTED");
  }
  EXPECT_EQ(expect_ok(&Writer::destroy, on("parents"), as_json(keys), nullptr),
            static_cast<int64_t>(keys.size()));
  for (int64_t id : keys) oracle_.destroy_parent(id);
}

void WritePropertyTest::change_links() {
  const auto id = any_of(oracle_.parents);
  if (!id) return;
  const auto labels = some_of(oracle_.labels);
  const Target target = on("parents", *id, "labels");
  switch (below(4)) {
    case 0:
      expect_ok(&Writer::add, target, nullptr, as_json(labels));
      for (int64_t label : labels) oracle_.links.emplace(*id, label);
      break;
    case 1:
      expect_ok(&Writer::set, target, nullptr, as_json(labels));
      oracle_.set_links(*id, labels);
      break;
    case 2:
      expect_ok(&Writer::remove, target, nullptr, as_json(labels));
      for (int64_t label : labels) oracle_.links.erase({*id, label});
      break;
    default:
      if (labels.empty()) return;
      expect_ok(&Writer::toggle, target, nullptr, labels.front());
      if (oracle_.links.erase({*id, labels.front()}) == 0) {
        oracle_.links.emplace(*id, labels.front());
      }
  }
}

void WritePropertyTest::change_children() {
  const auto id = any_of(oracle_.parents);
  if (!id) return;
  const auto children = some_of(oracle_.children);
  const Target target = on("parents", *id, "children");
  switch (below(3)) {
    case 0:
      expect_ok(&Writer::add, target, nullptr, as_json(children));
      for (int64_t child : children) oracle_.children[child].parent = *id;
      break;
    case 1:
      expect_ok(&Writer::set, target, nullptr, as_json(children));
      oracle_.set_children(*id, children);
      break;
    default:
      expect_ok(&Writer::remove, target, nullptr, as_json(children));
      for (int64_t child : children) {
        if (oracle_.children[child].parent == *id) oracle_.children[child].parent.reset();
      }
  }
}

void WritePropertyTest::create_child() {
  const bool guard = chance(20);
  auto& rows = guard ? oracle_.guards : oracle_.children;
  const std::string name = guard ? "guards" : "children";
  if (guard && chance(60)) {  // let parents go again
    if (const auto id = any_of(rows)) {
      expect_ok(&Writer::destroy, on(name), *id, nullptr);
      rows.erase(*id);
    }
    return;
  }
  const auto parent = any_of(oracle_.parents);
  json::Object body{{"value", next_value_}};
  body["parent"] = parent ? json::Value(*parent) : json::Value(nullptr);
  const json::Value made = expect_ok(&Writer::create, on(name), nullptr, body);
  rows[made.at("id").get_int64()] = {next_value_++, parent};
}

void WritePropertyTest::check() {
  auto key = [](std::optional<int64_t> id) { return id ? std::to_string(*id) : "null"; };
  auto rows = [&](const std::map<int64_t, Oracle::Child>& of) {
    std::string text;
    for (const auto& [id, row] : of) {
      text += std::to_string(id) + " " + std::to_string(row.value) + " " + key(row.parent) + "\n";
    }
    return text;
  };
  std::string parents;
  for (const auto& [id, name] : oracle_.parents) {
    parents += std::to_string(id) + " \"" + name + "\"\n";
  }
  std::string links;
  for (const auto& [parent, label] : oracle_.links) {
    links += std::to_string(parent) + " " + std::to_string(label) + "\n";
  }
  ASSERT_EQ(table("parents", {"id", "name"}), parents);
  ASSERT_EQ(table("children", {"id", "value", "parentKey"}), rows(oracle_.children));
  ASSERT_EQ(table("owned", {"id", "value", "parentKey"}), rows(oracle_.owned));
  ASSERT_EQ(table("guards", {"id", "value", "parentKey"}), rows(oracle_.guards));
  ASSERT_EQ(table("links", {"parentKey", "labelKey"}), links);
}

TEST_P(WritePropertyTest, TablesEqualTheModel) {
  for (int i = 0; i < 6; ++i) {
    const json::Value label = create("labels", R"({"name": "l)" + std::to_string(i) + "\"}");
    oracle_.labels[label.at("id").get_int64()] = std::to_string(i);
  }
  using Step = void (WritePropertyTest::*)();
  static constexpr Step kSteps[] = {
      &WritePropertyTest::create_parent,   &WritePropertyTest::update_parent,
      &WritePropertyTest::destroy_parent,  &WritePropertyTest::change_links,
      &WritePropertyTest::change_children, &WritePropertyTest::create_child};
  for (int i = 0; i < 150; ++i) {
    const size_t step = below(std::size(kSteps));
    SCOPED_TRACE("step " + std::to_string(i) + " kind " + std::to_string(step));
    (this->*kSteps[step])();
    check();
    if (HasFailure()) return;
  }
  EXPECT_GT(oracle_.parents.size() + oracle_.children.size(), 5u);
}

}  // namespace
}  // namespace halcyon::data::write
