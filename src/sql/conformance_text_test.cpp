// The same trees and the same table descriptions give the same answers on every dialect.
#include <gtest/gtest.h>

#include "sql/ddl.h"
#include "sql/testing.h"

namespace halcyon::sql {
namespace {

using Texts = std::vector<std::string>;

Value json(std::string_view text) { return Value(text, Type::kJson); }
Expr c(std::string name) { return column("t", std::move(name)); }
Expr like(LikeKind kind, std::string needle, bool ignore_case, bool negated = false) {
  return make(Like{c("w"), std::move(needle), kind, ignore_case, negated});
}

ColumnSpec make_column(std::string name, Type type, int length = 0) {
  ColumnSpec spec;
  spec.name = std::move(name);
  spec.type.type = type;
  spec.type.length = length;
  return spec;
}

// t(id, and the given columns)
TableSpec make_table(std::vector<ColumnSpec> columns) {
  TableSpec spec;
  spec.name = "t";
  spec.columns.push_back(make_column("id", Type::kInt64));
  spec.columns[0].primary_key = spec.columns[0].auto_increment = true;
  spec.columns[0].nullable = false;
  for (ColumnSpec& column : columns) spec.columns.push_back(std::move(column));
  return spec;
}

class TextConformance : public testing::DatabaseTest {
 protected:
  using DatabaseTest::must;
  using DatabaseTest::run;

  Result<Rows> run(Statement statement) { return await(db().run(ctx(), std::move(statement))); }
  Rows must(Statement statement) {
    std::string text = statement.text;
    Result<Rows> rows = run(std::move(statement));
    EXPECT_TRUE(rows) << rows.error().internal << "\n" << text;
    return rows ? std::move(*rows) : Rows{};
  }
  static Task<Status> run_all(Executor& on, const Context& ctx, const Texts& texts) {
    for (const std::string& text : texts) {
      Statement statement;
      statement.text = text;
      statement.is_write = true;
      Result<Rows> rows = co_await on.run(ctx, std::move(statement));
      if (!rows) {
        rows.error().internal += "\n" + text;
        co_return fail(rows.error());
      }
    }
    co_return Status{};
  }
  // All of the statements or, where the dialect can, none.
  Status ddl(const Texts& texts) {
    if (!dialect().has_transactional_ddl()) return await(run_all(db(), ctx(), texts));
    Database::Body body = [&](Transaction& tx) { return run_all(tx, ctx(), texts); };
    return await(db().in_transaction(ctx(), body));
  }
  void must_ddl(const Texts& texts) {
    Status status = ddl(texts);
    EXPECT_TRUE(status) << status.error().internal;
  }
  std::optional<TableInfo> find(const std::string& name) {
    auto found = await(describe_table(db(), ctx(), "", name));
    EXPECT_TRUE(found) << found.error().internal;
    return found ? *found : std::nullopt;
  }
  TableInfo describe(const std::string& name) {
    auto found = find(name);
    EXPECT_TRUE(found) << name;
    return found ? *found : TableInfo{};
  }
  Texts tables(bool views) {
    auto names = await(list_tables(db(), ctx(), "", views));
    EXPECT_TRUE(names) << names.error().internal;
    return names ? *names : Texts{};
  }
  // PostgreSQL's sequences do not notice ids given explicitly.
  bool counts_by_itself_after_explicit_ids() { return !on(DialectKind::kPostgres); }

