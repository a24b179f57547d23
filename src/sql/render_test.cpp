// Golden texts for each node on each dialect, and properties of rendering.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "sql/dialect.h"
#include "sql/sqlite/dialect.h"
#include "sql/text_util.h"

namespace halcyon::sql {
namespace {

std::string text_of(const Expr& expr, const Dialect& dialect) {
  Rendering out;
  render_expr(out, *expr, dialect);
  return out.text;
}

struct Texts {
  std::string postgres, sqlite, mysql, mariadb;
};
void expect_texts(const Expr& expr, const Texts& texts) {
  EXPECT_EQ(text_of(expr, postgres_dialect()), texts.postgres);
  EXPECT_EQ(text_of(expr, sqlite_dialect()), texts.sqlite);
  EXPECT_EQ(text_of(expr, mysql_dialect()), texts.mysql);
  EXPECT_EQ(text_of(expr, mariadb_dialect()), texts.mariadb.empty() ? texts.mysql : texts.mariadb);
}

Expr x() { return column("t", "x"); }

TEST(Render, SelectWithEverything) {
  Select q;
  q.from = table("orders", "o", "app");
  q.columns = {{column("o", "id"), "id"}, {call(Fn::kCount), "n"}};
  q.joins.push_back({true, table("users", "u"), eq(column("u", "id"), column("o", "userId"))});
  q.where = and_also(eq(column("o", "state"), param(Value("paid"))),
                     make(In{column("o", "id"), {param(Value(1)), param(Value(2))}, false}));
  q.group_by = {column("o", "id")};
  q.order_by = {{column("o", "id"), false, Nulls::kLast}, {column("u", "name"), true}};
  q.limit = 20;
  q.offset = 40;
  Statement pg = render(q, postgres_dialect());
  EXPECT_EQ(pg.text, R"(SELECT "o"."id" AS "id", count(*) AS "n" FROM "app"."orders" AS "o" )"
                     R"(LEFT JOIN "users" AS "u" ON ("u"."id" = "o"."userId") )"
                     R"(WHERE (("o"."state" = $1) AND ("o"."id" IN ($2, $3))) GROUP BY "o"."id" )"
                     R"(ORDER BY "o"."id", "u"."name" DESC NULLS LAST LIMIT 20 OFFSET 40)");
  ASSERT_EQ(pg.params.size(), 3u);
  EXPECT_FALSE(pg.is_write);
  EXPECT_EQ(render(q, sqlite_dialect()).text,
            "SELECT `o`.`id` AS `id`, count(*) AS `n` FROM `orders` AS `o` LEFT JOIN `users` AS "
            "`u` ON (`u`.`id` = `o`.`userId`) WHERE ((`o`.`state` = ?) AND (`o`.`id` IN (?, ?))) "
            "GROUP BY `o`.`id` ORDER BY `o`.`id` NULLS LAST, `u`.`name` DESC LIMIT ? OFFSET ?");
  EXPECT_EQ(render(q, mariadb_dialect()).text,
            "SELECT `o`.`id` AS `id`, COUNT(*) AS `n` FROM `orders` AS `o` LEFT JOIN `users` AS "
            "`u` ON (`u`.`id` = `o`.`userId`) WHERE ((`o`.`state` = ?) AND (`o`.`id` IN (?, ?))) "
            "GROUP BY `o`.`id` ORDER BY ISNULL(`o`.`id`), `o`.`id`, `u`.`name` DESC LIMIT ? "
            "OFFSET ?");
}

TEST(Render, QuotesAreDoubled) {
  Expr odd = column("a\"b", "c`d");
  expect_texts(odd, {R"("a""b"."c`d")", "`a\"b`.`c``d`", "`a\"b`.`c``d`", ""});
}

TEST(Render, EmptyLists) {
  expect_texts(make(In{x(), {}, false}), {"FALSE", "FALSE", "FALSE", ""});
  expect_texts(make(In{x(), {}, true}), {"TRUE", "TRUE", "TRUE", ""});
  expect_texts(all_of({}), {"TRUE", "TRUE", "TRUE", ""});
  expect_texts(any_of({}), {"FALSE", "FALSE", "FALSE", ""});
}

TEST(Render, LikeEscapesItsNeedle) {
  Expr like = make(Like{x(), "50%_\\", LikeKind::kContains, true, false});
  expect_texts(
      like,
      {R"((CAST("t"."x" AS text) ILIKE $1 ESCAPE '\'))",
       R"((halcyon_fold(`t`.`x`) LIKE halcyon_fold(?) ESCAPE '\'))",
       R"((LOWER(CAST(`t`.`x` AS CHAR)) LIKE LOWER(?) COLLATE utf8mb4_bin ESCAPE '\\'))", ""});
  EXPECT_EQ(like_pattern(std::get<Like>(like->node)), R"(%50\%\_\\%)");
  EXPECT_EQ(like_pattern({x(), "a%", LikeKind::kStartsWith, false, false}), R"(a\%%)");
  EXPECT_EQ(like_pattern({x(), "a", LikeKind::kEndsWith, false, false}), "%a");
  EXPECT_EQ(like_pattern({x(), "a%\\", LikeKind::kPattern, false, false}), R"(a%\\)");
  EXPECT_EQ(like_pattern({x(), "\\\\", LikeKind::kPattern, false, false}), R"(\\)");
}

TEST(Render, UpsertTakesTheProposedRow) {
  Insert insert;
  insert.table = table("counters", "c");
  insert.columns = {"k", "n"};
  insert.rows = {{param(Value("a")), param(Value(1))}};
  insert.conflict_columns = {"k"};
  insert.on_conflict_set = {
      {"n", binary(BinaryOp::kAdd, column("c", "n"), column("excluded", "n"))}};
  insert.returning = {"n"};
  EXPECT_EQ(render(insert, postgres_dialect()).text,
            R"(INSERT INTO "counters" AS "c" ("k", "n") VALUES ($1, $2) ON CONFLICT ("k") DO )"
            R"(UPDATE SET "n" = ("c"."n" + excluded."n") RETURNING "n")");
  EXPECT_EQ(render(insert, sqlite_dialect()).text,
            "INSERT INTO `counters` AS `c` (`k`, `n`) VALUES (?, ?) ON CONFLICT (`k`) DO UPDATE "
            "SET `n` = (`c`.`n` + excluded.`n`) RETURNING `n`");
  EXPECT_EQ(render(insert, mysql_dialect()).text,
            "INSERT INTO `counters` (`k`, `n`) VALUES (?, ?) ON DUPLICATE KEY UPDATE `n` = (`n` + "
            "VALUES(`n`))");
  EXPECT_TRUE(render(insert, mysql_dialect()).is_write);
}

// Usual pages are literals, so that a prepared statement is planned for its limit; far and odd ones
// are parameters, so that there are few texts.
TEST(Render, PagesThatAreFarOffAreParametersOnPostgres) {
  Select q;
  q.from = table("t", "t");
  q.columns.push_back({column("t", "id"), "id"});
  auto tail = [&](int64_t limit, int64_t offset) {
    q.limit = limit;
    q.offset = offset;
    const std::string text = render(q, postgres_dialect()).text;
    return text.substr(text.find("LIMIT"));
  };
  EXPECT_EQ(tail(20, 200), "LIMIT 20 OFFSET 200");
  EXPECT_EQ(tail(20, 220), "LIMIT 20 OFFSET $1");
  EXPECT_EQ(tail(20, 7), "LIMIT 20 OFFSET $1");
  EXPECT_EQ(tail(5000, 0), "LIMIT $1 OFFSET $2");
}

TEST(Render, UpdateAndDeleteWithAlias) {
  Select inner;
  inner.from = table("tasks", "i");
  inner.columns = {{column("i", "id"), ""}};
  inner.limit = 5;
  Expr mine = make(InSelect{{column("t", "id")}, std::make_shared<Select>(inner), false});
  Update update{table("tasks", "t"), {{"done", boolean(true)}}, mine, {"id"}};
  EXPECT_EQ(render(update, postgres_dialect()).text,
            R"(UPDATE "tasks" AS "t" SET "done" = TRUE WHERE ("t"."id" IN (SELECT "i"."id" FROM )"
            R"("tasks" AS "i" LIMIT 5)) RETURNING "id")");
  EXPECT_EQ(render(update, mysql_dialect()).text,
            "UPDATE `tasks` AS `t` SET `done` = TRUE WHERE (`t`.`id` IN (SELECT /*+ "
            "NO_MERGE(`halcyon_in`) */ * FROM (SELECT `i`.`id` FROM `tasks` AS `i` LIMIT ?) AS "
            "`halcyon_in`))");
  Delete remove{table("tasks", "t"), eq(column("t", "id"), param(Value(1)))};
  EXPECT_EQ(render(remove, sqlite_dialect()).text,
            "DELETE FROM `tasks` AS `t` WHERE (`t`.`id` = ?)");
  EXPECT_EQ(render(remove, mariadb_dialect()).text,
            "DELETE `t` FROM `tasks` AS `t` WHERE (`t`.`id` = ?)");
}

TEST(Render, RawTablesAndRecursion) {
  Select q;
  q.from.alias = "s";
  q.from.raw_sql = "SELECT 1 AS a; -- one ;\n;";
  q.columns = {{column("s", "a"), "a"}};
  EXPECT_EQ(render(q, postgres_dialect()).text,
            "SELECT \"s\".\"a\" AS \"a\" FROM (SELECT 1 AS a\n) AS \"s\"");
  EXPECT_EQ(trim_statement("SELECT '; -- ' ; /* x */ -- y"), "SELECT '; -- '");
  EXPECT_EQ(trim_statement("SELECT 'it''s' -- ;\n, 2"), "SELECT 'it''s' -- ;\n, 2");
  EXPECT_EQ(trim_statement(" ; "), "");
  auto first = std::make_shared<Select>(), next = std::make_shared<Select>();
  first->columns = {{param(Value(1)), ""}};
  next->from = table("tree", "t");
  next->columns = {{column("t", "id"), ""}};
  Select tree;
  tree.with = {{"c", {"id"}, first, next}};
  tree.from = table("c", "c");
  tree.columns = {{column("c", "id"), "id"}};
  EXPECT_EQ(render(tree, sqlite_dialect()).text,
            "WITH RECURSIVE `c` (`id`) AS (SELECT ? UNION SELECT `t`.`id` FROM `tree` AS `t`) "
            "SELECT `c`.`id` AS `id` FROM `c` AS `c`");
}

TEST(Render, SqliteStoresTimestampsInOneForm) {
  auto stored = [](std::string_view text, Type type) {
    Rendering out;
    sqlite_dialect().placeholder(out, Value(text, type));
    return std::get<std::string>(out.params[0].data);
  };
  EXPECT_EQ(stored("2026-01-31 10:00:00", Type::kTimestampTz), "2026-01-31 10:00:00.000 +00:00");
  EXPECT_EQ(stored("2026-01-31T10:00:00.5Z", Type::kTimestampTz), "2026-01-31 10:00:00.500 +00:00");
  EXPECT_EQ(stored("2026-01-01T01:00:00+02:00", Type::kTimestampTz),
            "2025-12-31 23:00:00.000 +00:00");
  EXPECT_EQ(stored("2026-01-31 10:00:00", Type::kTimestamp), "2026-01-31 10:00:00.000");
  EXPECT_EQ(stored("soon", Type::kTimestampTz), "soon");
}

TEST(Render, DecimalsCompareAsNumbers) {
  using sqlite::compare_decimal;
  const char* ascending[] = {"-1e3", "-12.5", "-0.5", "0", "0.05", "0.5", "5", "9.99", "10", "1e2"};
  for (size_t i = 0; i < std::size(ascending); ++i) {
    for (size_t j = 0; j < std::size(ascending); ++j) {
      int expected = i < j ? -1 : i > j ? 1 : 0;
      EXPECT_EQ(compare_decimal(ascending[i], ascending[j]), expected)
          << ascending[i] << " " << ascending[j];
    }
  }
  EXPECT_EQ(compare_decimal("1.50", "+01.5"), 0);
  EXPECT_EQ(compare_decimal("-0", "0.000"), 0);
  EXPECT_EQ(compare_decimal("0.001", "1e-3"), 0);
  EXPECT_EQ(compare_decimal("12345678901234567890.1", "12345678901234567890.2"), -1);
  EXPECT_EQ(compare_decimal("7", "seven"), -1);
}

// Random trees: the same text each time, and a placeholder for each parameter.
Expr random_expr(std::mt19937& rng, int depth) {
  auto pick = [&](unsigned n) { return rng() % n; };
  auto inner = [&] { return random_expr(rng, depth - 1); };
  if (depth == 0) {
    switch (pick(3)) {
      case 0:
        return column("t", "c");
      case 1:
        return param(Value(static_cast<int64_t>(pick(100))));
      default:
        return param(Value("v"));
    }
  }
  switch (pick(11)) {
    case 0:
      return binary(static_cast<BinaryOp>(pick(11)), inner(), inner());
    case 1:
      return negate(inner());
    case 2:
      return make(Logic{pick(2) == 0, {inner(), inner()}});
    case 3:
      return make(In{inner(), {inner(), inner()}, pick(2) == 0});
    case 4:
      return make(Like{inner(), "n", static_cast<LikeKind>(pick(4)), pick(2) == 0, false});
    case 5:
      return call(
          static_cast<Fn>(static_cast<int>(Fn::kJsonArrayContains) + static_cast<int>(pick(3))),
          {inner(), param(Value("[1]", Type::kJson))});
    case 6:
      return make(Cast{inner(), static_cast<Type>(1 + pick(15))});
    case 7:
      return make(Case{{{inner(), inner()}}, inner()});
    case 8:
      return call(Fn::kDateFormat, {inner(), param(Value("YYYY-Q W")), param(Value(60))});
    case 9: {
      auto select = std::make_shared<Select>();
      select->from = table("u", "u");
      select->where = inner();
      select->limit = 3;
      select->columns = {{inner(), ""}};
      return make(InSelect{{inner()}, select, false});
    }
    default:
      return is_null(inner());
  }
}

TEST(Render, IsDeterministicAndHasAPlaceholderForEachParameter) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 rng(seed);
    Expr expr = random_expr(rng, 4);
    for (const Dialect* dialect :
         {&postgres_dialect(), &sqlite_dialect(), &mysql_dialect(), &mariadb_dialect()}) {
      Select q;
      q.from = table("t", "t");
      q.where = expr;
      q.limit = 1;
      Statement once = render(q, *dialect), again = render(q, *dialect);
      ASSERT_EQ(once.text, again.text);
      ASSERT_EQ(once.params, again.params);
      char mark = dialect->name() == "postgres" ? '$' : '?';
      ASSERT_EQ(static_cast<size_t>(std::ranges::count(once.text, mark)), once.params.size())
          << once.text;
    }
  }
}

}  // namespace
}  // namespace halcyon::sql
