// Which fields the caller may see, per collection, from the grants for "view" (reference F.6).
//
// Primary key, createdAt, updatedAt and createdById are always readable. Of a related collection
// that may not be viewed at all, the label remains: its keys and title field, so that a relation
// the caller may see still shows something. One Readable serves one request.
#pragma once

#include <map>
#include <string>

#include "data/request.h"

namespace halcyon::data {

class Readable {
 public:
  explicit Readable(const Permissions& permissions) : permissions_(permissions) {}

  const Grant& grant(const schema::Collection& collection);
  // May the caller read this field or follow this relation?
  bool can_read(const schema::Collection& collection, const schema::Field& field);
  // May it be filtered and sorted by? As can_read, and never secrets such as password hashes.
  bool can_probe(const schema::Collection& collection, const schema::Field& field);

 private:
  struct Rights {
    Grant grant;
    StringMap<bool> names;
  };
  const Rights& rights(const schema::Collection& collection);

  const Permissions& permissions_;
  std::map<const schema::Collection*, Rights> cache_;
};

// 403 NO_PERMISSION unless the caller may view the collection at all.
Status check_view(Readable& readable, const schema::Collection& collection);
std::unexpected<Error> not_readable(std::string path);

}  // namespace halcyon::data