  void create(const TableSpec& spec) {
    Status status = ddl(create_table(spec, dialect()));
    ASSERT_TRUE(status) << status.error().internal;
  }
  // Rows of column `name`, with ids from 1.
  void fill(const std::string& name, const std::vector<Value>& values) {
    int64_t id = 0;
    for (const Value& value : values) {
      Insert insert;
      insert.table = table("t", "t");
      insert.columns = {"id", name};
      insert.rows = {{param(Value(++id)), param(value)}};
      must(render(insert, dialect()));
    }
  }
  Texts column_of(const Rows& rows) {
    Texts out;
    for (size_t i = 0; i < rows.size(); ++i) {
      Cell cell = rows.cell(i, 0);
      out.emplace_back(cell.is_null() ? "NULL" : cell.text());
    }
    return out;
  }
  Texts select(Expr expr, Expr where = nullptr, std::vector<Order> order = {}) {
    Select q;
    q.from = table("t", "t");
    q.columns = {{std::move(expr), "x"}};
    q.where = std::move(where);
    q.order_by = order.empty() ? std::vector<Order>{{c("id")}} : std::move(order);
    return column_of(must(render(q, dialect())));
  }
  // Ids of the rows for which `where` holds, as "1 3".
  std::string ids(Expr where) {
    std::string out;
    for (const std::string& id : select(c("id"), std::move(where))) {
      out += (out.empty() ? "" : " ") + id;
    }
    return out;
  }
  std::string one(Expr expr) {
    Select q;
    q.columns = {{std::move(expr), "x"}};
    Texts texts = column_of(must(render(q, dialect())));
    return texts.empty() ? "nothing" : texts[0];
  }
  // An aggregate over t.
  std::string total(Expr expr) {
    Select q;
    q.from = table("t", "t");
    q.columns = {{std::move(expr), "x"}};
    return column_of(must(render(q, dialect()))).at(0);
  }
  // "true"/"1" -> true.
  static bool truth(const std::string& text) { return text == "true" || text == "1"; }
};

TEST_P(TextConformance, LikeIsExactAboutWildcardsAndCase) {
  create(make_table({make_column("w", Type::kText, 100)}));
  fill("w", {Value("Straße"), Value("ÄPFEL"), Value("100%"), Value("a_b"), Value("acb"),
             Value("back\\slash"), Value(Null{}, Type::kText), Value("")});
  EXPECT_EQ(ids(like(LikeKind::kContains, "äpf", true)), "2");
  EXPECT_EQ(ids(like(LikeKind::kContains, "äpf", false)), "");
  EXPECT_EQ(ids(like(LikeKind::kStartsWith, "STRA", true)), "1");
  EXPECT_EQ(ids(like(LikeKind::kStartsWith, "STRA", false)), "");
  EXPECT_EQ(ids(like(LikeKind::kEndsWith, "ße", false)), "1");
  EXPECT_EQ(ids(like(LikeKind::kContains, "%", true)), "3");
  EXPECT_EQ(ids(like(LikeKind::kContains, "_", false)), "4");
  EXPECT_EQ(ids(like(LikeKind::kContains, "\\", true)), "6");
  EXPECT_EQ(ids(like(LikeKind::kPattern, "A_B", true)), "4 5");
  EXPECT_EQ(ids(like(LikeKind::kPattern, "a\\_b", false)), "4");
  EXPECT_EQ(ids(like(LikeKind::kPattern, "%\\", false)), "");
  EXPECT_EQ(ids(like(LikeKind::kContains, "a", true, true)), "2 3 8");
  EXPECT_EQ(ids(like(LikeKind::kContains, "", true)), "1 2 3 4 5 6 8");
  EXPECT_EQ(ids(make(Like{c("id"), "1", LikeKind::kStartsWith, true, false})), "1");
}

TEST_P(TextConformance, RegularExpressions) {
  create(make_table({make_column("w", Type::kText, 100)}));
  fill("w", {Value("Apple"), Value("apple pie"), Value("cherry"), Value(Null{}, Type::kText)});
  EXPECT_EQ(ids(call(Fn::kRegexMatch, {c("w"), param(Value("^a.*e$"))})), "2");
  EXPECT_EQ(ids(call(Fn::kRegexMatchCi, {c("w"), param(Value("^A.*E$"))})), "1 2");
  EXPECT_EQ(ids(call(Fn::kRegexMatch, {c("w"), param(Value("r{2}"))})), "3");
  Select bad;
  bad.columns = {{call(Fn::kRegexMatch, {param(Value("a")), param(Value("("))}), "x"}};
  EXPECT_FALSE(run(render(bad, dialect())));
}

TEST_P(TextConformance, JsonArraysCompareMembersByValue) {
  for (Type type : {Type::kJson, Type::kJsonb}) {
    must_ddl(drop_table("", "t", dialect()));
    create(make_table({make_column("j", type)}));
    fill("j", {Value(Null{}, type), json("[]"), json("[1,2]"), json("[\"1\"]"), json("{\"a\":1}"),
               json("5"), json("[true,null]"), json("[2,1,1]"), json("[\"é\",\"b\"]")});
    auto test = [&](Fn fn, std::string_view operand) {
      return ids(call(fn, {c("j"), param(json(operand))}));
    };
    EXPECT_EQ(select(call(Fn::kJsonArrayLength, {c("j")})),
              (Texts{"0", "0", "2", "1", "0", "0", "2", "3", "2"}));
    EXPECT_EQ(test(Fn::kJsonArrayContains, "1"), "3 8");
    EXPECT_EQ(test(Fn::kJsonArrayContains, "\"1\""), "4");
    EXPECT_EQ(test(Fn::kJsonArrayContains, "true"), "7");
    EXPECT_EQ(test(Fn::kJsonArrayContains, "null"), "7");
    EXPECT_EQ(test(Fn::kJsonArrayContains, "\"é\""), "9");
    EXPECT_EQ(test(Fn::kJsonArrayContains, "5"), "");
    EXPECT_EQ(test(Fn::kJsonArrayOverlaps, "[2,\"b\"]"), "3 8 9");
    EXPECT_EQ(test(Fn::kJsonArrayOverlaps, "[]"), "");
    EXPECT_EQ(test(Fn::kJsonArraySameSet, "[1,2]"), "3 8");
    EXPECT_EQ(test(Fn::kJsonArraySameSet, "[1]"), "");
    EXPECT_EQ(test(Fn::kJsonArraySameSet, "[]"), "1 2 5 6");
    // The negation is the complement: never NULL.
    EXPECT_EQ(ids(negate(call(Fn::kJsonArrayOverlaps, {c("j"), param(json("[1,2]"))}))),
              "1 2 4 5 6 7 9");
  }
}

TEST_P(TextConformance, JsonExtractText) {
  create(make_table({make_column("j", Type::kJson)}));
  fill("j", {json(R"({"a":{"b":"x"},"list":[10,"y"],"yes":true,"n":null,"f":1.5})"),
             Value(Null{}, Type::kJson), json("[]")});
  auto at = [&](std::string_view path) {
    return select(call(Fn::kJsonExtractText, {c("j"), param(Value(path))}));
  };
  EXPECT_EQ(at("a.b"), (Texts{"x", "NULL", "NULL"}));
  EXPECT_EQ(at("list.1")[0], "y");
  EXPECT_EQ(at("list.0")[0], "10");
  EXPECT_EQ(at("yes")[0], "true");
  EXPECT_EQ(at("n")[0], "NULL");
  EXPECT_EQ(at("f")[0], "1.5");
  EXPECT_EQ(at("none.such")[0], "NULL");
  EXPECT_EQ(at("it's")[0], "NULL");
}

TEST_P(TextConformance, DateFormatAtAnOffset) {
  create(make_table({make_column("at", Type::kTimestampTz)}));
  fill("at", {Value("2026-01-31 23:05:09.250", Type::kTimestampTz),
              Value("2027-01-01 00:00:00", Type::kTimestampTz), Value(Null{}, Type::kTimestampTz)});
  auto format = [&](std::string_view text, int minutes) {
    return select(call(Fn::kDateFormat, {c("at"), param(Value(text)), param(Value(minutes))}));
  };
  EXPECT_EQ(format("YYYY-MM-DD hh:mm:ss", 0),
            (Texts{"2026-01-31 23:05:09", "2027-01-01 00:00:00", "NULL"}));
  EXPECT_EQ(format("YYYY-MM-DD hh:mm", 60)[0], "2026-02-01 00:05");
  EXPECT_EQ(format("YYYY-[Q]Q", -1)[1], "2026-Q4");
  EXPECT_EQ(format("[W]W", 0), (Texts{"W05", "W53", "NULL"}));
  EXPECT_EQ(format("hh'%\"\\x", 0)[0], "23'%\"\\x");
  // Stands in GROUP BY as the same text, without parameters.
  Expr month = call(Fn::kDateFormat, {c("at"), param(Value("YYYY-MM")), param(Value(480))});
  Select q;
  q.from = table("t", "t");
  q.columns = {{month, "m"}};
  q.where = is_not_null(c("at"));
  q.group_by = {month};
  q.order_by = {{month}};
  EXPECT_EQ(column_of(must(render(q, dialect()))), (Texts{"2026-02", "2027-01"}));
}

TEST_P(TextConformance, TextComparesByCodePointAndNullsComeLast) {
  TableSpec spec = make_table({make_column("w", Type::kText, 20)});
  spec.indexes = {{"", {"w"}, true}};
  create(spec);
  fill("w", {Value("b"), Value("B"), Value(Null{}, Type::kText), Value("a"), Value("a "),
             Value("é"), Value("e")});
  EXPECT_EQ(select(c("w"), nullptr, {{c("w")}}), (Texts{"B", "a", "a ", "b", "e", "é", "NULL"}));
  EXPECT_EQ(select(c("w"), nullptr, {{c("w"), true}}),
            (Texts{"é", "e", "b", "a ", "a", "B", "NULL"}));
  EXPECT_EQ(select(c("w"), nullptr, {{c("w"), true, Nulls::kFirst}})[0], "NULL");
  EXPECT_EQ(select(c("w"), nullptr, {{c("w"), false, Nulls::kFirst}})[0], "NULL");
  EXPECT_EQ(ids(eq(c("w"), param(Value("a")))), "4");
  EXPECT_EQ(ids(make(In{c("w"), {param(Value("B")), param(Value("E"))}, false})), "2");
}

TEST_P(TextConformance, DecimalsKeepTheirDigits) {
  ColumnSpec price = make_column("p", Type::kDecimal);
  price.type.precision = 30;
  price.type.scale = 4;
  create(make_table({price}));
  auto dec = [](std::string_view text) { return Value(text, Type::kDecimal); };
  fill("p", {dec("12345678901234567890.1234"), dec("9.5000"), dec("-10.0000"), dec("10.0000"),
             Value(Null{}, Type::kDecimal)});
  EXPECT_EQ(select(c("p"), nullptr, {{c("p")}}),
            (Texts{"-10.0000", "9.5000", "10.0000", "12345678901234567890.1234", "NULL"}));
  EXPECT_EQ(ids(eq(c("p"), param(dec("10")))), "4");
  EXPECT_EQ(ids(binary(BinaryOp::kGt, c("p"), param(dec("9.49")))), "1 2 4");
  EXPECT_EQ(ids(binary(BinaryOp::kLt, c("p"), param(Value(10)))), "2 3");
  EXPECT_EQ(total(call(Fn::kMax, {c("p")})), "12345678901234567890.1234");
}

TEST_P(TextConformance, NumbersAndTextFunctions) {
  create(make_table({make_column("n", Type::kInt64), make_column("w", Type::kText)}));
  fill("n", {Value(1), Value(2), Value(2), Value(Null{}, Type::kInt64)});
  EXPECT_EQ(total(call(Fn::kCount)), "4");
  EXPECT_EQ(total(call(Fn::kCount, {c("n")})), "3");
  EXPECT_EQ(total(call(Fn::kCountDistinct, {c("n")})), "2");
  EXPECT_EQ(total(call(Fn::kCountDistinct, {c("n"), c("w")})), "3");
  EXPECT_EQ(total(call(Fn::kSum, {c("n")})), "5");
  EXPECT_EQ(total(call(Fn::kSumDistinct, {c("n")})), "3");
  EXPECT_EQ(total(call(Fn::kAvgDistinct, {c("n")})), "1.5");
  EXPECT_NEAR(std::stod(total(call(Fn::kAvg, {c("n")}))), 5.0 / 3, 1e-12);
  EXPECT_EQ(select(binary(BinaryOp::kDiv, c("n"), param(Value(4))), eq(c("id"), param(Value(1)))),
            Texts{"0.25"});
  EXPECT_EQ(select(binary(BinaryOp::kDiv, c("n"), param(Value(0)))),
            (Texts{"NULL", "NULL", "NULL", "NULL"}));
  EXPECT_EQ(one(binary(BinaryOp::kConcat, param(Value("a")), param(Value("ß")))), "aß");
  EXPECT_EQ(one(binary(BinaryOp::kConcat, param(Value("a")), param(Value(Null{}, Type::kText)))),
            "NULL");
  EXPECT_EQ(one(call(Fn::kUpper, {param(Value("äb"))})), "ÄB");
  EXPECT_EQ(one(call(Fn::kLower, {param(Value("ÄB"))})), "äb");
  EXPECT_EQ(one(call(Fn::kLength, {param(Value("äb"))})), "2");
  EXPECT_EQ(one(call(Fn::kCoalesce, {param(Value(Null{}, Type::kText)), param(Value("x"))})), "x");
  EXPECT_EQ(std::stod(one(call(Fn::kRound, {param(Value(2.5))}))), 3);
  EXPECT_EQ(std::stod(one(call(Fn::kRound, {param(Value(-1.25)), param(Value(1))}))), -1.3);
  EXPECT_EQ(std::stod(one(call(Fn::kFloor, {param(Value(-1.5))}))), -2);
  EXPECT_EQ(std::stod(one(call(Fn::kCeil, {param(Value(-1.5))}))), -1);
  EXPECT_EQ(std::stod(one(call(Fn::kAbs, {param(Value(-1.5))}))), 1.5);
  EXPECT_EQ(one(make(Cast{param(Value("12")), Type::kInt64})), "12");
  EXPECT_EQ(one(make(Cast{param(Value(12)), Type::kText})), "12");
  EXPECT_EQ(one(make(Cast{param(Value("2026-01-31 10:00:00")), Type::kDate})), "2026-01-31");
  EXPECT_EQ(one(make(Case{{{boolean(false), param(Value("a"))}}, param(Value("b"))})), "b");
  EXPECT_EQ(select(c("id"), make(In{c("n"), {}, false})), Texts{});
  EXPECT_EQ(ids(make(In{c("n"), {}, true})), "1 2 3 4");
}

TEST_P(TextConformance, ClockArithmetic) {
  create(make_table({make_column("at", Type::kTimestampTz)}));
  fill("at",
       {Value("2026-01-31 23:59:59.250", Type::kTimestampTz), Value(Null{}, Type::kTimestampTz)});
  EXPECT_EQ(select(call(Fn::kEpochMillis, {c("at")})), (Texts{"1769903999250", "NULL"}));
  EXPECT_EQ(select(call(Fn::kEpochMillis,
                        {call(Fn::kAddMillis, {c("at"), param(Value(int64_t{-1751}))})}))[0],
            "1769903997499");
  Value epoch("1970-01-01 00:00:00", Type::kTimestampTz);
  EXPECT_EQ(one(call(Fn::kEpochMillis,
                     {call(Fn::kAddMillis, {param(epoch), param(Value(int64_t{1769903999250}))})})),
            "1769903999250");
  // What was stored by the clock compares with the clock.
  Expr now = call(Fn::kNow);
  must(render(Update{table("t", "t"),
                     {{"at", call(Fn::kAddMillis, {now, param(Value(60000))})}},
                     eq(c("id"), param(Value(2))),
                     {}},
              dialect()));
  EXPECT_EQ(ids(binary(BinaryOp::kGt, c("at"), now)), "2");
  EXPECT_EQ(ids(binary(BinaryOp::kGt, c("at"), call(Fn::kAddMillis, {now, param(Value(61000))}))),
            "");
  int64_t server = std::stoll(one(call(Fn::kEpochMillis, {now})));
  EXPECT_NEAR(static_cast<double>(server), static_cast<double>(time(nullptr)) * 1000, 10000);
}

TEST_P(TextConformance, JsonQuoteMakesMembers) {
  create(make_table({make_column("w", Type::kText, 20), make_column("j", Type::kJson)}));
  fill("w", {Value("a\"b"), Value("1"), Value("x")});
  must(render(Update{table("t", "t"), {{"j", param(json(R"(["a\"b",1,"1"])"))}}, nullptr, {}},
              dialect()));
  EXPECT_EQ(ids(call(Fn::kJsonArrayContains, {c("j"), call(Fn::kJsonQuote, {c("w")})})), "1 2");
  EXPECT_EQ(ids(call(Fn::kJsonArrayContains, {c("j"), call(Fn::kJsonQuote, {c("id")})})), "1");
}

TEST_P(TextConformance, UpsertAndIgnore) {
  TableSpec spec = make_table({make_column("k", Type::kText, 20), make_column("n", Type::kInt64)});
  spec.indexes = {{"", {"k"}, true}};
  create(spec);
  Insert insert;
  insert.table = table("t", "t");
  insert.columns = {"k", "n"};
  insert.rows = {{param(Value("a")), param(Value(1))}};
  if (dialect().has_returning()) insert.returning = {"id"};
  Rows first = must(render(insert, dialect()));
  if (dialect().has_returning()) EXPECT_EQ(column_of(first), Texts{"1"});
  insert.returning.clear();

  insert.ignore_conflicts = true;
  EXPECT_EQ(must(render(insert, dialect())).affected, 0);
  insert.rows.push_back({param(Value("b")), param(Value(5))});
  EXPECT_EQ(must(render(insert, dialect())).affected, 1);

  insert.ignore_conflicts = false;
  insert.conflict_columns = {"k"};
  insert.on_conflict_set = {{"n", binary(BinaryOp::kAdd, c("n"), column("excluded", "n"))}};
  must(render(insert, dialect()));
  EXPECT_EQ(select(c("n")), (Texts{"2", "10"}));

  Insert copy;
  copy.table = table("t", "t");
  copy.columns = {"k", "n"};
  auto from = std::make_shared<Select>();
  from->from = table("t", "s");
  from->columns = {{column("s", "k"), ""}, {column("s", "n"), ""}};
  copy.from_select = from;
  copy.ignore_conflicts = true;
  EXPECT_EQ(must(render(copy, dialect())).affected, 0);

  Insert defaults;
  defaults.table = table("t", "t");
  defaults.rows = {{}};
  must(render(defaults, dialect()));
  EXPECT_EQ(total(call(Fn::kCount)), "3");
}

TEST_P(TextConformance, UpdateAndDeleteByTheirOwnTable) {
  create(make_table({make_column("n", Type::kInt64)}));
  fill("n", {Value(1), Value(2), Value(3), Value(4)});
  auto inner = std::make_shared<Select>();
  inner->from = table("t", "i");
  inner->columns = {{column("i", "id"), "id"}};
  inner->order_by = {{column("i", "id"), true}};
  inner->limit = 2;
  Expr last_two = make(InSelect{{c("id")}, inner, false});
  EXPECT_EQ(ids(last_two), "3 4");
  Update update{
      table("t", "t"), {{"n", binary(BinaryOp::kMul, c("n"), param(Value(10)))}}, last_two, {}};
  EXPECT_EQ(must(render(update, dialect())).affected, 2);
  EXPECT_EQ(select(c("n")), (Texts{"1", "2", "30", "40"}));
  auto all = std::make_shared<Select>();
  all->from = table("t", "i");
  all->columns = {{column("i", "id"), "id"}, {column("i", "n"), "n"}};
  all->where = binary(BinaryOp::kGe, column("i", "n"), param(Value(40)));
  Delete remove{table("t", "t"), make(InSelect{{c("id"), c("n")}, all, false})};
  EXPECT_EQ(must(render(remove, dialect())).affected, 1);
  Delete plain{table("t", "t"), make(InSelect{{c("id")}, inner, false})};
  EXPECT_EQ(must(render(plain, dialect())).affected, 2);
  EXPECT_EQ(ids(nullptr), "1");
}

TEST_P(TextConformance, RecursionEndsOnCycles) {
  create(make_table({make_column("parent", Type::kInt64)}));
  fill("parent", {Value(3), Value(1), Value(2), Value(9)});
  auto first = std::make_shared<Select>(), next = std::make_shared<Select>();
  first->from = table("t", "t");
  first->columns = {{c("id"), "id"}};
  first->where = eq(c("id"), param(Value(1)));
  next->from = table("t", "t");
  next->columns = {{c("id"), "id"}};
  next->joins = {{false, table("tree", "r"), eq(c("parent"), column("r", "id"))}};
  Select q;
  q.with = {{"tree", {"id"}, first, next}};
  q.from = table("tree", "x");
  q.columns = {{column("x", "id"), "id"}};
  q.order_by = {{column("x", "id")}};
  EXPECT_EQ(column_of(must(render(q, dialect()))), (Texts{"1", "2", "3"}));
}

TEST_P(TextConformance, SelectsInTheirManyForms) {
  create(make_table({make_column("n", Type::kInt64)}));
  fill("n", {Value(10), Value(20), Value(30)});
  Select raw;
  raw.from.alias = "s";
  raw.from.raw_sql = "SELECT id, n FROM t WHERE n > 10; -- the larger ones";
  raw.columns = {{column("s", "n"), "n"}};
  raw.order_by = {{column("s", "n")}};
  raw.offset = 1;
  EXPECT_EQ(column_of(must(render(raw, dialect()))), Texts{"30"});
  Select derived;
  derived.from.alias = "d";
  derived.from.select = std::make_shared<Select>(raw);
  derived.columns = {{call(Fn::kSum, {column("d", "n")}), "s"}};
  EXPECT_EQ(column_of(must(render(derived, dialect()))), Texts{"30"});
  auto related = std::make_shared<Select>();
  related->from = table("t", "u");
  related->where = eq(column("u", "n"), binary(BinaryOp::kMul, c("n"), param(Value(2))));
  EXPECT_EQ(ids(make(Exists{related, false})), "1");
  EXPECT_EQ(ids(make(Exists{related, true})), "2 3");
  Select locked;
  locked.from = table("t", "t");
  locked.joins = {{true, table("t", "u"), eq(column("u", "id"), c("n"))}};
  locked.columns = {{c("id"), "id"}};
  locked.where = eq(c("id"), param(Value(2)));
  locked.for_update = locked.skip_locked = true;
  EXPECT_EQ(column_of(must(render(locked, dialect()))), Texts{"2"});
  EXPECT_TRUE(truth(one(binary(BinaryOp::kLe, call(Fn::kNow), call(Fn::kNow)))));
}

// ---- DDL and introspection

TEST_P(TextConformance, TablesAreFoundAsTheyWereMade) {
  std::vector<ColumnSpec> columns;
  auto add = [&](std::string name, Type type,
                 std::optional<Value> initial = std::nullopt) -> auto& {
    columns.push_back(make_column(std::move(name), type));
    columns.back().default_value = std::move(initial);
    return columns.back();
  };
  add("flag", Type::kBoolean, Value(true)).nullable = false;
  add("small", Type::kInt32, Value(-7));
  add("big", Type::kInt64);
  add("real", Type::kReal);
  add("dbl", Type::kDouble, Value(1.5));
  auto& dec = add("dec", Type::kDecimal, Value("2.50", Type::kDecimal));
  dec.type.precision = 10;
  dec.type.scale = 2;
  add("code", Type::kText, Value("it's \\ ")).type.length = 50;
  add("txt", Type::kText);
  add("bytes", Type::kBytes);
  add("js", Type::kJson, Value(R"({"a":[]})", Type::kJson));
  add("day", Type::kDate);
  add("clock", Type::kTime);
  add("at", Type::kTimestampTz);
  add("uid", Type::kUuid);
  TableSpec spec = make_table(std::move(columns));
  spec.indexes = {{"", {"big", "small"}, false}, {"", {"code"}, true}};
  create(spec);
  Insert defaults;
  defaults.table = table("t", "t");
  defaults.columns = {"big"};
  defaults.rows = {{param(Value(1))}};
  must(render(defaults, dialect()));
  EXPECT_TRUE(truth(select(c("flag"))[0]));
  EXPECT_EQ(select(c("small")), Texts{"-7"});
  EXPECT_EQ(select(c("dec")), Texts{"2.50"});
  EXPECT_EQ(select(c("code")), Texts{"it's \\ "});
  EXPECT_EQ(select(call(Fn::kJsonExtractText, {c("js"), param(Value("b"))})), Texts{"NULL"});

  TableInfo info = describe("t");
  ASSERT_EQ(info.columns.size(), spec.columns.size());
  for (size_t i = 0; i < spec.columns.size(); ++i) {
    const ColumnSpec &made = spec.columns[i], &found = info.columns[i];
    EXPECT_EQ(found.name, made.name);
    EXPECT_EQ(type_text(found.type, dialect()), type_text(made.type, dialect())) << made.name;
    EXPECT_EQ(found.nullable, made.nullable) << made.name;
    EXPECT_EQ(found.primary_key, made.primary_key) << made.name;
    EXPECT_EQ(found.auto_increment, made.auto_increment) << made.name;
    EXPECT_EQ(found.default_value.has_value(), made.default_value.has_value()) << made.name;
    if (found.default_value && made.default_value) {
      EXPECT_EQ(found.default_value->data, made.default_value->data) << made.name;
    }
    EXPECT_EQ(found.default_expression, "") << made.name;
  }
  EXPECT_EQ(info.primary_key, Texts{"id"});
  ASSERT_EQ(info.indexes.size(), 2u);
  EXPECT_EQ(info.indexes[0].name, "t_big_small");
  EXPECT_EQ(info.indexes[0].columns, (Texts{"big", "small"}));
  EXPECT_FALSE(info.indexes[0].unique);
  EXPECT_EQ(info.indexes[1].name, "t_code_unique");
  EXPECT_TRUE(info.indexes[1].unique);
  EXPECT_FALSE(info.is_view);

  must_ddl({"CREATE VIEW v AS SELECT id, code FROM t"});
  EXPECT_EQ(tables(false), Texts{"t"});
  EXPECT_EQ(tables(true), Texts{"v"});
  TableInfo view = describe("v");
  EXPECT_TRUE(view.is_view);
  ASSERT_EQ(view.columns.size(), 2u);
  EXPECT_EQ(view.columns[1].type.length, 50);
  must_ddl({"DROP VIEW v"});
  EXPECT_FALSE(find("nothing"));
}

TEST_P(TextConformance, CompositeKeysAndRenames) {
  TableSpec spec;
  spec.name = "a'b";
  spec.columns = {make_column("y", Type::kInt64), make_column("x", Type::kInt64)};
  spec.columns[0].nullable = spec.columns[1].nullable = false;
  spec.primary_key = {"x", "y"};
  create(spec);
  spec.if_not_exists = true;
  create(spec);
  EXPECT_EQ(describe("a'b").primary_key, (Texts{"x", "y"}));
  must_ddl(rename_table("", "a'b", "c d", dialect()));
  spec.name = "c d";
  must_ddl(rename_column(spec, "x", "z", dialect()));
  EXPECT_EQ(describe("c d").primary_key, (Texts{"z", "y"}));
  EXPECT_EQ(tables(false), Texts{"c d"});
  must_ddl(drop_table("", "c d", dialect()));
  must_ddl(drop_table("", "c d", dialect()));
  EXPECT_EQ(tables(false), Texts{});
}

TEST_P(TextConformance, ColumnsComeAndGo) {
  TableSpec spec = make_table({make_column("n", Type::kInt64), make_column("w", Type::kText, 20)});
  spec.indexes = {{"", {"n"}, false}, {"", {"n", "w"}, true}, {"", {"w"}, false}};
  create(spec);
  fill("n", {Value(1), Value(2)});
  ColumnSpec state = make_column("state", Type::kText, 10);
  state.nullable = false;
  state.default_value = Value("new");
  must_ddl(add_column(spec, state, dialect()));
  spec.columns.push_back(state);
  EXPECT_EQ(select(c("state")), (Texts{"new", "new"}));
  ColumnSpec empty = make_column("empty", Type::kTimestampTz);
  must_ddl(add_column(spec, empty, dialect()));
  spec.columns.push_back(empty);
  EXPECT_EQ(select(c("empty")), (Texts{"NULL", "NULL"}));

  must_ddl(drop_column(spec, "n", dialect()));
  TableInfo info = describe("t");
  ASSERT_EQ(info.indexes.size(), 1u);
  EXPECT_EQ(info.indexes[0].columns, Texts{"w"});
  EXPECT_EQ(info.columns.size(), 4u);
  std::erase_if(spec.columns, [](const ColumnSpec& column) { return column.name == "n"; });
  spec.indexes = info.indexes;
  must_ddl(drop_index(spec, info.indexes[0].name, dialect()));
  must_ddl(create_index(spec, {"", {"state", "w"}, true}, dialect()));
  info = describe("t");
  ASSERT_EQ(info.indexes.size(), 1u);
  EXPECT_EQ(info.indexes[0].name, "t_state_w_unique");
}

TEST_P(TextConformance, AlteredColumnsKeepTheirValuesOrRefuse) {
  TableSpec spec = make_table({make_column("w", Type::kText, 20), make_column("n", Type::kInt64)});
  spec.indexes = {{"", {"w"}, false}};
  spec.columns[2].default_value = Value(3);
  create(spec);
  fill("w", {Value("12"), Value("-3"), Value(Null{}, Type::kText)});
  must_ddl({"CREATE VIEW v AS SELECT id FROM t"});
  auto alter = [&](size_t at, ColumnSpec to) {
    TableSpec will = spec;
    will.columns[at] = to;
    Status status = ddl(alter_column(will, spec.columns[at], to, dialect()));
    if (status) spec = will;
    return status.has_value();
  };
  EXPECT_TRUE(alter(1, make_column("w", Type::kInt64)));
  EXPECT_EQ(select(c("w")), (Texts{"12", "-3", "NULL"}));
  EXPECT_TRUE(alter(1, make_column("w", Type::kDouble)));
  EXPECT_TRUE(alter(1, make_column("w", Type::kInt32)));
  EXPECT_TRUE(alter(1, make_column("w", Type::kText, 2)));
  EXPECT_EQ(select(c("w")), (Texts{"12", "-3", "NULL"}));
  EXPECT_FALSE(alter(1, make_column("w", Type::kText, 1)));
  must(
      render(Update{table("t", "t"), {{"w", param(Value("xy"))}}, eq(c("id"), param(Value(2))), {}},
             dialect()));
  EXPECT_FALSE(alter(1, make_column("w", Type::kInt64)));
  EXPECT_FALSE(alter(1, make_column("w", Type::kDouble)));
  EXPECT_FALSE(alter(1, make_column("w", Type::kTimestampTz)));
  EXPECT_EQ(select(c("w")), (Texts{"12", "xy", "NULL"}));
  ColumnSpec required = spec.columns[1];
  required.nullable = false;
  EXPECT_FALSE(alter(1, required));
  EXPECT_EQ(select(c("n")), (Texts{"3", "3", "3"}));
  ColumnSpec count = make_column("n", Type::kText);
  count.nullable = false;
  EXPECT_TRUE(alter(2, count));
  EXPECT_EQ(select(c("n")), (Texts{"3", "3", "3"}));

  TableInfo info = describe("t");
  EXPECT_FALSE(info.columns[2].nullable);
  EXPECT_FALSE(info.columns[2].default_value);
  ASSERT_EQ(info.indexes.size(), 1u);
  EXPECT_EQ(info.indexes[0].name, "t_w");
  EXPECT_EQ(tables(false), Texts{"t"});
  // The highest id is not given again.
  must(render(Delete{table("t", "t"), eq(c("id"), param(Value(3)))}, dialect()));
  EXPECT_TRUE(alter(1, make_column("w", Type::kText, 30)));
  if (counts_by_itself_after_explicit_ids()) {
    Insert insert;
    insert.table = table("t", "t");
    insert.columns = {"n"};
    insert.rows = {{param(Value("9"))}};
    must(render(insert, dialect()));
    EXPECT_EQ(total(call(Fn::kMax, {c("id")})), "4");
  }
  must_ddl({"DROP VIEW v"});
}

HALCYON_INSTANTIATE_DIALECTS(TextConformance);

TEST(IndexName, IsSnakeCaseAndBounded) {
  EXPECT_EQ(index_name("orderItems", {"", {"orderId", "SKUCode"}, false}),
            "order_items_order_id_sku_code");
  EXPECT_EQ(index_name("t", {"", {"k"}, true}), "t_k_unique");
  EXPECT_EQ(index_name("t", {"mine", {"k"}, true}), "mine");
  std::string first = index_name("t", {"", {std::string(70, 'a'), "b"}, true});
  std::string second = index_name("t", {"", {std::string(70, 'a'), "c"}, true});
  EXPECT_EQ(first.size(), 63u);
  EXPECT_NE(first, second);
  EXPECT_LE(index_name("t", {"", {std::string(26, 'x') + "éééééééééééééééééééé"}, false}).size(),
            63u);
}

}  // namespace
}  // namespace halcyon::sql
