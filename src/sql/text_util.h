// Pieces of SQL text that several dialects share. Only for sql/ itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/dialect.h"

namespace halcyon::sql {

// Appends `identifier` between `mark`s, doubling those inside.
void quote_with(std::string& out, std::string_view identifier, char mark);

// Appends 'text' as a literal; `backslash` doubles backslashes too (MySQL).
void quote_literal(std::string& out, std::string_view text, bool backslash);

// The LIKE pattern of a node, with backslash as the escape character.
std::string like_pattern(const Like& like);

// "2026-01-31T10:00:00.5+02:00" -> "2026-01-31 08:00:00.500". Text that is no timestamp is
// returned as it is, for the database to complain about.
std::string utc_timestamp(std::string_view text);

// kDateFormat's format, cut into tokens. `token` is "YYYY", "MM", "DD", "hh", "mm", "ss", "Q", "W",
// or empty: then `text` stands for itself.
struct DatePart {
  std::string_view token;
  std::string_view text;
};
std::vector<DatePart> date_parts(std::string_view format);

// Arguments of functions that are part of the statement's shape, not parameters.
std::string_view literal_text(const Expr& expr);
int64_t literal_int(const Expr& expr);

// "a.0.b" -> {"a", "0", "b"}.
std::vector<std::string_view> split_path(std::string_view path);
bool is_index(std::string_view path_part);
// $."a"[0]."b", the form of MySQL and SQLite.
std::string json_path(std::string_view dotted);

// The stored SELECT without what may follow it: blanks, ";" and comments.
std::string_view trim_statement(std::string_view sql);

// name(arg, arg, ...)
void call_simple(Rendering& out, std::string_view name, const std::vector<Expr>& args,
                 const Dialect& dialect);
void render_list(Rendering& out, const std::vector<Expr>& list, const Dialect& dialect);
void render_columns(Rendering& out, const std::vector<std::string>& names, const Dialect& dialect);
void render_assignments(Rendering& out, const std::vector<Assignment>& set, const Dialect& dialect);

// ON CONFLICT and RETURNING as PostgreSQL and SQLite have them.
void standard_insert_tail(Rendering& out, const Insert& insert, const Dialect& dialect);

}  // namespace halcyon::sql
