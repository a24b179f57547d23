// Roles that list the fields of a collection get its new fields, follow renamed ones and lose
// removed ones; what they configured for a removed collection goes with it (reference E.4, D.1).
#include <algorithm>
#include <set>

#include "access/impl_internal.h"

namespace halcyon::access {
namespace {

// What happened to the fields of one collection.
struct FieldChanges {
  bool removed_collection = false;
  std::vector<std::string> added;
  std::map<std::string, std::string, std::less<>> renamed;
  std::set<std::string, std::less<>> removed;
  bool empty() const {
    return !removed_collection && added.empty() && renamed.empty() && removed.empty();
  }
};

FieldChanges compare(const schema::Collection& before, const schema::Collection& after) {
  FieldChanges changes;
  const auto named = [](const schema::Collection& collection, const schema::Field& field) {
    for (const schema::Field& other : collection.fields) {
      if (!field.key.empty() && other.key == field.key) return &other;
    }
    return collection.find(field.name);
  };
  for (const schema::Field& field : before.fields) {
    const schema::Field* now = named(after, field);
    if (now == nullptr) {
      changes.removed.insert(field.name);
    } else if (now->name != field.name) {
      changes.renamed.emplace(field.name, now->name);
    }
  }
  for (const schema::Field& field : after.fields) {
    // Implicit fields (foreign keys, times) are no choice of the form that makes the lists.
    if (!field.implicit && named(before, field) == nullptr) changes.added.push_back(field.name);
  }
  return changes;
}

std::map<std::string, FieldChanges, std::less<>> compare(const schema::Snapshot& before,
                                                         const schema::Snapshot& after) {
  std::map<std::string, FieldChanges, std::less<>> all;
  for (const auto& [name, old] : before.collections) {
    const schema::Collection* now = after.find(name);
    FieldChanges changes;
    if (now == nullptr) {
      changes.removed_collection = true;
    } else if (now != old.get()) {
      changes = compare(*old, *now);
    }
    if (!changes.empty()) all.emplace(name, std::move(changes));
  }
  return all;
}

json::Array apply(const json::Array& fields, const FieldChanges& changes) {
  json::Array now;
  const auto add = [&](std::string_view name) {
    const bool there = std::ranges::any_of(
        now, [&](const json::Value& item) { return json::as_view(item) == name; });
    if (!there) now.emplace_back(name);
  };
  for (const json::Value& item : fields) {
    if (!item.is_string()) continue;
    const std::string_view name = json::as_view(item);
    if (changes.removed.contains(name)) continue;
    auto renamed = changes.renamed.find(name);
    add(renamed == changes.renamed.end() ? name : std::string_view(renamed->second));
  }
  for (const std::string& name : changes.added) add(name);
  return now;
}

}  // namespace

Task<Status> Access::Impl::model_changed(const Context& ctx, sql::Transaction& tx,
                                         const schema::Snapshot& before,
                                         const schema::Snapshot& after) {
  const auto changes = compare(before, after);
  if (changes.empty()) co_return Status{};
  const Store::In in(ctx, &tx);
  json::Array names;
  for (const auto& [name, unused] : changes) names.emplace_back(name);
  json::Object filter{{"dataSourceKey", "main"}, {"name", json::Object{{"$in", std::move(names)}}}};
  CO_TRY(auto resources, co_await store.find(in, "dataSourcesRolesResources",
                                             Store::Query(std::move(filter), {"actions"})));
  for (const json::Value& item : resources) {
    const json::Object& resource = item.as_object();
    const FieldChanges& change = changes.find(json::get_string(resource, "name"))->second;
    if (change.removed_collection) {
      json::Value one = json::Object{{"id", json::get_int(resource, "id")}};
      CO_TRY_STATUS(co_await store.destroy(in, "dataSourcesRolesResources", std::move(one)));
      continue;
    }
    const json::Array* actions = json::get_array(resource, "actions");
    if (actions == nullptr) continue;
    for (const json::Value& action : *actions) {
      const json::Array* fields = json::get_array(action.as_object(), "fields");
      if (fields == nullptr || fields->empty()) continue;  // no list: every field
      json::Array now = apply(*fields, change);
      // A list that became empty would mean every field: it keeps the names that are gone.
      if (now == *fields || now.empty()) continue;
      json::Value one = json::Object{{"id", json::get_int(action.as_object(), "id")}};
      json::Object values{{"fields", std::move(now)}};
      CO_TRY_STATUS(co_await store.update(in, "dataSourcesRolesResourcesActions", std::move(one),
                                          std::move(values)));
    }
  }
  co_return Status{};
}

}  // namespace halcyon::access
