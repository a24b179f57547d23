#include "data/read/load.h"

#include <algorithm>
#include <bit>

#include "data/read/concurrent.h"
#include "schema/field_type.h"

namespace halcyon::data {
namespace {

constexpr size_t kChunk = 1024;
constexpr int kMaxLevels = 100;  // of a recursive append; also ends cycles in the data

using Parts = std::vector<sql::Rows>;

bool is_array_relation(const Append& append) {
  return append.relation != nullptr &&
         append.relation->relation->kind == schema::RelationKind::kBelongsToArray;
}

// The keys in a stored list: scalars as the text their cells would have.
std::vector<std::string> array_keys(sql::Cell cell) {
  std::vector<std::string> keys;
  if (cell.is_null()) return keys;
  boost::system::error_code error;
  const json::Value list = boost::json::parse(cell.text(), error);
  if (error || !list.is_array()) return keys;
  for (const json::Value& item : list.get_array()) {
    if (item.is_string())
      keys.emplace_back(json::as_view(item));
    else if (item.is_number())
      keys.push_back(json::dump(item));
  }
  return keys;
}

// Distinct keys of the rows above, in order of appearance. `owned` keeps keys taken out of lists.
std::vector<std::string> collect_keys(const Append& append, const Parts& parts, size_t column) {
  std::vector<std::string> keys;
  std::unordered_set<std::string_view> seen;
  const bool lists = is_array_relation(append);
  for (const sql::Rows& rows : parts) {
    for (size_t row = 0; row < rows.size(); ++row) {
      const sql::Cell cell = rows.cell(row, column);
      if (cell.is_null()) continue;
      if (!lists) {
        if (seen.insert(cell.text()).second) keys.emplace_back(cell.text());
        continue;
      }
      for (std::string& key : array_keys(cell)) keys.push_back(std::move(key));
    }
  }
  if (lists) {
    std::ranges::sort(keys);
    const auto repeated = std::ranges::unique(keys);
    keys.erase(repeated.begin(), repeated.end());
  }
  return keys;
}

// Text that is no value of the column's type (keys in lists come from users) matches nothing.
bool fits(std::string_view text, sql::Type type) {
  const bool number = type == sql::Type::kInt32 || type == sql::Type::kInt64;
  return !number || to_int64(text).has_value();
}

sql::Value value_of_text(std::string_view text, sql::Type type) {
  switch (type) {
    case sql::Type::kInt32:
    case sql::Type::kInt64:
      if (const auto number = to_int64(text)) return sql::Value(*number);
      return sql::Value(sql::Null{}, type);
    case sql::Type::kReal:
    case sql::Type::kDouble:
      if (const auto number = to_double(text)) return sql::Value(*number);
      return sql::Value(sql::Null{}, type);
    case sql::Type::kBoolean:
      return sql::Value(text == "true" || text == "1" || text == "t");
    default:
      return sql::Value(text, type == sql::Type::kUnknown ? sql::Type::kText : type);
  }
}

// The statement for keys [from, to). The list is padded to a power of two with its last key, so
// that there are few distinct texts to prepare.
sql::Statement batch_statement(const Append& append, const std::vector<std::string>& keys,
                               size_t from, size_t to, const sql::Dialect& dialect) {
  sql::In in{append.match, {}, false};
  const size_t padded = std::bit_ceil(to - from);
  in.list.reserve(padded);
  for (size_t i = from; i < to; ++i)
    in.list.push_back(sql::param(value_of_text(keys[i], append.match_type)));
  while (in.list.size() < padded) in.list.push_back(in.list.back());
  sql::Select select = append.batch;
  select.where = sql::and_also(sql::make(std::move(in)), std::move(select.where));
  return sql::render(select, dialect);
}

Task<Status> load_children(const Call& call, const Shape& shape, const Parts& parts,
                           std::vector<std::unique_ptr<Group>>& children);

Task<Status> load_group(const Call& call, const Append& append, const Parts& parts, size_t column,
                        Group& group, int level) {
  std::vector<std::string> keys = collect_keys(append, parts, column);
  std::erase_if(keys, [&](const std::string& key) { return !fits(key, append.match_type); });
  sql::Executor& executor = call.executor();
  for (size_t from = 0; from < keys.size(); from += kChunk) {
    const size_t to = std::min(keys.size(), from + kChunk);
    CO_TRY(sql::Rows rows, co_await executor.run(call.ctx, batch_statement(append, keys, from, to,
                                                                           executor.dialect())));
    if (!rows.empty()) group.level.parts.push_back(std::move(rows));
  }
  for (uint32_t part = 0; part < group.level.parts.size(); ++part) {
    const sql::Rows& rows = group.level.parts[part];
    for (uint32_t row = 0; row < rows.size(); ++row)
      group.by_key[rows.cell(row, append.match_column).text()].push_back({part, row});
  }
  if (group.level.parts.empty()) co_return Status{};
  CO_TRY_STATUS(
      co_await load_children(call, append.shape, group.level.parts, group.level.children));
  if (!append.recursive || level >= kMaxLevels) co_return Status{};
  group.deeper = std::make_unique<Group>();
  co_return co_await load_group(call, append, group.level.parts, append.self_column, *group.deeper,
                                level + 1);
}

Task<Status> load_append(const Call& call, const Append& append, const Parts& parts, Group& group) {
  if (append.joined)
    co_return co_await load_children(call, append.shape, parts, group.level.children);
  co_return co_await load_group(call, append, parts, append.source_column, group, 1);
}

Task<Status> load_children(const Call& call, const Shape& shape, const Parts& parts,
                           std::vector<std::unique_ptr<Group>>& children) {
  for (size_t i = 0; i < shape.appends.size(); ++i) children.push_back(std::make_unique<Group>());
  Status status;
  if (call.tx != nullptr || shape.appends.size() < 2) {
    for (size_t i = 0; i < shape.appends.size() && status; ++i)
      status = co_await load_append(call, shape.appends[i], parts, *children[i]);
    co_return status;
  }
  std::vector<Started<Status>> started;
  started.reserve(shape.appends.size());
  for (size_t i = 0; i < shape.appends.size(); ++i)
    started.emplace_back(load_append(call, shape.appends[i], parts, *children[i]));
  for (Started<Status>& one : started) {
    Status ended = co_await one;
    if (status) status = std::move(ended);
  }
  co_return status;
}

class RowWriter {
 public:
  RowWriter(json::Writer& out, const WriteOptions& options) : out_(out), options_(options) {}

