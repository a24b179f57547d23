// Rows of one collection: the few statements all writes are made of, and values as text and JSON.
//
//   CO_TRY(auto rows, co_await select_rows(session, orders, match_rows(orders, found), {.lock =
//   true})); CO_TRY_STATUS(co_await insert_rows(session, orders, rows, InsertAnswer::kRows));
//
// Conditions are written for the alias kAlias. Errors of the database come out as the client should
// see them (UNIQUE_VIOLATION is a 400 that names the field).
// Thread rule: as Session.
#pragma once

#include <string>
#include <vector>

#include "data/write/session.h"

namespace halcyon::data::write {

inline const std::string kAlias = "t";

// Fields that have a column, in order.
std::vector<const schema::Field*> stored_fields(const schema::Collection& collection);
// What tells rows apart: the primary key, else the filter target key. NO_KEY when there is neither.
Result<std::vector<const schema::Field*>> identity(const schema::Collection& collection);
std::string title_of(const schema::Field& field);

// --- values ---
sql::Value cell_value(const schema::Field& field, sql::Cell cell);
std::string value_text(const sql::Value& value);  // the cell's text form; empty for NULL
void write_value(const schema::Field& field, const sql::Value& value, json::Writer& out);
json::Value value_json(const schema::Field& field, const sql::Value& value);
// The value as `field` would store it (a key that travels from one collection to another).
sql::Value as_stored_in(const schema::Field& field, sql::Value value);
bool same_value(const sql::Value& a, const sql::Value& b);
const sql::Value& value_of(const Row& row, std::string_view field);  // NULL when absent
bool is_given(const Row& row, std::string_view field);               // present and not NULL
Result<sql::Value> parse_key(const Session& session, const schema::Field& field,
                             const json::Value& key);
json::Value key_json(const schema::Collection& collection, const Row& row);
json::Object row_json(const schema::Collection& collection, const Row& row);
std::string identity_text(const schema::Collection& collection, const Row& row);

// --- conditions ---
sql::Expr field_is(const schema::Field& field, const sql::Value& value);  // IS NULL for NULL
sql::Expr field_in(const schema::Field& field, const std::vector<sql::Value>& values);
Result<sql::Expr> match_rows(const schema::Collection& collection, const std::vector<Row>& rows);

// --- statements ---
struct SelectOptions {
  std::vector<std::string> fields;  // empty: all that have a column
  bool lock = false;
  std::vector<sql::Order> order_by;
  std::optional<int64_t> limit;
  SelectOptions() = default;
};
SelectOptions locked();
Task<Result<std::vector<Row>>> select_rows(Session& session, const schema::Collection& collection,
                                           sql::Expr where, SelectOptions options = {});
// Rows of `key` IN `keys`, by the text of the key. One statement per chunk of keys.
Task<Result<StringMap<Row>>> select_by_key(Session& session, const schema::Collection& collection,
                                           const schema::Field& key, std::vector<sql::Value> keys,
                                           SelectOptions options = {});

enum class InsertAnswer { kKeys, kRows };  // what `rows` holds afterwards
// Inserts in as few statements as the parameter limit allows; keys made by the database are filled
// in, with kRows every column as it is stored.
Task<Status> insert_rows(Session& session, const schema::Collection& collection,
                         std::vector<Row>& rows, InsertAnswer answer);
Task<Result<int64_t>> update_rows(Session& session, const schema::Collection& collection,
                                  const Row& set, sql::Expr where);
Task<Result<int64_t>> delete_rows(Session& session, const schema::Collection& collection,
                                  sql::Expr where);

// An error of the database in words for the client: field names and titles, 400 instead of 500.
Error write_error(const schema::Collection& collection, Error error);

// Splits `items` for IN lists and VALUES lists that must stay below the dialect's parameter limit.
inline constexpr size_t kChunk = 1000;

}  // namespace halcyon::data::write
