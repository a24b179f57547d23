// The same trees give the same answers on every dialect.
#include "sql/conformance_text_fixture.h"

namespace halcyon::sql {
namespace {

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

HALCYON_INSTANTIATE_DIALECTS(TextConformance);

}  // namespace
}  // namespace halcyon::sql
