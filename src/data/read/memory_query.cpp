#include "data/read/memory_query.h"

#include <algorithm>

#include "data/read/evaluate.h"
#include "data/read/filter.h"
#include "json/writer.h"

namespace halcyon::data {
namespace {

const json::Value& at_path(const json::Value& row, std::string_view path) {
  static const json::Value kNull;
  const json::Value* found = json::find(row, path);
  return found == nullptr ? kNull : *found;
}

std::string text_of(const json::Value& v) {
  return v.is_string() ? std::string(json::as_view(v)) : json::dump(v);
}

bool has_key(const json::Value& row, const json::Value& tk, std::string_view key) {
  if (tk.is_array()) {
    return std::ranges::any_of(tk.get_array(),
                               [&](const json::Value& one) { return has_key(row, one, key); });
  }
  if (tk.is_object()) {
    return std::ranges::all_of(tk.get_object(), [&](const auto& part) {
      return text_of(at_path(row, part.key())) == text_of(part.value());
    });
  }
  const json::Value& own = at_path(row, key);
  return !own.is_null() && text_of(own) == text_of(tk);
}

int compare(const json::Value& a, const json::Value& b) {
  if (a.is_number() && b.is_number()) {
    const double x = a.to_number<double>(), y = b.to_number<double>();
    return x < y ? -1 : x > y ? 1 : 0;
  }
  const int order = text_of(a).compare(text_of(b));
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

void sort_rows(std::vector<const json::Value*>& rows, const std::vector<std::string>& sort) {
  std::ranges::sort(rows, [&](const json::Value* a, const json::Value* b) {
    for (std::string_view path : sort) {
      const bool descending = path.starts_with('-');
      if (descending) path.remove_prefix(1);
      const json::Value& x = at_path(*a, path);
      const json::Value& y = at_path(*b, path);
      if (x.is_null() != y.is_null()) return y.is_null();  // NULLs last, either way
      const int order = x.is_null() ? 0 : compare(x, y);
      if (order != 0) return descending ? order > 0 : order < 0;
    }
    return std::less<>()(a, b);  // the order they had: all are members of one array
  });
}

Result<std::vector<const json::Value*>> select(const json::Array& rows, const Params& params,
                                               std::string_view key, const Call& call) {
  TRY(const json::Value filter, resolve_variables(call, params.filter));
  Evaluation evaluation;
  evaluation.utc_offset_minutes = call.ctx.utc_offset_minutes;
  evaluation.user_id = call.caller.user_id;
  std::vector<const json::Value*> found;
  for (const json::Value& row : rows) {
    if (!row.is_object()) continue;
    if (!params.filter_by_tk.is_null() && !has_key(row, params.filter_by_tk, key)) continue;
    TRY(const bool matches, evaluate(evaluation, nullptr, row.get_object(), filter));
    if (matches) found.push_back(&row);
  }
  sort_rows(found, params.sort);
  return found;
}

void remove_path(json::Value& v, std::string_view path) {
  if (v.is_array()) {
    for (json::Value& item : v.get_array()) remove_path(item, path);
    return;
  }
  if (!v.is_object()) return;
  const size_t dot = path.find('.');
  if (dot == std::string_view::npos) {
    v.get_object().erase(path);
    return;
  }
  if (json::Value* inner = v.get_object().if_contains(path.substr(0, dot)))
    remove_path(*inner, path.substr(dot + 1));
}

// Copies what `path` names from one object (or list of objects) to another of the same form.
void copy_path(const json::Value& from, json::Value& to, std::string_view path) {
  if (from.is_array()) {
    if (!to.is_array()) to = json::Array(from.get_array().size(), json::Object{});
    for (size_t i = 0; i < from.get_array().size(); ++i) copy_path(from.at(i), to.at(i), path);
    return;
  }
  if (!from.is_object()) {
    to = from;
    return;
  }
  if (!to.is_object()) to = json::Object{};
  const size_t dot = path.find('.');
  const std::string_view name = path.substr(0, dot);
  const json::Value* value = from.get_object().if_contains(name);
  if (value == nullptr) return;
  if (dot == std::string_view::npos)
    to.get_object()[name] = *value;
  else
    copy_path(*value, to.get_object()[name], path.substr(dot + 1));
}

void write_row(const json::Value& row, const Params& params, json::Writer& out) {
  if (params.fields) {
    json::Value shown = json::Object{};
    for (const std::string& path : *params.fields) copy_path(row, shown, path);
    for (const std::string& path : params.appends) copy_path(row, shown, path);
    return out.value(shown);
  }
  if (params.except.empty()) return out.value(row);
  json::Value shown = row;
  for (const std::string& path : params.except) remove_path(shown, path);
  out.value(shown);
}

void write_meta(Answer& answer, const Params& params, int64_t total) {
  json::Writer meta(answer.meta);
  meta.begin_object();
  meta.key("count");
  meta.integer(total);
  meta.key("page");
  meta.integer(params.page);
  meta.key("pageSize");
  meta.integer(params.page_size);
  meta.key("totalPage");
  meta.integer((total + params.page_size - 1) / params.page_size);
  meta.end_object();
}

}  // namespace

Result<Answer> memory_list(const json::Array& rows, const Params& params, std::string_view key,
                           const Call& call) {
  TRY(const std::vector<const json::Value*> found, select(rows, params, key, call));
  const auto total = static_cast<int64_t>(found.size());
  int64_t from = 0, to = total;
  Answer answer;
  if (params.paginate) {
    if (params.page < 1 || params.page_size < 1)
      return invalid("INVALID_PARAMETER", "\"page\" and \"pageSize\" must be whole numbers from 1");
    from = params.page > total ? total : std::min(total, (params.page - 1) * params.page_size);
    to = std::min(total, from + std::min(total, params.page_size));
    write_meta(answer, params, total);
  }
  answer.data.clear();
  json::Writer writer(answer.data);
  writer.begin_array();
  for (int64_t i = from; i < to; ++i) write_row(*found[static_cast<size_t>(i)], params, writer);
  writer.end_array();
  return answer;
}

Result<Answer> memory_get(const json::Array& rows, const Params& params, std::string_view key,
                          const Call& call) {
  TRY(const std::vector<const json::Value*> found, select(rows, params, key, call));
  Answer answer;
  if (found.empty()) return answer;
  answer.data.clear();
  json::Writer writer(answer.data);
  write_row(*found.front(), params, writer);
  return answer;
}

}  // namespace halcyon::data
