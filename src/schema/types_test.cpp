// Every field type: what it accepts, refuses, and shows; through real databases as well.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "schema/build.h"
#include "schema/field_type.h"
#include "schema/testing.h"

namespace halcyon::schema {
namespace {

using testing::object;

Field field(std::string_view definition) {
  auto made = build_field(object(definition), false);
  if (!made) throw std::invalid_argument(made.error().message);
  return *made;
}

std::string shown(const Field& f, const sql::Value& value) {
  std::string cell;
  if (const auto* text = std::get_if<std::string>(&value.data)) cell = *text;
  if (const auto* number = std::get_if<int64_t>(&value.data)) cell = std::to_string(*number);
  if (const auto* real = std::get_if<double>(&value.data)) cell = fmt::format("{}", *real);
  if (const auto* flag = std::get_if<bool>(&value.data)) cell = *flag ? "true" : "false";
  sql::Cell c{cell.data(), value.is_null() ? -1 : static_cast<int32_t>(cell.size())};
  std::string out;
  json::Writer writer(out);
  f.kind->write(f, c, writer);
  return out;
}

struct Case {
  std::string_view definition;  // of the field, without its name
  std::string_view input;       // JSON
  std::string_view output;      // JSON, or the id of the error
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {R"("type":"string")", R"("añb")", R"("añb")"},
      {R"("type":"string")", R"(12)", R"("12")"},
      {R"("type":"string")", R"(1.5)", R"("1.5")"},
      {R"("type":"decimal","precision":6,"scale":2)", "1.5", R"("1.50")"},
      {R"("type":"string")", R"(true)", "INVALID_VALUE"},
      {R"("type":"string")", R"({"a":1})", "INVALID_VALUE"},
      {R"("type":"string")", R"("a\u0000b")", "INVALID_VALUE"},
      {R"("type":"string","length":3)", R"("äöü")", R"("äöü")"},
      {R"("type":"string","length":3)", R"("abcd")", "VALUE_TOO_LONG"},
      {R"("type":"string","trim":true)", R"("  a ")", R"("a")"},
      {R"("type":"text")", R"("line\nline \"quoted\"")", R"("line\nline \"quoted\"")"},
      {R"("type":"integer")", "2147483647", "2147483647"},
      {R"("type":"integer")", "2147483648", "INVALID_VALUE"},
      {R"("type":"integer")", R"("-12")", "-12"},
      {R"("type":"integer")", R"("12x")", "INVALID_VALUE"},
      {R"("type":"integer")", R"("")", "INVALID_VALUE"},
      {R"("type":"integer")", "3.0", "3"},
      {R"("type":"integer")", "3.5", "INVALID_VALUE"},
      {R"("type":"integer")", "true", "INVALID_VALUE"},
      {R"("type":"bigInt")", "9007199254740991", "9007199254740991"},
      {R"("type":"bigInt")", "9007199254740993", R"("9007199254740993")"},
      {R"("type":"bigInt")", R"("-9223372036854775808")", R"("-9223372036854775808")"},
      {R"("type":"bigInt")", "9223372036854775808", "INVALID_VALUE"},
      {R"("type":"bigInt")", "1e30", "INVALID_VALUE"},
      {R"("type":"double")", "1.5", "1.5"},
      {R"("type":"double")", R"("0.25")", "0.25"},
      {R"("type":"double")", R"("NaN")", "INVALID_VALUE"},
      {R"("type":"float")", "-3", "-3"},
      {R"("type":"real")", "0.5", "0.5"},
      {R"("type":"real")", "1e300", "INVALID_VALUE"},
      {R"("type":"decimal","precision":20,"scale":4)", R"("12345678901234.5678")",
       R"("12345678901234.5678")"},
      {R"("type":"decimal","precision":5,"scale":2)", R"("1234.5")", "INVALID_VALUE"},
      {R"("type":"decimal","precision":6,"scale":2)", R"("1.2.3")", "INVALID_VALUE"},
      {R"("type":"decimal","precision":6,"scale":2)", R"("12.50")", R"("12.50")"},
      {R"("type":"decimal","precision":10,"scale":2)", "5", R"("5.00")"},
      {R"("type":"decimal","precision":10,"scale":2)", R"("-0.005")", R"("-0.01")"},
      {R"("type":"decimal","precision":10,"scale":2)", R"("-0.004")", R"("0.00")"},
      {R"("type":"decimal","precision":10,"scale":2)", R"("1e2")", R"("100.00")"},
      {R"("type":"decimal","precision":4,"scale":2)", R"("99.994")", R"("99.99")"},
      {R"("type":"decimal","precision":4,"scale":2)", R"("9.995")", R"("10.00")"},
      {R"("type":"decimal","precision":4,"scale":2)", R"("99.995")", "INVALID_VALUE"},
      {R"("type":"decimal","precision":4)", R"("7.5")", R"("8")"},
      {R"("type":"decimal")", R"("12.500")", R"("12.5")"},
      {R"("type":"boolean")", "true", "true"},
      {R"("type":"boolean")", "0", "false"},
      {R"("type":"boolean")", R"("1")", "true"},
      {R"("type":"boolean")", R"("yes")", "INVALID_VALUE"},
      {R"("type":"boolean")", "2", "INVALID_VALUE"},
      {R"("type":"json")", R"({"a":[1,"x",null,{"b":true}]})", R"({"a":[1,"x",null,{"b":true}]})"},
      {R"("type":"json")", R"({"n":1.5})", R"({"n":1.5})"},
      {R"("type":"json")", R"("text")", R"("text")"},
      {R"("type":"jsonb")", "[1,2]", "[1,2]"},
      {R"("type":"json")", R"({"a":"x\u0000"})", "INVALID_VALUE"},
      {R"("type":"array")", R"(["a","b","a"])", R"(["a","b","a"])"},
      {R"("type":"array")", R"("a")", "INVALID_VALUE"},
      {R"("type":"set")", R"(["a","b","a"])", R"(["a","b"])"},
      {R"("type":"blob")", R"("AAEC/w==")", R"("AAEC/w==")"},
      {R"("type":"blob")", R"("not base64!")", "INVALID_VALUE"},
      {R"("type":"date")", R"("2026-01-31T10:20:30.123Z")", R"("2026-01-31T10:20:30.123Z")"},
      {R"("type":"date")", R"("2026-01-31T10:20:30+08:00")", R"("2026-01-31T02:20:30.000Z")"},
      {R"("type":"date")", R"("2026-01-31 10:20")", R"("2026-01-31T08:20:00.000Z")"},
      {R"("type":"datetimeTz","timezone":"server")", R"("2026-01-31 10:20")",
       R"("2026-01-31T10:20:00.000Z")"},
      {R"("type":"datetime","timezone":"+01:00")", R"("2026-01-01")",
       R"("2025-12-31T23:00:00.000Z")"},
      {R"("type":"date")", "0", R"("1970-01-01T00:00:00.000Z")"},
      {R"("type":"date")", R"("2026-02-30")", "INVALID_VALUE"},
      {R"("type":"date")", R"("tomorrow")", "INVALID_VALUE"},
      {R"("type":"date")", R"("2026-01-31T25:00:00Z")", "INVALID_VALUE"},
      {R"("type":"datetimeNoTz")", R"("2026-01-31T10:20:30")", R"("2026-01-31 10:20:30")"},
      {R"("type":"datetimeNoTz")", R"("2026-01-31T10:20:30Z")", R"("2026-01-31 12:20:30")"},
      {R"("type":"dateOnly")", R"("2024-02-29")", R"("2024-02-29")"},
      {R"("type":"dateOnly")", R"("2023-02-29")", "INVALID_VALUE"},
      {R"("type":"time")", R"("10:20")", R"("10:20:00")"},
      {R"("type":"time")", R"("24:00:00")", "INVALID_VALUE"},
      {R"("type":"unixTimestamp")", R"("2026-01-31T10:20:30.900Z")",
       R"("2026-01-31T10:20:30.000Z")"},
      {R"("type":"unixTimestamp","accuracy":"millisecond")", R"("2026-01-31T10:20:30.900Z")",
       R"("2026-01-31T10:20:30.900Z")"},
      {R"("type":"unixTimestamp")", "1700000000", R"("2023-11-14T22:13:20.000Z")"},
      {R"("type":"unixTimestamp")", "1700000000000", R"("2023-11-14T22:13:20.000Z")"},
      {R"("type":"uid")", R"("a_b-1")", R"("a_b-1")"},
      {R"("type":"uid")", R"("a b")", "INVALID_VALUE"},
      {R"("type":"uuid")", R"("3F2504E0-4F89-41D3-9A0C-0305E82C3301")",
       R"("3f2504e0-4f89-41d3-9a0c-0305e82c3301")"},
      {R"("type":"uuid")", R"("3F2504E0")", "INVALID_VALUE"},
      {R"("type":"nanoid")", R"("abc")", R"("abc")"},
      {R"("type":"snowflakeId")", "341500000000001", "341500000000001"},
      {R"("type":"sort")", "5", "5"},
      {R"("type":"context","dataType":"string")", R"("x")", R"("x")"},
      {R"("type":"sequence","inputable":true,"match":true,
          "patterns":[{"type":"string","options":{"value":"A-"}},
                      {"type":"integer","options":{"digits":3}}])",
       R"("A-007")", R"("A-007")"},
      {R"("type":"sequence","inputable":true,"match":true,
          "patterns":[{"type":"string","options":{"value":"A-"}},
                      {"type":"integer","options":{"digits":3}}])",
       R"("B-007")", "INVALID_VALUE"},
      {R"("type":"belongsTo")", "1", "INVALID_VALUE"},
  };
  return list;
}

