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

Task<Result<Answer>> read_back(Session& session, const Collection& collection,
                               const Permissions& view, const std::vector<Row>& rows,
                               std::vector<std::string> appends, bool as_array) {
  const Call call{session.call.ctx, session.call.model, session.call.db, session.call.caller, view,
                  session.call.tx};
  Target target;
  target.collection = &collection;
  Answer all;
  if (as_array) all.data = "[";
  for (const Row& row : rows) {
    Params params;
    params.filter_by_tk = key_json(collection, row);
    params.appends = appends;
    CO_TRY(Answer one, co_await get(call, target, std::move(params)));
    if (!as_array) co_return one;
    if (all.data.size() > 1) all.data += ',';
    all.data += one.data;
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
