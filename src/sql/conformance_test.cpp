// What every driver must do alike: values, errors, statements. Runs on each dialect.
#include "sql/conformance.h"

#include <cmath>
#include <limits>

#include "base/text.h"
#include "sql/cell_buffer.h"

namespace halcyon::sql {
namespace {

using Texts = std::vector<std::string>;
class ConformanceTest : public Conformance {
 protected:
  // Writes `value` into a column of `type` and returns the cell that comes back.
  void expect_round_trip(const ColumnSpec& spec, const std::vector<Value>& values,
                         const Texts& expected) {
    create({spec});
    for (size_t i = 0; i < values.size(); ++i) {
      must("INSERT INTO t (id, v) VALUES (?, ?)", {Value(static_cast<int64_t>(i)), values[i]});
    }
    Rows rows = must("SELECT v FROM t ORDER BY id");
    ASSERT_EQ(rows.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_FALSE(rows.cell(i, 0).is_null()) << i;
      EXPECT_EQ(rows.cell(i, 0).text(), expected[i]) << i;
    }
  }
  void expect_same(const ColumnSpec& spec, const Texts& texts) {
    std::vector<Value> values;
    for (const std::string& text : texts) values.emplace_back(text, spec.type.type);
    expect_round_trip(spec, values, texts);
  }
};

TEST_P(ConformanceTest, Integers) {
  std::vector<int64_t> numbers{0,
                               -1,
                               (int64_t{1} << 53) - 1,
                               int64_t{1} << 53,
                               (int64_t{1} << 53) + 1,
                               std::numeric_limits<int64_t>::max(),
                               std::numeric_limits<int64_t>::min()};
  std::vector<Value> values;
  Texts texts;
  for (int64_t number : numbers) {
    values.emplace_back(number);
    texts.push_back(std::to_string(number));
  }
  expect_round_trip(column_spec("v", Type::kInt64), values, texts);
}

TEST_P(ConformanceTest, SmallIntegers) {
  expect_round_trip(
      column_spec("v", Type::kInt32),
      {Value(std::numeric_limits<int32_t>::max()), Value(std::numeric_limits<int32_t>::min())},
      {"2147483647", "-2147483648"});
}

TEST_P(ConformanceTest, Booleans) {
  create({column_spec("v", Type::kBoolean)});
  must("INSERT INTO t (id, v) VALUES (1, ?), (2, ?)", {Value(true), Value(false)});
  Rows rows = must("SELECT v FROM t ORDER BY id");
  EXPECT_TRUE(rows.cell(0, 0).text() == "true" || rows.cell(0, 0).text() == "1");
  EXPECT_TRUE(rows.cell(1, 0).text() == "false" || rows.cell(1, 0).text() == "0");
}

TEST_P(ConformanceTest, DoublesComeBackShortestAndExact) {
  std::vector<double> numbers{0.1,
                              1.0 / 3,
                              5,
                              -2.5,
                              1e15,
                              123456789012345.0,
                              1e-5,
                              0.0001,
                              2e22,
                              9007199254740993.0,
                              1.7976931348623157e308,
                              2.2250738585072014e-308};
  std::vector<Value> values;
  Texts texts;
  for (double number : numbers) {
    values.emplace_back(number);
    texts.push_back(double_text(number));
  }
  expect_round_trip(column_spec("v", Type::kDouble), values, texts);
  Rows rows = must("SELECT v FROM t ORDER BY id");
  for (size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(to_double(rows.cell(i, 0).text()), numbers[i]);
  }
}

TEST(CellText, DoublesLookAsPostgresPrintsThem) {
  EXPECT_EQ(double_text(0), "0");
  EXPECT_EQ(double_text(-0.0), "-0");
  EXPECT_EQ(double_text(1e14), "100000000000000");
  EXPECT_EQ(double_text(1e15), "1e+15");
  EXPECT_EQ(double_text(9007199254740992.0), "9.007199254740992e+15");
  EXPECT_EQ(double_text(0.0001), "0.0001");
  EXPECT_EQ(double_text(0.00001), "1e-05");
  EXPECT_EQ(double_text(-123.456), "-123.456");
  EXPECT_EQ(double_text(1e300), "1e+300");
  EXPECT_EQ(double_text(std::numeric_limits<double>::infinity()), "Infinity");
  EXPECT_EQ(double_text(std::nan("")), "NaN");
  EXPECT_EQ(float_text(0.1f), "0.1");
}

TEST_P(ConformanceTest, DecimalsKeepThirtyDigits) {
  ColumnSpec spec = column_spec("v", Type::kDecimal);
  spec.type.precision = 40;
  spec.type.scale = 10;
  expect_same(spec, {"12345678901234567890.0123456789", "-0.0000000001",
                     "999999999999999999999999999999.9999999999"});
  // Compared as numbers, digit by digit.
  EXPECT_EQ(number("SELECT count(*) FROM t WHERE v = ?",
                   {Value("12345678901234567890.0123456789", Type::kDecimal)}),
            1);
  EXPECT_EQ(number("SELECT count(*) FROM t WHERE v > ?",
                   {Value("999999999999999999999999999999.9999999998", Type::kDecimal)}),
            1);
}

TEST_P(ConformanceTest, TextOfAllKinds) {
  std::string long_text;
  for (int i = 0; i < 100'000; ++i) long_text += "0123456789";
  ColumnSpec spec = column_spec("v", Type::kText);
  spec.type.text_size = "long";
  expect_same(spec, {"", " ", "trailing  ", "it's \"quoted\" `so`", R"(back\slash \n \' %_ \\)",
                     "line\nbreak\ttab\r\n", "Grüße, 日本語, العربية",
                     "emoji 👩‍👩‍👧 🏳️‍🌈", "$1 ? :name --", long_text});
}

TEST_P(ConformanceTest, EmptyTextIsNotNull) {
  create({column_spec("v", Type::kText)});
  must("INSERT INTO t (id, v) VALUES (1, ?), (2, ?)", {Value(""), Value(Null{}, Type::kText)});
  Rows rows = must("SELECT v FROM t ORDER BY id");
  EXPECT_FALSE(rows.cell(0, 0).is_null());
  EXPECT_EQ(rows.cell(0, 0).length, 0);
  EXPECT_TRUE(rows.cell(1, 0).is_null());
  EXPECT_EQ(number("SELECT count(*) FROM t WHERE v IS NULL"), 1);
}

TEST_P(ConformanceTest, NulInTextIsKeptOrRefused) {
  create({column_spec("v", Type::kText)});
  std::string text("a\0b", 3);
  Result<Rows> written = run("INSERT INTO t (id, v) VALUES (1, ?)", {Value(text)});
  if (!written) {
    EXPECT_EQ(written.error().id, "INVALID_VALUE") << written.error().internal;
    EXPECT_EQ(number("SELECT count(*) FROM t"), 0);
  } else {
    EXPECT_EQ(must("SELECT v FROM t").cell(0, 0).text(), text);
  }
}

TEST_P(ConformanceTest, BytesOfAllValues) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  expect_same(column_spec("v", Type::kBytes), {bytes, "", std::string(3, '\0'), bytes + bytes});
}

// MySQL's JSON type keeps the value and not the text: keys come back in its own order.
TEST_P(ConformanceTest, JsonKeepsItsText) {
  const std::string text = R"({"b":1,"a":[true,null,"x\"y\\z","é👍"]})";
  const std::string kept =
      on(DialectKind::kMysql) ? R"({"a": [true, null, "x\"y\\z", "é👍"], "b": 1})" : text;
  std::vector<Value> values;
  for (const std::string& each :
       {text, std::string("[]"), std::string("\"text\""), std::string("12.5")}) {
    values.emplace_back(each, Type::kJson);
  }
  expect_round_trip(column_spec("v", Type::kJson), values, {kept, "[]", "\"text\"", "12.5"});
}