Field field_of(const Case& c) { return field(R"({"name":"f",)" + std::string(c.definition) + "}"); }

TEST(Types, ReadAndShowValues) {
  for (const Case& c : cases()) {
    const Field f = field_of(c);
    auto value = f.kind->parse(f, json::parse(c.input).value(), ValueContext(120));
    const std::string got = value ? shown(f, *value) : value.error().id;
    EXPECT_EQ(got, c.output) << c.definition << " from " << c.input;
    if (!value) {
      EXPECT_EQ(value.error().field, "f");
      EXPECT_EQ(value.error().code, Code::kInvalidArgument);
      EXPECT_NE(value.error().message.find("\"f\""), std::string::npos);
      EXPECT_FALSE(value.error().expected.empty()) << c.definition << " " << c.input;
    }
  }
}

TEST(Types, TakeNullAndRefuseBadUtf8) {
  for (const FieldType* type : all_field_types()) {
    // Relations have no values; these two need more than their type to be defined.
    if (type->family() == Family::kRelation || type->name() == "sequence" ||
        type->name() == "formula") {
      continue;
    }
    const Field f = field(R"({"name":"f","type":")" + std::string(type->name()) + "\"}");
    auto null = type->parse(f, json::Value(nullptr), ValueContext());
    ASSERT_TRUE(null) << type->name();
    EXPECT_TRUE(null->is_null());
    EXPECT_EQ(shown(f, *null), "null") << type->name();
    if (type->name() == "virtual") continue;
    EXPECT_FALSE(type->parse(f, json::Value("\xff\xfe"), ValueContext())) << type->name();
    EXPECT_EQ(find_field_type(type->name()), type);
  }
  EXPECT_EQ(find_field_type("nope"), nullptr);
}

