#include "sql/text_util.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <stdexcept>

namespace halcyon::sql {

void quote_with(std::string& out, std::string_view identifier, char mark) {
  out += mark;
  for (char c : identifier) {
    if (c == mark) out += mark;
    out += c;
  }
  out += mark;
}

void quote_literal(std::string& out, std::string_view text, bool backslash) {
  out += '\'';
  for (char c : text) {
    if (c == '\'' || (backslash && c == '\\')) out += c;
    out += c;
  }
  out += '\'';
}

std::string like_pattern(const Like& like) {
  if (like.kind == LikeKind::kPattern) {
    // A lone escape character at the end is an error in PostgreSQL only; make it match itself.
    size_t end = like.needle.find_last_not_of('\\');
    size_t run = like.needle.size() - (end == std::string::npos ? 0 : end + 1);
    return run % 2 == 1 ? like.needle + '\\' : like.needle;
  }
  std::string pattern;
  pattern.reserve(like.needle.size() + 4);
  if (like.kind != LikeKind::kStartsWith) pattern += '%';
  for (char c : like.needle) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  if (like.kind != LikeKind::kEndsWith) pattern += '%';
  return pattern;
}

namespace {

// Reads exactly `digits` digits at `at`.
bool read_digits(std::string_view text, size_t at, size_t digits, int& out) {
  if (at + digits > text.size()) return false;
  auto [end, error] = std::from_chars(text.data() + at, text.data() + at + digits, out);
  return error == std::errc() && end == text.data() + at + digits && text[at] != '-';
}

// "Z", "+00", "+00:00", "+0000", with blanks before. Minutes east of UTC.
bool read_zone(std::string_view zone, int& minutes) {
  minutes = 0;
  while (!zone.empty() && zone.front() == ' ') zone.remove_prefix(1);
  if (zone.empty() || zone == "Z" || zone == "z") return true;
  if (zone.front() != '+' && zone.front() != '-') return false;
  int hours = 0, mins = 0;
  if (!read_digits(zone, 1, 2, hours)) return false;
  std::string_view rest = zone.substr(3);
  if (rest.starts_with(':')) rest.remove_prefix(1);
  if (!rest.empty() && (rest.size() != 2 || !read_digits(rest, 0, 2, mins))) return false;
  minutes = (hours * 60 + mins) * (zone.front() == '-' ? -1 : 1);
  return true;
}

}  // namespace

std::string utc_timestamp(std::string_view text) {
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0, zone = 0;
  bool ok = text.size() >= 19 && read_digits(text, 0, 4, y) && text[4] == '-' &&
            read_digits(text, 5, 2, mo) && text[7] == '-' && read_digits(text, 8, 2, d) &&
            (text[10] == ' ' || text[10] == 'T') && read_digits(text, 11, 2, h) &&
            text[13] == ':' && read_digits(text, 14, 2, mi) && text[16] == ':' &&
            read_digits(text, 17, 2, s);
  if (!ok) return std::string(text);
  size_t at = 19;
  int millis = 0;
  if (at < text.size() && text[at] == '.') {
    int scale = 100;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10) {
      millis += (text[at] - '0') * scale;
    }
  }
  if (!read_zone(text.substr(at), zone)) return std::string(text);
  using namespace std::chrono;
  year_month_day day{year(y), month(static_cast<unsigned>(mo)),
                     std::chrono::day(static_cast<unsigned>(d))};
  if (!day.ok()) return std::string(text);
  // Hours and seconds out of range are kept, for the database to refuse.
  if (zone == 0) {
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}", y, mo, d, h, mi, s, millis);
  }
  auto time = sys_days(day) + hours(h) + minutes(mi - zone) + seconds(s);
  year_month_day date{floor<days>(time)};
  hh_mm_ss<seconds> clock{time - floor<days>(time)};
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     millis);
}

std::vector<DatePart> date_parts(std::string_view format) {
  static constexpr std::string_view kTokens[] = {"YYYY", "MM", "DD", "hh", "HH",
                                                 "mm",   "ss", "Q",  "WW", "W"};
  std::vector<DatePart> parts;
  for (size_t i = 0; i < format.size();) {
    std::string_view rest = format.substr(i);
    if (rest.front() == '[') {
      size_t close = rest.find(']');
      if (close != std::string_view::npos) {
        parts.push_back({{}, rest.substr(1, close - 1)});
        i += close + 1;
        continue;
      }
    }
    std::string_view found;
    for (std::string_view token : kTokens) {
      if (rest.starts_with(token)) {
        found = token;
        break;
      }
    }
    if (found.empty()) {
      parts.push_back({{}, rest.substr(0, 1)});
      ++i;
      continue;
    }
    i += found.size();
    if (found == "HH") found = "hh";
    if (found == "WW") found = "W";
    parts.push_back({found, {}});
  }
  return parts;
}

