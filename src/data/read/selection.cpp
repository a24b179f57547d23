#include "data/read/selection.h"

#include <algorithm>

#include "data/read/joins.h"

namespace halcyon::data {
namespace {

constexpr size_t kMaxAppends = 100;
constexpr size_t kMaxAppendDepth = 10;

// The names asked for, before the model is consulted.
struct Names {
  bool all = false;
  std::vector<std::string_view> only, except;
  std::vector<std::pair<std::string_view, std::unique_ptr<Names>>> children;
  bool recursive = false;

  Names& child(std::string_view name) {
    for (auto& [known, names] : children)
      if (known == name) return *names;
    return *children.emplace_back(name, std::make_unique<Names>()).second;
  }
};

struct PathParts {
  std::vector<std::string_view> names;
  bool recursive = false;
};

// "a.b(recursively=true)"
PathParts parse_path(std::string_view path) {
  PathParts parts;
  const size_t open = path.find('(');
  if (open != std::string_view::npos) {
    const std::string_view options = path.substr(open);
    parts.recursive = options.find("recursively=true") != std::string_view::npos;
    path = path.substr(0, open);
  }
  parts.names = split(path, '.');
  return parts;
}

class Selector {
 public:
  Selector(const Call& call, Readable& readable) : call_(call), readable_(readable) {}

  Result<Selection> select(const schema::Collection& collection, const Params& params) {
    Names root;
    root.all = !params.fields;
    if (params.fields)
      for (const std::string& path : *params.fields)
        TRY_STATUS(add(root, collection, path, "fields", false));
    for (const std::string& path : params.appends)
      TRY_STATUS(add(root, collection, path, "appends", true));
    if (!params.fields)
      for (const std::string& path : params.except) add_except(root, path);
    return resolve(collection, root);
  }

 private:
  static std::unexpected<Error> unknown(const schema::Collection& collection, std::string_view name,
                                        std::string_view param) {
    return fail(Error(Code::kInvalidArgument, "UNKNOWN_FIELD",
                      "Collection \"" + collection.name + "\" has no field \"" + std::string(name) +
                          "\" (in " + std::string(param) + ")")
                    .with_field(std::string(name)));
  }

  // `whole`: relations on the way are wanted with all their fields.
  Status add(Names& root, const schema::Collection& collection, std::string_view path,
             std::string_view param, bool whole) {
    const PathParts parts = parse_path(path);
    if (parts.names.size() > kMaxAppendDepth)
      return invalid("TOO_MANY_APPENDS", "\"" + std::string(path) + "\" nests too deeply");
    Names* at = &root;
    const schema::Collection* in = &collection;
    for (size_t i = 0; i < parts.names.size(); ++i) {
      const std::string_view name = parts.names[i];
      const bool last = i + 1 == parts.names.size();
      const schema::Field* field = in->find(name);
      if (field == nullptr) return unknown(*in, name, param);
      if (!field->relation) {
        if (!last)
          return unknown(*in, std::string(name) + "." + std::string(parts.names[i + 1]), param);
        // An attribute named in appends at the first level is already there.
        if (at != &root || !whole) add_name(at->only, name);
        return {};
      }
      TRY(in, relation_target(*call_.model, *field));
      at = &at->child(field->name);
      const bool next_is_attribute = !last && is_attribute(*in, parts.names[i + 1]);
      if (last || (whole && !next_is_attribute)) at->all = true;
      if (last && parts.recursive) at->recursive = true;
    }
    return {};
  }

  static bool is_attribute(const schema::Collection& collection, std::string_view name) {
    const schema::Field* field = collection.find(name);
    return field != nullptr && !field->relation;
  }
  static void add_name(std::vector<std::string_view>& names, std::string_view name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }

  static void add_except(Names& root, std::string_view path) {
    Names* at = &root;
    while (true) {
      const size_t dot = path.find('.');
      if (dot == std::string_view::npos) break;
      const auto it = std::ranges::find(at->children, path.substr(0, dot),
                                        [](const auto& child) { return child.first; });
      if (it == at->children.end()) return;
      at = it->second.get();
      path = path.substr(dot + 1);
    }
    at->except.push_back(path);
  }

  Result<Selection> resolve(const schema::Collection& collection, const Names& names) {
    Selection selection;
    selection.collection = &collection;
    auto excepted = [&](std::string_view name) {
      return std::ranges::find(names.except, name) != names.except.end();
    };
    auto take = [&](const schema::Field& field) {
      if (!field.relation && is_showable(field) && readable_.can_read(collection, field))
        selection.fields.push_back(&field);
    };
    if (names.all) {
      for (const schema::Field& field : collection.fields)
        if (!excepted(field.name)) take(field);
    } else {
      for (std::string_view name : names.only) take(*collection.find(name));
    }
    for (const auto& [name, child] : names.children) {
      if (excepted(name)) continue;
      const schema::Field& field = *collection.find(name);
      if (field.hidden || !readable_.can_read(collection, field)) continue;
      if (++appends_ > kMaxAppends)
        return invalid("TOO_MANY_APPENDS", "At most 100 associations can be appended");
      TRY(const schema::Collection* target, relation_target(*call_.model, field));
      TRY(Selection nested, resolve(*target, *child));
      const bool recursive = child->recursive && target == &collection;
      selection.appends.push_back(
          {&field, std::make_unique<Selection>(std::move(nested)), recursive});
    }
    return selection;
  }

  const Call& call_;
  Readable& readable_;
  size_t appends_ = 0;
};

}  // namespace

bool is_showable(const schema::Field& field) {
  return !field.hidden && !field.column.empty() && field.type != "password";
}

Result<Selection> select_fields(const Call& call, Readable& readable,
                                const schema::Collection& collection, const Params& params) {
  return Selector(call, readable).select(collection, params);
}

}  // namespace halcyon::data