TEST(Types, RefuseBadOptions) {
  for (std::string_view definition :
       {R"("type":"string","length":0)", R"("type":"string","length":100000)",
        R"("type":"decimal","precision":70)", R"("type":"decimal","precision":3,"scale":5)",
        R"("type":"uid","pattern":"(")", R"("type":"nanoid","size":0)",
        R"("type":"unixTimestamp","accuracy":"day")", R"("type":"context","dataType":"hasMany")",
        R"("type":"sequence")", R"("type":"sequence","patterns":[{"type":"what"}])",
        R"("type":"hasMany","onDelete":"EXPLODE")", R"("type":"text","length":"huge")",
        R"("type":"string","validation":{"rules":[{"name":"pattern","args":{"regex":"("}}]})"}) {
    auto made = build_field(object(R"({"name":"f",)" + std::string(definition) + "}"), false);
    ASSERT_FALSE(made) << definition;
    EXPECT_EQ(made.error().id, "INVALID_FIELD_OPTIONS") << definition;
  }
}

struct RuleCase {
  std::string_view type, rule, input;
  bool good;
};

TEST(Rules, FollowJoi) {
  const std::vector<RuleCase> list = {
      {"string", R"({"name":"min","args":{"limit":3}})", R"("ab")", false},
      {"string", R"({"name":"min","args":{"limit":3}})", R"("äöü")", true},
      {"string", R"({"name":"max","args":{"limit":2}})", R"("abc")", false},
      {"string", R"({"name":"length","args":{"limit":2}})", R"("ab")", true},
      {"string", R"({"name":"pattern","args":{"regex":"^a+$"}})", R"("aaa")", true},
      {"string", R"({"name":"pattern","args":{"regex":"/^A+$/i"}})", R"("aaa")", true},
      {"string", R"({"name":"pattern","args":{"regex":"^a+$"}})", R"("ab")", false},
      {"string", R"({"name":"email"})", R"("a@b.co")", true},
      {"string", R"({"name":"email"})", R"("a@b")", false},
      {"string", R"({"name":"uri"})", R"("https://x.org/a?b=c")", true},
      {"string", R"({"name":"uri"})", R"("nothing")", false},
      {"string", R"({"name":"guid"})", R"("3f2504e0-4f89-41d3-9a0c-0305e82c3301")", true},
      {"string", R"({"name":"guid"})", R"("3f25")", false},
      {"string", R"({"name":"case","args":{"direction":"upper"}})", R"("ABC1")", true},
      {"string", R"({"name":"case","args":{"direction":"upper"}})", R"("ABc")", false},
      {"integer", R"({"name":"min","args":{"limit":3}})", "2", false},
      {"integer", R"({"name":"max","args":{"limit":3}})", R"("3")", true},
      {"double", R"({"name":"greater","args":{"limit":1}})", "1", false},
      {"double", R"({"name":"less","args":{"limit":1}})", "0.5", true},
      {"double", R"({"name":"multiple","args":{"base":0.1}})", "0.3", true},
      {"integer", R"({"name":"multiple","args":{"base":5}})", "12", false},
      {"double", R"({"name":"integer"})", "1.5", false},
      {"double", R"({"name":"precision","args":{"limit":2}})", "1.25", true},
      {"double", R"({"name":"precision","args":{"limit":2}})", "1.255", false},
      {"integer", R"({"name":"port"})", "70000", false},
      {"date", R"({"name":"min","args":{"date":"2026-01-01"}})", R"("2025-12-31")", false},
      {"date", R"({"name":"max","args":{"date":"2026-01-01"}})", R"("2025-12-31")", true},
      {"string", R"({"name":"required"})", R"("")", false},
      {"string", R"({"name":"required"})", "null", false},
      {"array", R"({"name":"min","args":{"limit":1}})", "[]", false},
      {"string", R"({"name":"noSuchRule"})", R"("x")", true},
  };
  for (const RuleCase& c : list) {
    const Field f = field(R"({"name":"f","type":")" + std::string(c.type) +
                          R"(","validation":{"rules":[)" + std::string(c.rule) + "]}}");
    const auto errors = check_rules(f, json::parse(c.input).value(), true);
    EXPECT_EQ(errors.empty(), c.good) << c.rule << " on " << c.input;
    if (!errors.empty()) {
      EXPECT_EQ(errors[0].id, "VALIDATION_FAILED");
      EXPECT_EQ(errors[0].field, "f");
    }
  }
}

TEST(Rules, NotNullMeansRequired) {
  const Field plain = field(R"({"name":"f","type":"string","allowNull":false})");
  EXPECT_EQ(check_rules(plain, json::Value(nullptr), true).size(), 1u);
  EXPECT_EQ(check_rules(plain, json::Value("x"), true).size(), 0u);
  const Field made = field(R"({"name":"f","type":"uuid","allowNull":false})");
  EXPECT_EQ(check_rules(made, json::Value(nullptr), true).size(), 0u);
  const Field filled = field(R"({"name":"f","type":"integer","allowNull":false,"defaultValue":1})");
  EXPECT_EQ(check_rules(filled, json::Value(nullptr), true).size(), 0u);
  EXPECT_EQ(check_rules(filled, json::Value(nullptr), false).size(), 1u);
}

class TypesTest : public testing::CatalogTest {
 protected:
  // What the server does for one new row, in short.
  Task<Status> insert(const Context& own, sql::Transaction& tx, const Collection& to,
                      json::Object state, StringMap<sql::Value>& values) {
    const auto model = catalog().snapshot();
    for (const Field& f : to.fields) {
      if (f.column.empty() || !f.kind->has_before_save(f)) continue;
      FieldWrite write{own, tx, *model, to, f, true, state, values, nullptr};
      CO_TRY_STATUS(co_await f.kind->before_save(write));
    }
    sql::Insert insert;
    insert.table = to.table_ref("t");
    std::vector<sql::Expr> row;
    for (const auto& [name, value] : values) {
      insert.columns.push_back(to.find(name)->column);
      row.push_back(sql::param(value));
    }
    insert.rows.push_back(std::move(row));
    CO_TRY(sql::Rows rows, co_await tx.run(own, render(insert, tx.dialect())));
    co_return Status{};
  }
  Status insert_row(const Collection& to, json::Object state = {},
                    StringMap<sql::Value> values = {}, size_t io = 0) {
    Context own;
    sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
      StringMap<sql::Value> mine = values;
      co_return co_await insert(own, tx, to, state, mine);
    };
    return database().await(db().in_transaction(own, body), io);
  }
};