namespace {
const Value& literal_value(const Expr& expr) {
  const auto* param = expr ? std::get_if<Param>(&expr->node) : nullptr;
  if (!param) throw std::logic_error("this argument must be a parameter known when rendering");
  return param->value;
}
}  // namespace

std::string_view literal_text(const Expr& expr) {
  const auto* text = std::get_if<std::string>(&literal_value(expr).data);
  if (!text) throw std::logic_error("this argument must be text");
  return *text;
}

int64_t literal_int(const Expr& expr) {
  const auto* number = std::get_if<int64_t>(&literal_value(expr).data);
  if (!number) throw std::logic_error("this argument must be an integer");
  return *number;
}

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> parts;
  for (size_t start = 0; start <= path.size();) {
    size_t dot = std::min(path.find('.', start), path.size());
    parts.push_back(path.substr(start, dot - start));
    start = dot + 1;
  }
  return parts;
}

bool is_index(std::string_view part) {
  return !part.empty() && part.size() < 10 &&
         part.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string json_path(std::string_view dotted) {
  std::string path = "$";
  for (std::string_view part : split_path(dotted)) {
    if (is_index(part)) {
      path += '[';
      path += part;
      path += ']';
      continue;
    }
    path += ".\"";
    for (char c : part) {
      if (c == '"' || c == '\\') path += '\\';
      path += c;
    }
    path += '"';
  }
  return path;
}

std::string_view trim_statement(std::string_view sql) {
  size_t end = 0;  // behind the last character that counts
  for (size_t i = 0; i < sql.size();) {
    std::string_view rest = sql.substr(i);
    char c = rest.front();
    size_t length = 1;
    bool counts = c != ';' && c != ' ' && c != '\t' && c != '\r' && c != '\n';
    if (c == '\'' || c == '"' || c == '`') {
      length = std::min(rest.find(c, 1), rest.size() - 1) + 1;  // a doubled mark is two strings
    } else if (rest.starts_with("--")) {
      length = std::min(rest.find('\n'), rest.size());
      counts = false;
    } else if (rest.starts_with("/*")) {
      size_t close = rest.find("*/", 2);
      length = close == std::string_view::npos ? rest.size() : close + 2;
      counts = false;
    }
    i += length;
    if (counts) end = i;
  }
  return sql.substr(0, end);
}

void call_simple(Rendering& out, std::string_view name, const std::vector<Expr>& args,
                 const Dialect& dialect) {
  out.text += name;
  out.text += '(';
  render_list(out, args, dialect);
  out.text += ')';
}

void render_list(Rendering& out, const std::vector<Expr>& list, const Dialect& dialect) {
  bool first = true;
  for (const Expr& expr : list) {
    if (!first) out.text += ", ";
    first = false;
    if (!expr) throw std::logic_error("a list of expressions holds an absent one");
    render_expr(out, *expr, dialect);
  }
}

void render_columns(Rendering& out, const std::vector<std::string>& names, const Dialect& dialect) {
  bool first = true;
  for (const std::string& name : names) {
    if (!first) out.text += ", ";
    first = false;
    dialect.quote(out.text, name);
  }
}

void render_assignments(Rendering& out, const std::vector<Assignment>& set,
                        const Dialect& dialect) {
  if (set.empty()) throw std::logic_error("nothing is assigned");
  bool first = true;
  for (const Assignment& assignment : set) {
    if (!first) out.text += ", ";
    first = false;
    dialect.quote(out.text, assignment.column);
    out.text += " = ";
    render_expr(out, *assignment.value, dialect);
  }
}

void standard_insert_tail(Rendering& out, const Insert& insert, const Dialect& dialect) {
  if (!insert.on_conflict_set.empty()) {
    out.text += " ON CONFLICT (";
    render_columns(out, insert.conflict_columns, dialect);
    out.text += ") DO UPDATE SET ";
    out.in_upsert = true;
    render_assignments(out, insert.on_conflict_set, dialect);
    out.in_upsert = false;
  } else if (insert.ignore_conflicts) {
    out.text += " ON CONFLICT DO NOTHING";
  }
  if (!insert.returning.empty()) {
    out.text += " RETURNING ";
    render_columns(out, insert.returning, dialect);
  }
}

}  // namespace halcyon::sql
