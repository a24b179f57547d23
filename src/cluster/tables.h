// The tables of the cluster: names and definitions in one place.
//
// Every name begins with DB_TABLE_PREFIX + "halcyon_". Instants are 64-bit milliseconds since 1970
// by the database's clock (now_ms()), so that their arithmetic is the same on every dialect. Only
// the files of this module touch these tables. Each part describes its own in a function
// `<part>_tables`; specs() collects them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "schema/settings.h"
#include "sql/ast.h"
#include "sql/database.h"
#include "sql/ddl.h"

namespace halcyon::cluster {

class Tables {
 public:
  explicit Tables(schema::Settings settings) : settings_(std::move(settings)) {}
  // "members" -> the table reference of "<prefix>halcyon_members", alias "t".
  sql::TableRef operator[](std::string_view name) const;
  std::vector<sql::TableSpec> specs() const;
  // Makes what is missing, rows that must be there included; harmless when other processes do the
  // same at the same time.
  Task<Status> create(sql::Database& db, const Context& ctx) const;
  const schema::Settings& settings() const { return settings_; }

 private:
  schema::Settings settings_;
};

// members, messages, counter, worker_ids, locks.
std::vector<sql::TableSpec> core_tables(const schema::Settings& settings);

// The database's clock as milliseconds.
sql::Expr now_ms();

}  // namespace halcyon::cluster