TEST_P(TypesTest, ComeBackFromTheDatabaseAsTheyWent) {
  std::string definition = R"({"name":"all","fields":[)";
  std::vector<const Case*> kept;
  for (const Case& c : cases()) {
    const Field f = field_of(c);
    if (f.column.empty() || !f.kind->parse(f, json::parse(c.input).value(), ValueContext(120))) {
      continue;
    }
    if (!kept.empty()) definition += ',';
    definition +=
        R"({"name":"f)" + std::to_string(kept.size()) + "\"," + std::string(c.definition) + "}";
    kept.push_back(&c);
  }
  make(definition + "]}");
  const Collection& all = collection("all");
  sql::Insert insert;
  insert.table = all.table_ref("t");
  sql::Select select;
  select.from = all.table_ref("t");
  std::vector<sql::Expr> row;
  for (size_t i = 0; i < kept.size(); ++i) {
    const Field& f = *all.find("f" + std::to_string(i));
    insert.columns.push_back(f.column);
    row.push_back(
        sql::param(*f.kind->parse(f, json::parse(kept[i]->input).value(), ValueContext(120))));
    select.columns.push_back({sql::column("t", f.column), f.name});
  }
  insert.rows.push_back(std::move(row));
  auto done = await(db().run(ctx(), render(insert, dialect())));
  ASSERT_TRUE(done) << done.error().message << " " << done.error().internal;
  auto rows = await(db().run(ctx(), render(select, dialect())));
  ASSERT_TRUE(rows) << rows.error().internal;
  for (size_t i = 0; i < kept.size(); ++i) {
    const Field& f = *all.find("f" + std::to_string(i));
    std::string out;
    json::Writer writer(out);
    f.kind->write(f, rows->cell(0, i), writer);
    // JSON columns may come back with other white space.
    auto got = json::parse(out);
    ASSERT_TRUE(got) << kept[i]->definition << " gave " << out;
    EXPECT_EQ(*got, json::parse(kept[i]->output).value())
        << kept[i]->definition << " from " << kept[i]->input << " gave " << out;
  }
}