TEST_P(ConformanceTest, Dates) {
  expect_same(column_spec("v", Type::kDate),
              {"1969-12-31", "2024-02-29", "9999-12-31", "1582-10-15", "1000-01-01"});
}

TEST_P(ConformanceTest, TimestampsKeepMilliseconds) {
  for (Type type : {Type::kTimestamp, Type::kTimestampTz}) {
    ColumnSpec spec = column_spec("v", type);
    spec.type.precision = 3;
    create({spec});
    Texts texts{"2026-01-31 10:00:00.123", "1969-12-31 23:59:59.999", "9999-12-31 23:59:59.001"};
    for (size_t i = 0; i < texts.size(); ++i) {
      must("INSERT INTO t (id, v) VALUES (?, ?)",
           {Value(static_cast<int64_t>(i)), Value(texts[i], type)});
    }
    Rows rows = must("SELECT v FROM t ORDER BY id");
    for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(rows.cell(i, 0).text(), texts[i]);
    // With and without a fraction it is the same moment.
    must("INSERT INTO t (id, v) VALUES (9, ?)", {Value("2020-05-05 05:05:05", type)});
    EXPECT_EQ(
        number("SELECT count(*) FROM t WHERE v = ?", {Value("2020-05-05 05:05:05.000", type)}), 1);
    EXPECT_TRUE(must("SELECT max(v) FROM t WHERE id = 9")
                    .cell(0, 0)
                    .text()
                    .starts_with("2020-05-05 05:05:05"));
    EXPECT_FALSE(must("SELECT max(v) FROM t").cell(0, 0).text().contains('+'));
    must("DROP TABLE t");
  }
}

