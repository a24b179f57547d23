// What every driver must do alike. Runs on each dialect (sql/testing.h).
#include "sql/testing.h"

namespace halcyon::sql {
namespace {

class Conformance : public testing::DatabaseTest {};

TEST_P(Conformance, RunsReadsAndWrites) {
  must("CREATE TABLE notes (id INTEGER PRIMARY KEY, body VARCHAR(200))");
  EXPECT_EQ(must("INSERT INTO notes (id, body) VALUES (?, ?)", {Value(1), Value("one")}).affected,
            1);
  Rows rows = must("SELECT body FROM notes WHERE id = ?", {Value(1)});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows.cell(0, 0).text(), "one");
}

HALCYON_INSTANTIATE_DIALECTS(Conformance);

}  // namespace
}  // namespace halcyon::sql