TEST_P(TypesTest, FillWhatTheServerMakes) {
  make(R"({"name":"made","createdAt":true,"updatedAt":true,"createdBy":true,"fields":[
    {"name":"uid","type":"uid","prefix":"p_"},{"name":"uuid","type":"uuid"},
    {"name":"nano","type":"nanoid","size":7},{"name":"flake","type":"snowflakeId"},
    {"name":"sort","type":"sort"},{"name":"pick","type":"radio"},
    {"name":"secret","type":"password"},
    {"name":"code","type":"sequence","patterns":[{"type":"string","options":{"value":"N"}},
      {"type":"integer","options":{"digits":3,"start":1}}]}]})");
  const Collection& made = collection("made");
  const json::Object state = object(R"({"currentUser":{"id":42}})");
  for (int i = 0; i < 3; ++i) {
    StringMap<sql::Value> values;
    values.emplace("pick", sql::Value(true));
    values.emplace("secret", sql::Value("hunter2"));
    auto status = insert_row(made, state, values);
    ASSERT_TRUE(status) << status.error().message << " " << status.error().internal;
  }
  sql::Select select;
  select.from = made.table_ref("t");
  for (const char* name : {"uid", "uuid", "nano", "flake", "sort", "pick", "secret", "code",
                           "createdAt", "createdById"}) {
    select.columns.push_back({sql::column("t", made.find(name)->column), name});
  }
  select.order_by = {{sql::column("t", "id"), false, sql::Nulls::kDefault}};
  auto rows = await(db().run(ctx(), render(select, dialect())));
  ASSERT_TRUE(rows) << rows.error().internal;
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_TRUE(rows->cell(0, 0).text().starts_with("p_"));
  EXPECT_EQ(rows->cell(0, 1).text().size(), 36u);
  EXPECT_EQ(rows->cell(0, 2).text().size(), 7u);
  EXPECT_NE(rows->cell(0, 3).text(), rows->cell(1, 3).text());
  EXPECT_EQ(rows->cell(2, 4).text(), "3");
  const Field& pick = *made.find("pick");
  std::string picks;
  for (size_t i = 0; i < 3; ++i) {
    json::Writer writer(picks);
    pick.kind->write(pick, rows->cell(i, 5), writer);
  }
  EXPECT_EQ(picks, "falsefalsetrue");
  EXPECT_TRUE(rows->cell(0, 6).text().starts_with("$scrypt$"));
  EXPECT_EQ(rows->cell(0, 7).text(), "N001");
  EXPECT_EQ(rows->cell(2, 7).text(), "N003");
  EXPECT_FALSE(rows->cell(0, 8).is_null());
  EXPECT_EQ(rows->cell(0, 9).text(), "42");
}

TEST_P(TypesTest, NumberConcurrentRowsWithoutGapsOrRepeats) {
  make(R"({"name":"queue","fields":[{"name":"sort","type":"sort"},
    {"name":"code","type":"sequence","patterns":[{"type":"integer",
      "options":{"digits":4,"start":1}}]}]})");
  const Collection& queue = collection("queue");
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) {
        auto status = insert_row(queue, {}, {}, t % 2);
        EXPECT_TRUE(status) << status.error().message << " " << status.error().internal;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  auto rows = must(
      "SELECT count(DISTINCT sort), max(sort), count(DISTINCT code), max(code) "
      "FROM queue");
  EXPECT_EQ(rows.cell(0, 0).text(), "40");
  EXPECT_EQ(rows.cell(0, 1).text(), "40");
  EXPECT_EQ(rows.cell(0, 2).text(), "40");
  EXPECT_EQ(rows.cell(0, 3).text(), "0040");
}

HALCYON_INSTANTIATE_DIALECTS(TypesTest);

}  // namespace
}  // namespace halcyon::schema