TEST_P(ConformanceTest, TextThatLooksLikeATimestampStaysAsItIs) {
  expect_same(column_spec("v", Type::kText), {"2026-01-31 10:00:00.000 +00:00"});
}

TEST_P(ConformanceTest, TimesAndUuids) {
  create({column_spec("clock", Type::kTime), column_spec("uid", Type::kUuid)});
  std::string uuid = "0198c0de-0000-7000-8000-00000000abcd";
  must("INSERT INTO t (id, clock, uid) VALUES (1, ?, ?)",
       {Value("23:59:58", Type::kTime), Value(uuid, Type::kUuid)});
  Rows rows = must("SELECT clock, uid FROM t WHERE uid = ?", {Value(uuid, Type::kUuid)});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows.cell(0, 0).text(), "23:59:58");
  EXPECT_EQ(rows.cell(0, 1).text(), uuid);
}

TEST_P(ConformanceTest, NullsOfEveryType) {
  Texts names;
  std::vector<ColumnSpec> columns;
  std::vector<Value> params{Value(1)};
  for (Type type : {Type::kBoolean, Type::kInt32, Type::kInt64, Type::kReal, Type::kDouble,
                    Type::kDecimal, Type::kText, Type::kBytes, Type::kJson, Type::kDate,
                    Type::kTime, Type::kTimestamp, Type::kTimestampTz, Type::kUuid}) {
    names.push_back("c" + std::to_string(names.size()));
    columns.push_back(column_spec(names.back(), type));
    params.emplace_back(Null{}, type);
  }
  create(columns);
  std::string marks = "?";
  for (size_t i = 0; i < names.size(); ++i) marks += ", ?";
  must("INSERT INTO t (id, " + join(names, ", ") + ") VALUES (" + marks + ")", params);
  Rows rows = must("SELECT " + join(names, ", ") + " FROM t");
  for (size_t i = 0; i < names.size(); ++i) EXPECT_TRUE(rows.cell(0, i).is_null()) << i;
}

TEST_P(ConformanceTest, TextComparesExactly) {
  create({column_spec("v", Type::kText, 50)}, {IndexSpec{"", {"v"}, true}});
  for (auto [id, text] : {std::pair{1, "name"}, {2, "Name"}, {3, "name "}, {4, "näme"}}) {
    must("INSERT INTO t (id, v) VALUES (?, ?)", {Value(id), Value(text)});
  }
  EXPECT_EQ(number("SELECT id FROM t WHERE v = ?", {Value("name")}), 1);
  EXPECT_EQ(number("SELECT id FROM t WHERE v = ?", {Value("name ")}), 3);
  EXPECT_EQ(number("SELECT count(*) FROM t WHERE v = ?", {Value("NAME")}), 0);
  EXPECT_EQ(number("SELECT count(*) FROM t WHERE v LIKE ?", {Value("n%")}), 3);
}

TEST_P(ConformanceTest, UniqueViolationsNameTheirColumns) {
  create({column_spec("email", Type::kText, 50), column_spec("a", Type::kInt64),
          column_spec("b", Type::kInt64)},
         {IndexSpec{"", {"email"}, true}, IndexSpec{"", {"a", "b"}, true}});
  must("INSERT INTO t (id, email, a, b) VALUES (1, 'x', 1, 1)");
  auto field_of = [&](std::string_view text) {
    Result<Rows> rows = run(text);
    EXPECT_EQ(id_of(rows), "UNIQUE_VIOLATION") << why(rows);
    if (rows) return std::string("none");
    EXPECT_EQ(rows.error().code, Code::kConflict);
    return rows.error().field;
  };
  EXPECT_EQ(field_of("INSERT INTO t (id, email, a, b) VALUES (2, 'x', 2, 2)"), "email");
  EXPECT_EQ(field_of("INSERT INTO t (id, email, a, b) VALUES (2, 'y', 1, 1)"), "a,b");
  EXPECT_EQ(field_of("INSERT INTO t (id, email, a, b) VALUES (1, 'y', 2, 2)"), "id");
  must("INSERT INTO t (id, email, a, b) VALUES (2, 'y', 2, 2)");
  EXPECT_EQ(field_of("UPDATE t SET email = 'x' WHERE id = 2"), "email");
}

