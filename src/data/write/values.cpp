#include "data/write/values.h"

#include <algorithm>
#include <array>

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;

// --- key rules ---

namespace {

bool names_or_enters(const std::vector<std::string>& list, std::string_view key) {
  return std::ranges::any_of(list, [&](const std::string& entry) {
    return entry == key ||
           (entry.size() > key.size() && entry[key.size()] == '.' && entry.starts_with(key));
  });
}

bool names(const std::vector<std::string>& list, std::string_view key) {
  return std::ranges::find(list, key) != list.end();
}

std::vector<std::string> below(const std::vector<std::string>& list, std::string_view key) {
  std::vector<std::string> rest;
  for (const std::string& entry : list) {
    if (entry.size() > key.size() + 1 && entry[key.size()] == '.' && entry.starts_with(key)) {
      rest.push_back(entry.substr(key.size() + 1));
    }
  }
  return rest;
}

}  // namespace

KeyRules::KeyRules(const Params& params, bool empty_means_all)
    : whitelist_(params.whitelist),
      blacklist_(params.blacklist.value_or(std::vector<std::string>{})),
      updatable_(params.update_association_values),
      all_updatable_(empty_means_all && params.update_association_values.empty()) {
  if (whitelist_ && whitelist_->empty()) whitelist_.reset();
}

bool KeyRules::lets_through(std::string_view key) const {
  if (names(blacklist_, key)) return false;
  return !whitelist_ || names_or_enters(*whitelist_, key);
}

bool KeyRules::may_update(std::string_view association) const {
  return all_updatable_ || names_or_enters(updatable_, association);
}

KeyRules KeyRules::child(std::string_view association) const {
  KeyRules rules;
  rules.blacklist_ = below(blacklist_, association);
  rules.updatable_ = below(updatable_, association);
  if (whitelist_) {
    auto inner = below(*whitelist_, association);
    if (!inner.empty()) rules.whitelist_ = std::move(inner);
  }
  return rules;
}

// --- reading ---

bool is_server_managed(const Field& field, const Collection& collection) {
  if (field.type == "context") return true;
  if (field.relation && field.relation->kind == schema::RelationKind::kBelongsTo) {
    const Field* key = collection.find(field.relation->foreign_key);
    return key != nullptr && key->type == "context";
  }
  static constexpr std::array<std::string_view, 3> kNames = {"createdAt", "updatedAt", "deletedAt"};
  if (std::ranges::find(kNames, field.name) == kNames.end()) return false;
  return field.implicit || field.interface == field.name ||
         (field.name == "deletedAt" && collection.paranoid);
}

namespace {

Error not_writable(const Collection& collection, std::string_view field) {
  return Error(Code::kPermissionDenied, "FIELD_NOT_WRITABLE",
               "Your role may not write field \"" + std::string(field) + "\" of \"" +
                   collection.name + "\".")
      .with_field(std::string(field));
}

Error first_with_rest(std::vector<Error> errors) {
  Error first = std::move(errors.front());
  for (size_t i = 1; i < errors.size(); ++i) first.more.push_back(std::move(errors[i]));
  return first;
}

bool is_granted(const Grant& grant, std::string_view field) {
  return !grant.fields || names(*grant.fields, field);
}

class Reader {
 public:
  Reader(const Session& session, const Collection& collection, const ReadOptions& options)
      : session_(session), collection_(collection), options_(options) {}

  Result<Values> read(const json::Object& input) {
    for (const auto& [name, value] : input) take(std::string_view(name.data(), name.size()), value);
    if (options_.creating) {
      for (const Field& field : collection_.fields) check_missing(field, input);
    }
    if (!errors_.empty()) return fail(first_with_rest(std::move(errors_)));
    return std::move(values_);
  }

 private:
  // Keys that come back from reads and mean nothing in a write.
  bool is_tolerated(std::string_view name) const {
    if (name.starts_with("__") || name == options_.ignored) return true;
    const Collection* other = session_.model().find(name);
    return other != nullptr && other->is_through;
  }

  void take(std::string_view name, const json::Value& value) {
    if (!options_.rules->lets_through(name)) return;
    const Field* field = collection_.find(name);
    if (field == nullptr) {
      if (!is_tolerated(name)) {
        errors_.push_back(schema::unknown_field(collection_, name).with_field(std::string(name)));
      }
      return;
    }
    if (is_server_managed(*field, collection_)) return;
    // A record's key never changes; clients send it back with the rest.
    if (!options_.creating && field->primary_key) return;
    if (field->primary_key && field->auto_increment && value.is_null()) return;
    const bool granted = is_granted(*options_.grant, name);
    if (!granted && (options_.creating || field->relation)) {
      errors_.push_back(not_writable(collection_, name));
      return;
    }
    if (!holds_rules(*field, value)) return;
    if (field->relation) {
      values_.links.push_back({field, &value});
      return;
    }
    if (field->column.empty()) return;
    auto parsed = field->kind->parse(*field, value, session_.value_context());
    if (!parsed) {
      errors_.push_back(std::move(parsed).error());
      return;
    }
    if (!granted) values_.refused.push_back(field);
    values_.row.insert_or_assign(field->name, *std::move(parsed));
  }

  // One error a field: the first rule that fails.
  bool holds_rules(const Field& field, const json::Value& value) {
    auto failed = schema::check_rules(field, value, options_.creating);
    if (failed.empty()) return true;
    errors_.push_back(std::move(failed.front()));
    return false;
  }

