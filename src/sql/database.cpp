#include "sql/database.h"

#include <stdexcept>

#include "sql/mysql/driver.h"
#include "sql/postgres/driver.h"
#include "sql/sqlite/driver.h"

namespace halcyon::sql {

Task<Result<std::unique_ptr<Database>>> open(const Options& options, runtime::IoPool& io) {
  switch (options.dialect) {
    case DialectKind::kSqlite:
      return sqlite::open_sqlite(options, io);
    case DialectKind::kPostgres:
      return postgres::open_postgres(options, io);
    case DialectKind::kMysql:
    case DialectKind::kMariadb:
      return mysql::open_mysql(options, io);
  }
  throw std::logic_error("no such dialect");
}

Task<Result<std::unique_ptr<Database>>> Database::open_beside(runtime::IoPool&) {
  co_return nullptr;
}

}  // namespace halcyon::sql