TEST_P(ConformanceTest, NotNullViolationsNameTheirColumn) {
  create({column_spec("v", Type::kText, 50, false)});
  Result<Rows> null = run("INSERT INTO t (id, v) VALUES (1, ?)", {Value(Null{}, Type::kText)});
  EXPECT_EQ(id_of(null), "NOT_NULL_VIOLATION") << why(null);
  if (!null) EXPECT_EQ(null.error().field, "v");
  Result<Rows> missing = run("INSERT INTO t (id) VALUES (1)");
  EXPECT_EQ(id_of(missing), "NOT_NULL_VIOLATION") << why(missing);
  if (!missing) EXPECT_EQ(missing.error().field, "v");
}

TEST_P(ConformanceTest, MistakesHaveTheirIds) {
  EXPECT_EQ(id_of(run("SELECT * FROM nowhere")), "UNKNOWN_TABLE_OR_COLUMN");
  create({column_spec("v", Type::kInt32)});
  EXPECT_EQ(id_of(run("SELECT missing FROM t")), "UNKNOWN_TABLE_OR_COLUMN");
  EXPECT_EQ(id_of(run("INSERT INTO t (missing) VALUES (1)")), "UNKNOWN_TABLE_OR_COLUMN");
  EXPECT_EQ(id_of(run("SELECT FROM WHERE")), "SQL_SYNTAX");
  EXPECT_EQ(id_of(run("INSERT INTO t VALUES (1, 2")), "SQL_SYNTAX");
  if (!on(DialectKind::kSqlite)) {  // its columns take what they are given
    EXPECT_EQ(id_of(run("INSERT INTO t (id, v) VALUES (1, ?)", {Value(int64_t{1} << 40)})),
              "VALUE_OUT_OF_RANGE");
    EXPECT_EQ(id_of(run("INSERT INTO t (id, v) VALUES (1, 'abc')")), "INVALID_VALUE");
  }
  EXPECT_EQ(number("SELECT count(*) FROM t"), 0);
}

TEST_P(ConformanceTest, AffectedCountsFoundRows) {
  create_counters(5);
  EXPECT_EQ(must("UPDATE t SET n = 0 WHERE id <= 3").affected, 3);  // found, not changed
  EXPECT_EQ(must("UPDATE t SET n = 1 WHERE id > 99").affected, 0);
  EXPECT_EQ(must("DELETE FROM t WHERE id >= 4").affected, 2);
  EXPECT_EQ(must("SELECT id FROM t").affected, 0);
  EXPECT_EQ(must("INSERT INTO t (id, n) VALUES (7, 0), (8, 0)").affected, 2);
}

TEST_P(ConformanceTest, NewIdsComeBack) {
  TableSpec spec;
  spec.name = "t";
  spec.columns = {column_spec("id", Type::kInt64, 0, false), column_spec("v", Type::kText, 20)};
  spec.columns[0].primary_key = spec.columns[0].auto_increment = true;
  for (const std::string& text : create_table(spec, dialect())) must(text);
  for (int64_t expected = 1; expected <= 2; ++expected) {
    Insert insert;
    insert.table = table("t", "t");
    insert.columns = {"v"};
    insert.rows = {{param(Value("x"))}};
    if (dialect().has_returning()) insert.returning = {"id", "v"};
    Result<Rows> rows = await(db().run(ctx(), render(insert, dialect())));
    ASSERT_TRUE(rows) << why(rows);
    EXPECT_EQ(rows->affected, 1);
    if (dialect().has_returning()) {
      ASSERT_EQ(rows->size(), 1u);
      EXPECT_EQ(rows->columns, (Texts{"id", "v"}));
      EXPECT_EQ(rows->cell(0, 0).text(), std::to_string(expected));
    } else {
      EXPECT_EQ(rows->last_insert_id, expected);
    }
  }
}