  // A relation and its foreign key stand for each other; the server may have set either.
  bool is_given_otherwise(const Field& field, const json::Object& input) const {
    auto has = [&](const std::string& name) {
      return input.contains(name) ||
             (options_.preset != nullptr && options_.preset->contains(name));
    };
    if (has(field.name)) return true;
    if (field.relation) {
      return field.relation->kind == schema::RelationKind::kBelongsTo &&
             has(field.relation->foreign_key);
    }
    return std::ranges::any_of(collection_.fields, [&](const Field& other) {
      return other.relation && other.relation->kind == schema::RelationKind::kBelongsTo &&
             other.relation->foreign_key == field.name && has(other.name);
    });
  }

  void check_missing(const Field& field, const json::Object& input) {
    if (field.rules.empty() || is_given_otherwise(field, input)) return;
    if (is_server_managed(field, collection_)) return;
    holds_rules(field, nullptr);
  }

  const Session& session_;
  const Collection& collection_;
  const ReadOptions& options_;
  Values values_;
  std::vector<Error> errors_;
};

}  // namespace

Result<Values> read_values(const Session& session, const Collection& collection,
                           const json::Object& input, const ReadOptions& options) {
  return Reader(session, collection, options).read(input);
}

Status check_refused(const Collection& collection, const Values& values, const Row& previous) {
  for (const Field* field : values.refused) {
    if (!same_value(value_of(values.row, field->name), value_of(previous, field->name))) {
      return fail(not_writable(collection, field->name));
    }
  }
  return {};
}

// --- defaults and hooks ---

namespace {

constexpr int kLastHookRank = 5;
int hook_rank(const Field& field) {
  static constexpr std::array<std::string_view, 4> kGenerated = {"uid", "uuid", "nanoid",
                                                                 "snowflakeId"};
  if (field.type == "context") return 0;
  if (std::ranges::find(kGenerated, field.type) != kGenerated.end()) return 1;
  if (field.type == "sort") return 3;
  if (field.type == "sequence") return 4;
  if (field.type == "formula") return 5;
  return 2;
}

std::string scope_key_of(const Field& sort) { return json::get_string(sort.options, "scopeKey"); }

std::string sort_memory_key(const Field& sort, const Row& values) {
  const std::string scope = scope_key_of(sort);
  return sort.name + '\0' + (scope.empty() ? "" : value_text(value_of(values, scope)));
}

}  // namespace

std::vector<const Field*> save_hooks(const Collection& collection) {
  std::vector<const Field*> hooks;
  for (int rank = 0; rank <= kLastHookRank; ++rank) {
    for (const Field& field : collection.fields) {
      if (hook_rank(field) == rank && field.kind->has_before_save(field)) hooks.push_back(&field);
    }
  }
  return hooks;
}

bool needs_single_rows(const Collection& collection) {
  return std::ranges::any_of(collection.fields,
                             [](const Field& field) { return field.type == "radio"; });
}

Task<Status> run_hooks(Session& session, const Collection& collection,
                       const std::vector<const Field*>& hooks, Row& values, const Row* previous,
                       SortMemory* memory) {
  for (const Field* field : hooks) {
    const bool remembers = memory != nullptr && previous == nullptr && field->type == "sort";
    if (remembers && !is_given(values, field->name)) {
      auto it = memory->find(sort_memory_key(*field, values));
      if (it != memory->end()) {
        values.insert_or_assign(field->name, sql::Value(++it->second));
        continue;
      }
    }
    schema::FieldWrite write{session.call.ctx, session.tx(), session.model(),
                             collection,       *field,       previous == nullptr,
                             session.state,    values,       previous};
    CO_TRY_STATUS(co_await field->kind->before_save(write));
    if (remembers) {
      if (const auto* sort = std::get_if<int64_t>(&value_of(values, field->name).data)) {
        int64_t& last = (*memory)[sort_memory_key(*field, values)];
        last = std::max(last, *sort);
      }
    }
  }
  co_return Status{};
}

Status apply_defaults(const Session& session, const Collection& collection, Row& values) {
  for (const Field& field : collection.fields) {
    if (field.column.empty() || field.default_value.is_null()) continue;
    if (values.contains(field.name)) continue;
    TRY(sql::Value value, field.kind->parse(field, field.default_value, session.value_context()));
    values.emplace(field.name, std::move(value));
  }
  return {};
}

Status check_complete(const Collection& collection, const Row& values) {
  std::vector<Error> errors;
  for (const Field& field : collection.fields) {
    if (field.column.empty() || field.nullable || field.auto_increment) continue;
    if (is_given(values, field.name)) continue;
    errors.push_back(
        Error(Code::kInvalidArgument, "NOT_NULL_VIOLATION",
              "\"" + title_of(field) + "\" of \"" + collection.name + "\" is required.")
            .with_field(field.name)
            .with_expected("a value"));
  }
  if (errors.empty()) return {};
  return fail(first_with_rest(std::move(errors)));
}

// --- permissions ---

Error no_permission(const Collection& collection, std::string_view action) {
  return Error(Code::kPermissionDenied, "NO_PERMISSION", "No permissions")
      .with_internal(std::string(action) + " on " + collection.name);
}

Result<Grant> writable(const Session& session, const Collection& collection,
                       std::string_view action) {
  if (collection.read_only()) {
    return fail(Code::kInvalidArgument, "COLLECTION_READ_ONLY",
                "Collection \"" + collection.name + "\" is read-only.");
  }
  Grant grant = session.call.permissions.grant(collection, action);
  if (!grant.allowed) return fail(no_permission(collection, action));
  return grant;
}

}  // namespace halcyon::data::write
