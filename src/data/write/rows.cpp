#include "data/write/rows.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;

std::vector<const Field*> stored_fields(const Collection& collection) {
  std::vector<const Field*> fields;
  fields.reserve(collection.fields.size());
  for (const Field& field : collection.fields) {
    if (!field.column.empty()) fields.push_back(&field);
  }
  return fields;
}

Result<std::vector<const Field*>> identity(const Collection& collection) {
  const auto& names =
      collection.primary_key.empty() ? collection.filter_target_key : collection.primary_key;
  std::vector<const Field*> fields;
  for (const std::string& name : names) {
    const Field* field = collection.find(name);
    if (field != nullptr && !field->column.empty()) fields.push_back(field);
  }
  if (fields.empty()) {
    return invalid("NO_KEY", "Collection \"" + collection.name +
                                 "\" has no key that tells its records apart.");
  }
  return fields;
}

std::string title_of(const Field& field) {
  if (const json::Object* schema = json::get_object(field.options, "uiSchema")) {
    std::string title = json::get_string(*schema, "title");
    if (!title.empty() && !title.starts_with("{{")) return title;
  }
  return field.name;
}

// --- values ---

sql::Value cell_value(const Field& field, sql::Cell cell) {
  const sql::Type type = field.storage.native_array ? sql::Type::kJson : field.storage.type;
  if (cell.is_null()) return sql::Value(sql::Null{}, type);
  const std::string_view text = cell.text();
  sql::Value value(text, type);
  switch (type) {
    case sql::Type::kBoolean:
      value.data = text == "true" || text == "1" || text == "t";
      break;
    case sql::Type::kInt32:
    case sql::Type::kInt64:
      if (auto number = to_int64(text)) value.data = *number;
      break;
    case sql::Type::kReal:
    case sql::Type::kDouble:
      if (auto number = to_double(text)) value.data = *number;
      break;
    default:
      break;
  }
  return value;
}

std::string value_text(const sql::Value& value) {
  struct Text {
    std::string operator()(sql::Null) const { return {}; }
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const {
      char buffer[32];
      auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
      return error == std::errc{} ? std::string(buffer, end) : std::string{};
    }
    std::string operator()(const std::string& text) const { return text; }
  };
  return std::visit(Text{}, value.data);
}

void write_value(const Field& field, const sql::Value& value, json::Writer& out) {
  sql::Cell cell;
  const std::string text = value_text(value);
  if (!value.is_null()) {
    cell.data = text.data();
    cell.length = static_cast<int32_t>(text.size());
  }
  field.kind->write(field, cell, out);
}

json::Value value_json(const Field& field, const sql::Value& value) {
  if (value.is_null()) return nullptr;
  if (const auto* number = std::get_if<int64_t>(&value.data)) {
    if (field.storage.type == sql::Type::kInt32) return *number;
  }
  std::string text;
  json::Writer writer(text);
  write_value(field, value, writer);
  auto parsed = json::parse(text);
  return parsed ? *std::move(parsed) : json::Value(nullptr);
}

sql::Value as_stored_in(const Field& field, sql::Value value) {
  const sql::Type type = field.storage.type;
  if (!value.is_null()) {
    const bool wants_number = type == sql::Type::kInt32 || type == sql::Type::kInt64;
    const bool wants_text = type == sql::Type::kText || type == sql::Type::kUuid;
    if (wants_number && std::holds_alternative<std::string>(value.data)) {
      if (auto number = to_int64(std::get<std::string>(value.data))) value.data = *number;
    } else if (wants_text && !std::holds_alternative<std::string>(value.data)) {
      value.data = value_text(value);
    }
  }
  value.type = type;
  return value;
}

bool same_value(const sql::Value& a, const sql::Value& b) {
  if (a.is_null() || b.is_null()) return a.is_null() && b.is_null();
  return a.data == b.data || value_text(a) == value_text(b);
}

const sql::Value& value_of(const Row& row, std::string_view field) {
  static const sql::Value kNull;
  auto it = row.find(field);
  return it == row.end() ? kNull : it->second;
}

bool is_given(const Row& row, std::string_view field) { return !value_of(row, field).is_null(); }