  using Children = std::vector<std::unique_ptr<Group>>;

  void row(const Shape& shape, const sql::Rows& rows, size_t row, const Children& children,
           const std::string* index = nullptr) {
    out_.begin_object();
    fields(shape, rows, row);
    if (index != nullptr) {
      out_.key("__index");
      out_.string(*index);
    }
    for (size_t i = 0; i < shape.appends.size(); ++i) {
      const Append& append = shape.appends[i];
      if (append.joined) {
        joined(append, rows, row, children[i]->level.children);
      } else {
        related(append, rows.cell(row, append.source_column), *children[i], index);
      }
    }
    out_.end_object();
  }

  bool kept(const Append& tree, const sql::Rows& rows, size_t row, size_t column) const {
    if (options_.keep == nullptr || !tree.tree) return true;
    return options_.keep->contains(std::string(rows.cell(row, column).text()));
  }

 private:
  void fields(const Shape& shape, const sql::Rows& rows, size_t row) {
    for (const Shape::Output& output : shape.fields) {
      out_.key(output.field->name);
      output.field->kind->write(*output.field, rows.cell(row, output.column), out_);
    }
  }

  void joined(const Append& append, const sql::Rows& rows, size_t row, const Children& children) {
    out_.key(append.name);
    if (rows.cell(row, append.key_column).is_null())
      out_.null();
    else
      this->row(append.shape, rows, row, children);
  }