TEST_P(ConformanceTest, ThousandsOfParameters) {
  create({column_spec("v", Type::kText, 20)});
  std::string text = "INSERT INTO t (id, v) VALUES ";
  std::vector<Value> params;
  for (int i = 0; i < 2500; ++i) {
    text += i == 0 ? "(?, ?)" : ", (?, ?)";
    params.emplace_back(i);
    params.emplace_back("v" + std::to_string(i));
  }
  EXPECT_EQ(must(text, params).affected, 2500);
  Select q;
  q.from = table("t", "t");
  q.columns = {{call(Fn::kCount), "count"}};
  In in{column("t", "id"), {}, false};
  for (int i = 0; i < 5000; ++i) in.list.push_back(param(Value(i)));
  q.where = make(std::move(in));
  Result<Rows> rows = await(db().run(ctx(), render(q, dialect())));
  ASSERT_TRUE(rows) << why(rows);
  EXPECT_EQ(rows->cell(0, 0).text(), "2500");
}

TEST_P(ConformanceTest, PreparedStatementsSurviveChangesOfTheTable) {
  TableSpec spec = create({column_spec("v", Type::kInt32)});
  must("INSERT INTO t (id, v) VALUES (1, 5)");
  auto select_all = [&] { return must("SELECT * FROM t WHERE id = ?", {Value(1)}); };
  for (int i = 0; i < 8; ++i) EXPECT_EQ(select_all().columns.size(), 2u);
  ColumnSpec added = column_spec("w", Type::kText, 20);
  spec.columns.push_back(added);
  for (const std::string& text : add_column(spec, added, dialect())) must(text);
  must("UPDATE t SET w = 'new' WHERE id = 1");
  for (int i = 0; i < 8; ++i) {
    Rows rows = select_all();
    ASSERT_EQ(rows.columns, (Texts{"id", "v", "w"}));
    EXPECT_EQ(rows.cell(0, 2).text(), "new");
  }
  must("DROP TABLE t");
  create({column_spec("v", Type::kText, 40)});
  must("INSERT INTO t (id, v) VALUES (1, 'now text')");
  for (int i = 0; i < 8; ++i) {
    Rows rows = select_all();
    ASSERT_EQ(rows.columns.size(), 2u);
    EXPECT_EQ(rows.cell(0, 1).text(), "now text");
  }
}

TEST_P(ConformanceTest, ManyDifferentStatements) {
  create_counters(1);
  for (int i = 0; i < 600; ++i) {  // more than a connection keeps
    EXPECT_EQ(number("SELECT n + " + std::to_string(i) + " FROM t WHERE id = ?", {Value(1)}), i);
  }
}

TEST_P(ConformanceTest, LargeResults) {
  must("CREATE TABLE digits (d INTEGER)");
  must("INSERT INTO digits (d) VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)");
  Rows rows = must(
      "SELECT a.d * 10000 + b.d * 1000 + c.d * 100 + d.d * 10 + e.d AS n, 'some text' AS s "
      "FROM digits a, digits b, digits c, digits d, digits e ORDER BY 1");
  ASSERT_EQ(rows.size(), 100'000u);
  for (size_t i : {size_t{0}, size_t{777}, size_t{99'999}}) {
    EXPECT_EQ(rows.cell(i, 0).text(), std::to_string(i));
    EXPECT_EQ(rows.cell(i, 1).text(), "some text");
  }
}

TEST_P(ConformanceTest, CellsOutliveTheStatement) {
  create_counters(1);
  Rows first = must("SELECT id, 'kept' AS k FROM t");
  Rows copy = first;
  first = Rows{};
  for (int i = 0; i < 50; ++i) must("SELECT id, 'other' AS k FROM t");
  EXPECT_EQ(copy.cell(0, 1).text(), "kept");
}

TEST_P(ConformanceTest, PingAndStatistics) {
  EXPECT_TRUE(await(db().ping(ctx())));
  must("SELECT 1");
  PoolStats stats = db().stats();
  EXPECT_GE(stats.statements, 1);
  EXPECT_GE(stats.open, 1);
}

TEST_P(ConformanceTest, ClosedMeansClosed) {
  auto other = database().open_another();
  ASSERT_TRUE(other);
  await(other->close());
  Result<Rows> rows = await(other->run(ctx(), sql("SELECT 1")));
  EXPECT_EQ(id_of(rows), "DATABASE_UNAVAILABLE");
  EXPECT_EQ(number("SELECT 1"), 1);
}

HALCYON_INSTANTIATE_DIALECTS(ConformanceTest);

}  // namespace
}  // namespace halcyon::sql