Result<sql::Value> parse_key(const Session& session, const Field& field, const json::Value& key) {
  auto value = field.kind->parse_operand(field, key, session.value_context());
  if (!value) return std::unexpected(std::move(value).error());
  if (value->is_null() || key.is_object() || key.is_array()) {
    return fail(Error(Code::kInvalidArgument, "INVALID_KEY",
                      "Field \"" + field.name + "\" needs a key, not " + json::dump(key) + ".")
                    .with_field(field.name)
                    .with_expected("a key"));
  }
  return as_stored_in(field, *std::move(value));
}

json::Value key_json(const Collection& collection, const Row& row) {
  const auto& names =
      collection.filter_target_key.empty() ? collection.primary_key : collection.filter_target_key;
  if (names.empty()) return nullptr;
  if (names.size() == 1) {
    const Field* field = collection.find(names.front());
    return field == nullptr ? json::Value(nullptr) : value_json(*field, value_of(row, field->name));
  }
  json::Object key;
  for (const std::string& name : names) {
    if (const Field* field = collection.find(name)) {
      key[name] = value_json(*field, value_of(row, name));
    }
  }
  return key;
}

json::Object row_json(const Collection& collection, const Row& row) {
  json::Object object;
  for (const Field* field : stored_fields(collection)) {
    auto it = row.find(field->name);
    if (it != row.end()) object[field->name] = value_json(*field, it->second);
  }
  return object;
}

std::string identity_text(const Collection& collection, const Row& row) {
  auto fields = identity(collection);
  if (!fields) return {};
  std::string text;
  for (const Field* field : *fields) {
    text += value_text(value_of(row, field->name));
    text += '\0';
  }
  return text;
}

// --- conditions ---

sql::Expr field_is(const Field& field, const sql::Value& value) {
  auto column = sql::column(kAlias, field.column);
  if (value.is_null()) return sql::is_null(std::move(column));
  return sql::eq(std::move(column), sql::param(as_stored_in(field, value)));
}

sql::Expr field_in(const Field& field, const std::vector<sql::Value>& values) {
  sql::In in{sql::column(kAlias, field.column), {}, false};
  in.list.reserve(values.size());
  for (const sql::Value& value : values) in.list.push_back(sql::param(as_stored_in(field, value)));
  return sql::make(std::move(in));
}

Result<sql::Expr> match_rows(const Collection& collection, const std::vector<Row>& rows) {
  TRY(auto fields, identity(collection));
  if (fields.size() == 1) {
    std::vector<sql::Value> keys;
    keys.reserve(rows.size());
    for (const Row& row : rows) keys.push_back(value_of(row, fields.front()->name));
    return field_in(*fields.front(), keys);
  }
  std::vector<sql::Expr> any;
  for (const Row& row : rows) {
    std::vector<sql::Expr> all;
    for (const Field* field : fields) all.push_back(field_is(*field, value_of(row, field->name)));
    any.push_back(sql::all_of(std::move(all)));
  }
  return sql::any_of(std::move(any));
}

// --- select ---

SelectOptions locked() {
  SelectOptions options;
  options.lock = true;
  return options;
}

Task<Result<std::vector<Row>>> select_rows(Session& session, const Collection& collection,
                                           sql::Expr where, SelectOptions options) {
  std::vector<const Field*> fields;
  for (const std::string& name : options.fields) {
    if (const Field* field = collection.find(name)) fields.push_back(field);
  }
  if (fields.empty()) fields = stored_fields(collection);
  sql::Select select;
  select.from = collection.table_ref(kAlias);
  for (const Field* field : fields) {
    select.columns.push_back({sql::column(kAlias, field->column), field->name});
  }
  select.where = std::move(where);
  select.order_by = std::move(options.order_by);
  select.limit = options.limit;
  select.for_update = options.lock;
  CO_TRY(sql::Rows found,
         co_await session.tx().run(session.call.ctx, sql::render(select, session.tx().dialect())));
  std::vector<Row> rows(found.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t c = 0; c < fields.size(); ++c) {
      rows[i].emplace(fields[c]->name, cell_value(*fields[c], found.cell(i, c)));
    }
  }
  co_return rows;
}

