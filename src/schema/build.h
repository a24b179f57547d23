// Works definitions out into a Snapshot: defaults, implicit fields (id, times, foreign keys),
// relations' keys, through collections, indexes, physical names. A pure function of its input.
//
//   Build build = build_snapshot(settings, merge(builtin, stored));
//   if (!build.problems.empty()) ...   // each names collection and field
//
// A definition that cannot be worked out (its target is missing, its type unknown) is left out of
// the snapshot and reported as a problem: a change that makes a problem is refused, but a stored
// one must not keep the server from starting.
#pragma once

#include <memory>
#include <vector>

#include "schema/definitions.h"
#include "schema/model.h"
#include "schema/settings.h"

namespace halcyon::schema {

struct Build {
  std::shared_ptr<Snapshot> snapshot;
  std::vector<Error> problems;
};

Build build_snapshot(const Settings& settings,
                     const std::vector<CollectionDefinition>& definitions);

// One field from its definition, without what depends on others. Error: unknown type or options.
Result<Field> build_field(const json::Object& options, bool underscored);

}  // namespace halcyon::schema
