// The same table descriptions make the same tables on every dialect, and are found again.
#include <algorithm>

#include "sql/conformance_text_fixture.h"

namespace halcyon::sql {
namespace {

class DdlConformance : public TextConformance {};

TEST_P(DdlConformance, TablesAreFoundAsTheyWereMade) {
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

TEST_P(DdlConformance, CompositeKeysAndRenames) {
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

TEST_P(DdlConformance, ColumnsComeAndGo) {
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

TEST_P(DdlConformance, AlteredColumnsKeepTheirValuesOrRefuse) {
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

TEST_P(DdlConformance, AlteringNeverLosesColumnsItWasNotToldOf) {
  TableSpec spec = make_table({make_column("w", Type::kText, 20)});
  create(spec);
  must_ddl({"ALTER TABLE t ADD COLUMN extra VARCHAR(20)"});
  ColumnSpec from = spec.columns[1], to = from;
  to.type.length = 30;
  spec.columns[1] = to;
  (void)ddl(alter_column(spec, from, to, dialect()));
  EXPECT_EQ(describe("t").columns.size(), 3u);
  EXPECT_EQ(tables(false), Texts{"t"});
}

// Tables as Sequelize makes them for NocoBase.
TEST_P(DdlConformance, AdoptsTablesOfNocoBase) {
  std::string uid_index;
  if (on(DialectKind::kPostgres)) {
    must_ddl({R"(CREATE TABLE t (id BIGSERIAL, "createdAt" TIMESTAMP WITH TIME ZONE NOT NULL,
      "at" TIMESTAMP(3) WITH TIME ZONE DEFAULT now(), title VARCHAR(255) DEFAULT NULL, options JSON
      DEFAULT '{}', tags JSONB DEFAULT '[]', amount DECIMAL(10, 2), "sort" BIGINT, enabled BOOLEAN
      DEFAULT false, uid UUID UNIQUE, days VARCHAR(10)[], PRIMARY KEY (id)))"});
    uid_index = "t_uid_key";
  } else if (on_mysql()) {
    must_ddl({R"(CREATE TABLE t (id BIGINT AUTO_INCREMENT, `createdAt` DATETIME NOT NULL,
      `at` DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3), title VARCHAR(255) DEFAULT NULL, options JSON,
      tags JSON, amount DECIMAL(10, 2), `sort` BIGINT, enabled TINYINT(1) DEFAULT 0,
      uid CHAR(36) BINARY UNIQUE, days JSON, PRIMARY KEY (id)) ENGINE=InnoDB)"});
    uid_index = "uid";
  } else {
    must_ddl({R"(CREATE TABLE `t` (`id` INTEGER PRIMARY KEY AUTOINCREMENT, `createdAt` DATETIME
      NOT NULL, `at` DATETIME DEFAULT CURRENT_TIMESTAMP, `title` VARCHAR(255) DEFAULT NULL,
      `options` JSON DEFAULT '{}', `tags` JSON DEFAULT '[]', `amount` DECIMAL(10,2), `sort` BIGINT,
      `enabled` TINYINT(1) DEFAULT 0, `uid` UUID UNIQUE, `days` JSON))"});
    uid_index = "sqlite_autoindex_t_1";
  }
  TableInfo info = describe("t");
  ASSERT_EQ(info.columns.size(), 11u);
  auto at = [&](std::string_view name) -> ColumnSpec& {
    return *std::ranges::find(info.columns, name, &ColumnSpec::name);
  };
  EXPECT_EQ(at("id").type.type, Type::kInt64);
  EXPECT_TRUE(at("id").auto_increment);
  EXPECT_FALSE(at("createdAt").nullable);
  EXPECT_EQ(at("createdAt").type.type, Type::kTimestampTz);
  EXPECT_FALSE(at("at").default_value);
  EXPECT_NE(at("at").default_expression, "");
  EXPECT_EQ(at("title").type.length, 255);
  EXPECT_FALSE(at("title").default_value);
  EXPECT_EQ(at("title").default_expression, "");
  EXPECT_EQ(at("amount").type.precision, 10);
  EXPECT_EQ(at("amount").type.scale, 2);
  EXPECT_EQ(at("enabled").default_value, std::optional(Value(false)));
  EXPECT_EQ(at("uid").type.type, Type::kUuid);
  EXPECT_EQ(at("days").type.native_array, on(DialectKind::kPostgres));
  ASSERT_EQ(info.indexes.size(), 1u);
  EXPECT_EQ(info.indexes[0].name, uid_index);
  EXPECT_TRUE(info.indexes[0].unique);

  // The default that is an expression and the unique index outlive other changes.
  TableSpec spec;
  spec.name = "t";
  spec.columns = info.columns;
  spec.indexes = info.indexes;
  ColumnSpec title = at("title"), longer = title;
  longer.type.length = 300;
  for (ColumnSpec& column : spec.columns) {
    if (column.name == "title") column = longer;
  }
  must_ddl(alter_column(spec, title, longer, dialect()));
  info = describe("t");
  EXPECT_EQ(at("title").type.length, 300);
  EXPECT_NE(at("at").default_expression, "");
  ASSERT_EQ(info.indexes.size(), 1u);
  must_ddl(drop_index(spec, info.indexes[0].name, dialect()));
  EXPECT_TRUE(describe("t").indexes.empty());
}

HALCYON_INSTANTIATE_DIALECTS(DdlConformance);

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
