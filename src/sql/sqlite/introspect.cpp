// What is there, from the pragma table functions and sqlite_schema.
#include <algorithm>
#include <charconv>

#include "sql/sqlite/ddl.h"

namespace halcyon::sql::sqlite {

namespace {

constexpr std::string_view kColumns =
    "SELECT c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, s.type, s.sql FROM sqlite_schema s "
    "JOIN pragma_table_xinfo(s.name) c WHERE s.type IN ('table', 'view') AND s.name = ? AND "
    "c.hidden <> 1 ORDER BY c.cid";

// Indexes of plain columns over all rows; the primary key's own index is told by table_xinfo.
constexpr std::string_view kIndexes =
    "SELECT l.name, l.\"unique\", i.name FROM pragma_index_list(?) l JOIN "
    "pragma_index_info(l.name) "
    "i WHERE l.partial = 0 AND l.origin <> 'pk' ORDER BY l.name, i.seqno";

bool same_letter(char a, char b) { return (a | 32) == (b | 32); }
bool contains(std::string_view text, std::string_view word) {
  return !std::ranges::search(text, word, same_letter).empty();
}

// "DECIMAL(10,2)" -> 10, 2.
void read_sizes(std::string_view text, int& first, int& second) {
  size_t open = text.find('(');
  if (open == std::string_view::npos) return;
  const char* end = text.data() + text.size();
  auto [next, error] = std::from_chars(text.data() + open + 1, end, first);
  if (error != std::errc()) return;
  while (next != end && (*next == ',' || *next == ' ')) ++next;
  std::from_chars(next, end, second);
}

ColumnType map_type(std::string_view declared) {
  ColumnType type;
  int first = 0, second = 0;
  read_sizes(declared, first, second);
  auto starts = [&](std::string_view word) {
    return declared.size() >= word.size() &&
           std::ranges::equal(declared.substr(0, word.size()), word, same_letter);
  };
  if (starts("tinyint(1)") || starts("bool"))
    type.type = Type::kBoolean;
  else if (starts("bigint"))
    type.type = Type::kInt64;
  else if (starts("decimal") || starts("numeric")) {
    type.type = Type::kDecimal;
    type.precision = first;
    type.scale = second;
  } else if (starts("datetime") || starts("timestamp"))
    type.type = Type::kTimestampTz;
  else if (starts("date"))
    type.type = Type::kDate;
  else if (starts("time"))
    type.type = Type::kTime;
  else if (starts("json"))
    type.type = Type::kJson;
  else if (starts("uuid"))
    type.type = Type::kUuid;
  else if (starts("double") || starts("float"))
    type.type = Type::kDouble;
  else if (starts("real"))
    type.type = Type::kReal;
  else if (contains(declared, "blob") || declared.empty())
    type.type = Type::kBytes;
  else if (contains(declared, "char"))
    type.length = first;
  else if (contains(declared, "int"))
    type.type = Type::kInt32;
  return type;
}

}  // namespace

Task<Result<std::vector<std::string>>> SqliteDdl::list_tables(Executor& db, const Context& ctx,
                                                              std::string, bool views) const {
  Statement statement;
  statement.text =
      "SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
      "ORDER BY name";
  statement.params = {Value(views ? "view" : "table")};
  CO_TRY(Rows rows, co_await db.run(ctx, std::move(statement)));
  std::vector<std::string> names;
  for (size_t row = 0; row < rows.size(); ++row) names.emplace_back(rows.cell(row, 0).text());
  co_return names;
}

Task<Result<std::optional<TableInfo>>> SqliteDdl::describe_table(Executor& db, const Context& ctx,
                                                                 std::string,
                                                                 std::string table) const {
  Statement columns;
  columns.text = kColumns;
  columns.params = {Value(table)};
  CO_TRY(Rows found, co_await db.run(ctx, std::move(columns)));
  if (found.empty()) co_return std::nullopt;
  TableInfo info;
  info.name = table;
  info.is_view = found.cell(0, 5).text() == "view";
  bool counts_up = contains(found.cell(0, 6).text(), "AUTOINCREMENT");
  std::vector<std::pair<int, std::string>> key;
  for (size_t row = 0; row < found.size(); ++row) {
    ColumnSpec column;
    column.name = found.cell(row, 0).text();
    std::string_view declared = found.cell(row, 1).text();
    column.type = map_type(declared);
    int place = 0;
    std::string_view pk = found.cell(row, 4).text();
    std::from_chars(pk.data(), pk.data() + pk.size(), place);
    column.primary_key = place > 0;
    column.nullable = found.cell(row, 2).text() == "0" && !column.primary_key;
    column.auto_increment = column.primary_key && counts_up;
    // The rowid has 64 bits, whatever its column is called.
    if (column.auto_increment) column.type.type = Type::kInt64;
    if (place > 0) key.emplace_back(place, column.name);
    Cell initial = found.cell(row, 3);
    if (!initial.is_null() &&
        !parse_default(initial.text(), column.type.type, false, column.default_value)) {
      column.default_expression = initial.text();
    }
    info.columns.push_back(std::move(column));
    info.raw_types.emplace_back(declared);
  }
  std::ranges::sort(key);
  for (auto& [place, name] : key) info.primary_key.push_back(std::move(name));

  Statement indexes;
  indexes.text = kIndexes;
  indexes.params = {Value(table)};
  CO_TRY(Rows keys, co_await db.run(ctx, std::move(indexes)));
  for (size_t row = 0; row < keys.size(); ++row) {
    std::string_view name = keys.cell(row, 0).text();
    if (info.indexes.empty() || info.indexes.back().name != name) {
      info.indexes.push_back({std::string(name), {}, keys.cell(row, 1).text() == "1"});
    }
    info.indexes.back().columns.emplace_back(keys.cell(row, 2).text());  // NULL: an expression
  }
  std::erase_if(info.indexes, [](const IndexSpec& index) { return index_has(index, ""); });
  co_return info;
}

}  // namespace halcyon::sql::sqlite