Task<Result<StringMap<Row>>> select_by_key(Session& session, const Collection& collection,
                                           const Field& key, std::vector<sql::Value> keys,
                                           SelectOptions options) {
  StringMap<Row> found;
  for (size_t from = 0; from < keys.size(); from += kChunk) {
    const size_t to = std::min(keys.size(), from + kChunk);
    std::vector<sql::Value> part(keys.begin() + static_cast<std::ptrdiff_t>(from),
                                 keys.begin() + static_cast<std::ptrdiff_t>(to));
    CO_TRY(auto rows, co_await select_rows(session, collection, field_in(key, part), options));
    for (Row& row : rows) {
      std::string text = value_text(value_of(row, key.name));
      found.emplace(std::move(text), std::move(row));
    }
  }
  co_return found;
}

// --- update and delete ---

Task<Result<int64_t>> update_rows(Session& session, const Collection& collection, const Row& set,
                                  sql::Expr where) {
  sql::Update update;
  update.table = collection.table_ref(kAlias);
  for (const Field* field : stored_fields(collection)) {
    auto it = set.find(field->name);
    if (it != set.end()) update.set.push_back({field->column, sql::param(it->second)});
  }
  if (update.set.empty()) co_return 0;
  update.where = std::move(where);
  session.touched(collection);
  auto done =
      co_await session.tx().run(session.call.ctx, sql::render(update, session.tx().dialect()));
  if (!done) co_return fail(write_error(collection, std::move(done).error()));
  co_return done->affected;
}

Task<Result<int64_t>> delete_rows(Session& session, const Collection& collection, sql::Expr where) {
  sql::Delete statement;
  statement.table = collection.table_ref(kAlias);
  statement.where = std::move(where);
  session.touched(collection);
  auto done =
      co_await session.tx().run(session.call.ctx, sql::render(statement, session.tx().dialect()));
  if (!done) co_return fail(write_error(collection, std::move(done).error()));
  co_return done->affected;
}

// --- errors ---

namespace {

// Field names for the columns (or the index) the database blames; empty when it does not say.
std::vector<const Field*> blamed_fields(const Collection& collection, const Error& error) {
  std::vector<const Field*> fields;
  auto add_column = [&](std::string_view column) {
    for (const Field& field : collection.fields) {
      if (field.column == column || (field.column.empty() && field.name == column)) {
        fields.push_back(&field);
        return;
      }
    }
  };
  for (std::string_view column : split(error.field, ',')) {
    if (!trim(column).empty()) add_column(trim(column));
  }
  if (!fields.empty()) return fields;
  for (const sql::IndexSpec& index : collection.indexes) {
    if (!index.unique) continue;
    if (error.internal.find(sql::index_name(collection.table, index)) == std::string::npos)
      continue;
    for (const std::string& column : index.columns) add_column(column);
    return fields;
  }
  return fields;
}

}  // namespace

Error write_error(const Collection& collection, Error error) {
  const bool unique = error.id == "UNIQUE_VIOLATION";
  const bool missing = error.id == "NOT_NULL_VIOLATION";
  if (!unique && !missing && error.id != "VALUE_OUT_OF_RANGE" && error.id != "INVALID_VALUE" &&
      error.id != "CHECK_VIOLATION") {
    return error;
  }
  std::vector<std::string> names;
  std::vector<std::string> titles;
  for (const Field* field : blamed_fields(collection, error)) {
    names.push_back(field->name);
    titles.push_back("\"" + title_of(*field) + "\"");
  }
  error.code = Code::kInvalidArgument;
  error.field = join(names, ",");
  const std::string what = titles.empty() ? "a field" : join(titles, ", ");
  if (unique) {
    error.message = (titles.empty() ? "A value" : join(titles, ", ")) +
                    (titles.size() > 1 ? " together" : "") + " must be unique in \"" +
                    collection.name + "\": another record has the same value.";
    error.expected = "a value no other record has";
  } else if (missing) {
    error.message = (titles.empty() ? "A field" : join(titles, ", ")) + " of \"" + collection.name +
                    "\" is required.";
    error.expected = "a value";
  } else if (!titles.empty()) {
    error.message = "The value of " + what + " does not fit its column.";
  }
  return error;
}

}  // namespace halcyon::data::write
