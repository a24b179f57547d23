#include "data/write/answer.h"

#include <algorithm>

#include "data/records.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;

namespace {

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// The caller's view rights, widened for one collection by what the caller has just written, and
// without row scopes: a new record need not be in the caller's own view.
class WrittenView final : public Permissions {
 public:
  WrittenView(const Permissions& base, const Collection& collection,
              std::vector<std::string> written)
      : base_(base), collection_(collection), written_(std::move(written)) {}

  Grant grant(const Collection& collection, std::string_view action) const override {
    Grant grant = base_.grant(collection, action);
    if (&collection != &collection_ || action != "view") return grant;
    grant.scope = nullptr;
    if (!grant.allowed) {
      grant.allowed = true;
      grant.fields.emplace();
    }
    if (grant.fields) {
      grant.fields->insert(grant.fields->end(), written_.begin(), written_.end());
    }
    return grant;
  }

 private:
  const Permissions& base_;
  const Collection& collection_;
  std::vector<std::string> written_;
};

// Never shown, whatever the rights.
bool is_secret(const Field& field) { return field.hidden || field.type == "password"; }

bool is_always_readable(const Collection& collection, const Field& field) {
  return field.primary_key || has(collection.filter_target_key, field.name) ||
         field.name == "createdAt" || field.name == "updatedAt" || field.name == "createdById";
}

std::vector<const Field*> shown_fields(const Collection& collection, const Grant& grant) {
  std::vector<const Field*> shown;
  for (const Field* field : stored_fields(collection)) {
    if (is_secret(*field)) continue;
    if (!grant.fields || has(*grant.fields, field->name) ||
        is_always_readable(collection, *field)) {
      shown.push_back(field);
    }
  }
  return shown;
}

void write_row(const std::vector<const Field*>& fields, const Row& row, json::Writer& out) {
  static const sql::Value kNull;
  out.begin_object();
  for (const Field* field : fields) {
    auto it = row.find(field->name);
    out.key(field->name);
    write_value(*field, it == row.end() ? kNull : it->second, out);
  }
  out.end_object();
}

// The key of a record as it was answered.
json::Value key_of(const Collection& collection, const json::Object& record) {
  const auto& names =
      collection.filter_target_key.empty() ? collection.primary_key : collection.filter_target_key;
  json::Object key;
  for (const std::string& name : names) {
    const json::Value* part = json::find(record, name);
    if (part == nullptr) continue;
    if (names.size() == 1) return *part;
    key[name] = *part;
  }
  return key;
}

// Reads answer in the order of the key; generated keys already come that way.
Result<Answer> in_order_of(const std::vector<json::Value>& keys, const Collection& collection,
                           Answer answer) {
  const bool ascending = std::ranges::is_sorted(keys, [](const auto& a, const auto& b) {
    return a.is_int64() && b.is_int64() && a.get_int64() < b.get_int64();
  });
  if (ascending && std::ranges::all_of(keys, [](const auto& key) { return key.is_int64(); })) {
    return answer;
  }
  TRY(const json::Value read, json::parse(answer.data));
  StringMap<const json::Value*> by_key;
  for (const json::Value& item : read.get_array()) {
    by_key[json::dump(key_of(collection, item.get_object()))] = &item;
  }
  json::Array ordered;
  for (const json::Value& key : keys) {
    auto it = by_key.find(json::dump(key));
    if (it != by_key.end()) ordered.push_back(*it->second);
  }
  answer.data = json::dump(ordered);
  return answer;
}

Task<Result<Answer>> read_back(Session& session, const Collection& collection,
                               const Permissions& view, const std::vector<Row>& rows,
                               std::vector<std::string> appends, bool as_array) {
  const Call call{session.call.ctx, session.call.model, session.call.db, session.call.caller, view,
                  session.call.tx};
  Target target;
  target.collection = &collection;
  Params params;
  params.appends = std::move(appends);
  params.paginate = false;
  if (!as_array) {
    if (!rows.empty()) params.filter_by_tk = key_json(collection, rows.front());
    co_return co_await get(call, target, std::move(params));
  }
  Answer all;
  all.data = "[";
  for (size_t from = 0; from < rows.size(); from += kChunk) {
    const size_t to = std::min(rows.size(), from + kChunk);
    std::vector<json::Value> keys;
    for (size_t i = from; i < to; ++i) keys.push_back(key_json(collection, rows[i]));
    json::Array list_of_keys(keys.begin(), keys.end());
    params.filter_by_tk = std::move(list_of_keys);
    CO_TRY(Answer part, co_await list(call, target, params));
    CO_TRY(part, in_order_of(keys, collection, std::move(part)));
    if (part.data.size() <= 2) continue;
    if (all.data.size() > 1) all.data += ',';
    all.data.append(part.data, 1, part.data.size() - 2);
  }
  all.data += "]";
  co_return all;
}

}  // namespace

Task<Result<Answer>> records_answer(Session& session, const Collection& collection,
                                    std::vector<Row> rows, AnswerOptions options) {
  std::vector<std::string> written;
  std::vector<std::string> appends;
  for (const json::Object* values : options.written) {
    for (const auto& [name, value] : *values) {
      const Field* field = collection.find(std::string_view(name.data(), name.size()));
      if (field == nullptr || has(written, field->name)) continue;
      written.push_back(field->name);
      if (field->relation) appends.push_back(field->name);
    }
  }
  const WrittenView view(session.call.permissions, collection, std::move(written));
  if (!appends.empty()) {
    co_return co_await read_back(session, collection, view, rows, std::move(appends),
                                 options.as_array);
  }
  const Grant grant = view.grant(collection, "view");
  const auto fields = shown_fields(collection, grant);
  Answer answer;
  answer.data.clear();
  json::Writer out(answer.data);
  if (options.as_array) out.begin_array();
  for (const Row& row : rows) {
    write_row(fields, row, out);
    if (!options.as_array) co_return answer;
  }
  if (options.as_array) {
    out.end_array();
  } else {
    out.null();
  }
  co_return answer;
}

}  // namespace halcyon::data::write
