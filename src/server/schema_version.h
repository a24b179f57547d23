// The migrations of this program, in order: the one list that decides its schema version.
//
// To add one: append it to the list in schema_version.cpp and raise kSchemaVersion. What the
// definitions of built-in collections can say (a new field or index, with "since": n) needs no
// migration of its own, only a number: give it an entry whose `run` does what else is to be done.
// Never change or reuse an entry that was released. How expand and contract work together:
// sql/migrations.h and docs/upgrading.md.
#pragma once

#include <functional>
#include <vector>

#include "schema/catalog.h"
#include "sql/migrations.h"

namespace halcyon::server {

// Of this program: the number of its last migration.
int schema_version();

// What migrations work with; must outlive the list.
struct MigrationParts {
  schema::Catalog& catalog;
  std::function<Task<Status>(const Context&)> seed_accounts, seed_settings;
};
std::vector<sql::Migration> migrations(const MigrationParts& parts);

// The newest version this program may have. No limit, but in the program that stands for the
// previous version in tests (tests/previous), which has its own definition of this function.
int schema_version_limit();

}  // namespace halcyon::server
