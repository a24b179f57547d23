#include "data/read/readable.h"

#include <algorithm>

namespace halcyon::data {
namespace {

class Unrestricted : public Permissions {
 public:
  Grant grant(const schema::Collection&, std::string_view) const override {
    Grant all;
    all.allowed = true;
    return all;
  }
};

bool always_readable(const schema::Collection& collection, const schema::Field& field) {
  return field.primary_key ||
         std::ranges::find(collection.primary_key, field.name) != collection.primary_key.end() ||
         field.name == "createdAt" || field.name == "updatedAt" || field.name == "createdById";
}

}  // namespace

const Permissions& unrestricted() {
  static const Unrestricted all;
  return all;
}

const Readable::Rights& Readable::rights(const schema::Collection& collection) {
  auto it = cache_.find(&collection);
  if (it != cache_.end()) return it->second;
  Rights rights;
  rights.grant = permissions_.grant(collection, "view");
  if (rights.grant.fields)
    for (const std::string& name : *rights.grant.fields) rights.names.emplace(name, true);
  return cache_.emplace(&collection, std::move(rights)).first->second;
}

const Grant& Readable::grant(const schema::Collection& collection) {
  return rights(collection).grant;
}

bool Readable::can_read(const schema::Collection& collection, const schema::Field& field) {
  const Rights& known = rights(collection);
  if (known.grant.allowed && !known.grant.fields) return true;
  if (always_readable(collection, field)) return true;
  if (known.grant.allowed) return known.names.contains(field.name);
  const auto& keys = collection.filter_target_key;
  return field.name == collection.title_field || std::ranges::find(keys, field.name) != keys.end();
}

bool Readable::can_probe(const schema::Collection& collection, const schema::Field& field) {
  return field.type != "password" && field.type != "encryption" && can_read(collection, field);
}

Status check_view(Readable& readable, const schema::Collection& collection) {
  if (readable.grant(collection).allowed) return {};
  return fail(Error(Code::kPermissionDenied, "NO_PERMISSION", "No permissions")
                  .with_internal("view on " + collection.name));
}

std::unexpected<Error> not_readable(std::string path) {
  return fail(Error(Code::kPermissionDenied, "FIELD_NOT_READABLE",
                    "You may not filter or sort by \"" + path + "\"")
                  .with_field(path));
}

}  // namespace halcyon::data