  // One related row; below it the next level when the append is recursive.
  void one(const Append& append, const Group& group, Group::Place place, const std::string* index) {
    const sql::Rows& rows = group.level.parts[place.part];
    out_.begin_object();
    fields(append.shape, rows, place.row);
    if (index != nullptr) {
      out_.key("__index");
      out_.string(*index);
    }
    const Shape& shape = append.shape;
    for (size_t i = 0; i < shape.appends.size(); ++i) {
      const Append& below = shape.appends[i];
      if (below.joined)
        joined(below, rows, place.row, group.level.children[i]->level.children);
      else
        related(below, rows.cell(place.row, below.source_column), *group.level.children[i]);
    }
    if (append.recursive && group.deeper)
      related(append, rows.cell(place.row, append.self_column), *group.deeper, index);
    else if (append.recursive && !append.tree)
      nothing(append);
    out_.end_object();
  }

  void nothing(const Append& append) {
    out_.key(append.name);
    if (append.to_many)
      out_.raw("[]");
    else
      out_.null();
  }

  void related(const Append& append, sql::Cell source, const Group& group,
               const std::string* index = nullptr) {
    std::vector<Group::Place> places = find(append, source, group);
    if (append.tree) {
      std::erase_if(places, [&](Group::Place p) {
        return !kept(append, group.level.parts[p.part], p.row, append.self_column);
      });
      if (places.empty()) return;
    }
    if (places.empty()) return nothing(append);
    out_.key(append.name);
    if (!append.to_many) return one(append, group, places.front(), nullptr);
    out_.begin_array();
    size_t position = 0;
    for (const Group::Place place : places) {
      if (append.tree && index != nullptr) {
        const std::string own = *index + ".children." + std::to_string(position++);
        one(append, group, place, &own);
      } else {
        one(append, group, place, nullptr);
      }
    }
    out_.end_array();
  }

  static std::vector<Group::Place> find(const Append& append, sql::Cell source,
                                        const Group& group) {
    if (source.is_null()) return {};
    if (!is_array_relation(append)) {
      const auto it = group.by_key.find(source.text());
      return it == group.by_key.end() ? std::vector<Group::Place>{} : it->second;
    }
    std::vector<Group::Place> places;  // in the order of the stored list
    for (const std::string& key : array_keys(source)) {
      const auto it = group.by_key.find(key);
      if (it == group.by_key.end()) continue;
      places.insert(places.end(), it->second.begin(), it->second.end());
    }
    return places;
  }

  json::Writer& out_;
  const WriteOptions& options_;
};

}  // namespace

sql::Value value_of_cell(sql::Cell cell, sql::Type type) {
  if (cell.is_null()) return sql::Value(sql::Null{}, type);
  return value_of_text(cell.text(), type);
}

Task<Result<Loaded>> load(const Call& call, const Shape& shape, sql::Rows rows) {
  Loaded loaded;
  loaded.parts.push_back(std::move(rows));
  if (!loaded.parts.front().empty())
    CO_TRY_STATUS(co_await load_children(call, shape, loaded.parts, loaded.children));
  co_return loaded;
}

void write_rows(const Shape& shape, const Loaded& loaded, size_t limit, json::Writer& out,
                const WriteOptions& options) {
  RowWriter writer(out, options);
  const bool tree = !shape.appends.empty() && std::ranges::any_of(shape.appends, &Append::tree);
  out.begin_array();
  const sql::Rows& rows = loaded.parts.front();
  for (size_t row = 0; row < std::min(limit, rows.size()); ++row) {
    const std::string index = tree ? std::to_string(row) : std::string();
    writer.row(shape, rows, row, loaded.children, tree ? &index : nullptr);
  }
  out.end_array();
}

void write_first(const Shape& shape, const Loaded& loaded, json::Writer& out) {
  const WriteOptions options;
  RowWriter(out, options).row(shape, loaded.parts.front(), 0, loaded.children);
}

}  // namespace halcyon::data
