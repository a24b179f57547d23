#include "sql/database.h"

#include "sql/mysql/driver.h"
#include "sql/sqlite/driver.h"
#if __has_include("sql/postgres/driver.h")
#include "sql/postgres/driver.h"
#endif

namespace halcyon::sql {

Task<Result<std::unique_ptr<Database>>> open(const Options& options, runtime::IoPool& io) {
  switch (options.dialect) {
    case DialectKind::kSqlite:
      return sqlite::open_sqlite(options, io);
    case DialectKind::kPostgres:
#if __has_include("sql/postgres/driver.h")
      return postgres::open_postgres(options, io);
#else
      break;
#endif
    case DialectKind::kMysql:
    case DialectKind::kMariadb:
      return mysql::open_mysql(options, io);
  }
  return [](DialectKind) -> Task<Result<std::unique_ptr<Database>>> {
    co_return invalid("DB_DIALECT", "This build has no driver for the dialect.");
  }(options.dialect);
}

}  // namespace halcyon::sql
