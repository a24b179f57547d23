// What to show: fields, appends and except (reference A.4) against the model and the grants.
//
//   TRY(Selection s, select_fields(call, readable, collection, params));
//
// Unknown names are 400 UNKNOWN_FIELD. Fields and associations the caller may not read are left
// out silently, as NocoBase intersects them; hidden fields never come out, nor do passwords.
// `a.b` in appends loads a (all its fields) and b below it; `a.title` in fields or appends loads
// only that attribute of a; `parent(recursively=true)` follows a relation to its own collection
// until its end.
#pragma once

#include <memory>
#include <vector>

#include "data/read/readable.h"

namespace halcyon::data {

struct Selection {
  struct Nested {
    const schema::Field* relation = nullptr;
    std::unique_ptr<Selection> selection;
    bool recursive = false;
  };
  const schema::Collection* collection = nullptr;
  std::vector<const schema::Field*> fields;
  std::vector<Nested> appends;
};

Result<Selection> select_fields(const Call& call, Readable& readable,
                                const schema::Collection& collection, const Params& params);

// May this field ever be shown to anyone?
bool is_showable(const schema::Field& field);

}  // namespace halcyon::data
