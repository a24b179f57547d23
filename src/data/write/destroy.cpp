#include "data/write/destroy.h"

#include <algorithm>
#include <chrono>
#include <map>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "data/write/tree.h"

namespace halcyon::data::write {

using schema::Collection;
using schema::Field;
using schema::OnDelete;
using schema::Relation;
using schema::RelationKind;

namespace {

// Rows of `child` whose `foreign_key` holds the `key` of a deleted row.
struct Edge {
  const Collection* child;
  const Field* foreign_key;
  const Field* key;
  OnDelete rule = OnDelete::kNoAction;
  bool is_through = false;
};

int strictness(OnDelete rule) {
  switch (rule) {
    case OnDelete::kRestrict:
      return 3;
    case OnDelete::kCascade:
      return 2;
    case OnDelete::kSetNull:
      return 1;
    case OnDelete::kNoAction:
      break;
  }
  return 0;
}

class EdgeList {
 public:
  EdgeList(const schema::Snapshot& model, const Collection& collection) : model_(model) {
    for (const Field& field : collection.fields) {
      if (field.relation) add_own(collection, *field.relation);
    }
    for (const auto& reference : model.references_to(collection.name)) {
      if (reference.field->relation) {
        add_foreign(*reference.from, collection, *reference.field->relation);
      }
    }
  }
  std::vector<Edge> take() {
    std::ranges::sort(edges_, std::greater{}, [](const Edge& e) { return strictness(e.rule); });
    return std::move(edges_);
  }

 private:
  void add_own(const Collection& collection, const Relation& rel) {
    if (rel.kind == RelationKind::kHasOne || rel.kind == RelationKind::kHasMany) {
      add(rel.target, rel.foreign_key, collection, rel.source_key, rel.on_delete, false);
    } else if (rel.kind == RelationKind::kBelongsToMany) {
      add(rel.through, rel.foreign_key, collection, rel.source_key, OnDelete::kCascade, true);
    }
  }
  void add_foreign(const Collection& from, const Collection& collection, const Relation& rel) {
    if (rel.kind == RelationKind::kBelongsTo) {
      add(from.name, rel.foreign_key, collection, rel.target_key, rel.on_delete, false);
    } else if (rel.kind == RelationKind::kBelongsToMany) {
      add(rel.through, rel.other_key, collection, rel.target_key, OnDelete::kCascade, true);
    }
  }
  void add(const std::string& child, const std::string& foreign_key, const Collection& collection,
           const std::string& key, OnDelete rule, bool is_through) {
    Edge edge{model_.find(child), nullptr, collection.find(key), rule, is_through};
    if (edge.child != nullptr) edge.foreign_key = edge.child->find(foreign_key);
    if (edge.foreign_key == nullptr || edge.key == nullptr || edge.child->read_only()) return;
    if (edge.foreign_key->column.empty() || edge.key->column.empty()) return;
    for (Edge& known : edges_) {
      if (known.child != edge.child || known.foreign_key != edge.foreign_key) continue;
      if (strictness(edge.rule) > strictness(known.rule)) known.rule = edge.rule;
      known.is_through = known.is_through || edge.is_through;
      return;
    }
    edges_.push_back(edge);
  }

  const schema::Snapshot& model_;
  std::vector<Edge> edges_;
};

class Destroyer {
 public:
  explicit Destroyer(Session& session) : session_(session) {}

  Task<Result<int64_t>> run(const Collection& collection, std::vector<Row> rows) {
    auto& going = going_[&collection];
    std::erase_if(rows, [&](const Row& row) {
      return !going.emplace(identity_text(collection, row), true).second;
    });
    if (rows.empty()) co_return 0;
    const auto edges = EdgeList(session_.model(), collection).take();
    for (const Edge& edge : edges) {
      CO_TRY_STATUS(co_await follow(collection, edge, rows));
    }
    CO_TRY_STATUS(co_await tell(collection, rows));
    int64_t count = 0;
    for (size_t from = 0; from < rows.size(); from += kChunk) {
      const size_t to = std::min(rows.size(), from + kChunk);
      const std::vector<Row> part(rows.begin() + static_cast<std::ptrdiff_t>(from),
                                  rows.begin() + static_cast<std::ptrdiff_t>(to));
      CO_TRY(const int64_t gone, co_await remove(collection, part));
      count += gone;
    }
    co_return count;
  }

 private:
  Task<Result<int64_t>> remove(const Collection& collection, const std::vector<Row>& rows) {
    CO_TRY(sql::Expr where, match_rows(collection, rows));
    if (collection.paranoid && collection.find("deletedAt") != nullptr) {
      const Field& field = *collection.find("deletedAt");
      const auto now =
          std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
      Row set;
      set.emplace(field.name,
                  sql::Value(fmt::format("{:%Y-%m-%d %H:%M:%S}", now), field.storage.type));
      co_return co_await update_rows(session_, collection, set, std::move(where));
    }
    if (parent_key(collection) != nullptr) {
      CO_TRY_STATUS(co_await tree_destroyed(session_, collection, rows));
    }
    co_return co_await delete_rows(session_, collection, std::move(where));
  }

  Task<Status> follow(const Collection& collection, const Edge& edge,
                      const std::vector<Row>& rows) {
    if (edge.rule == OnDelete::kNoAction) co_return Status{};
    const bool stays = collection.paranoid;  // links are kept with the soft deleted row
    if (stays && (edge.is_through || edge.rule == OnDelete::kSetNull)) co_return Status{};
    std::vector<sql::Value> keys;
    for (const Row& row : rows) {
      const sql::Value& key = value_of(row, edge.key->name);
      if (!key.is_null()) keys.push_back(key);
    }
    for (size_t from = 0; from < keys.size(); from += kChunk) {
      const size_t to = std::min(keys.size(), from + kChunk);
      const std::vector<sql::Value> part(keys.begin() + static_cast<std::ptrdiff_t>(from),
                                         keys.begin() + static_cast<std::ptrdiff_t>(to));
      CO_TRY_STATUS(co_await follow_keys(collection, edge, part));
    }
    co_return Status{};
  }

  Task<Status> follow_keys(const Collection& collection, const Edge& edge,
                           const std::vector<sql::Value>& keys) {
    auto where = field_in(*edge.foreign_key, keys);
    if (edge.child->paranoid && edge.child->find("deletedAt") != nullptr) {
      where =
          sql::and_also(std::move(where),
                        sql::is_null(sql::column(kAlias, edge.child->find("deletedAt")->column)));
    }
    const bool plain = edge.is_through || edge.rule == OnDelete::kSetNull;
    if (plain && !session_.has_listeners()) {
      co_return co_await write_plain(edge, std::move(where));
    }
    CO_TRY(auto children, co_await select_rows(session_, *edge.child, where, locked()));
    std::erase_if(children, [&](const Row& row) {
      auto it = going_.find(edge.child);
      return it != going_.end() && it->second.contains(identity_text(*edge.child, row));
    });
    if (children.empty()) co_return Status{};
    if (edge.rule == OnDelete::kRestrict) co_return restricted(collection, edge, children.size());
    if (plain) {
      CO_TRY_STATUS(co_await tell_plain(edge, children));
      co_return co_await write_plain(edge, std::move(where));
    }
    CO_TRY_STATUS(co_await run(*edge.child, std::move(children)));
    co_return Status{};
  }

  // Through rows and emptied keys: one statement, no hooks.
  Task<Status> write_plain(const Edge& edge, sql::Expr where) {
    if (edge.is_through) {
      CO_TRY_STATUS(co_await delete_rows(session_, *edge.child, std::move(where)));
      co_return Status{};
    }
    Row set;
    set.emplace(edge.foreign_key->name, sql::Value(sql::Null{}, edge.foreign_key->storage.type));
    CO_TRY_STATUS(co_await update_rows(session_, *edge.child, set, std::move(where)));
    co_return Status{};
  }

  Task<Status> tell_plain(const Edge& edge, const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      Change change{edge.is_through ? Change::Kind::kDestroy : Change::Kind::kUpdate,
                    edge.child,
                    key_json(*edge.child, row),
                    {},
                    {}};
      if (edge.is_through) {
        change.record = row_json(*edge.child, row);
      } else {
        change.record[edge.foreign_key->name] = nullptr;
        if (session_.wants_before(*edge.child)) change.before = row_json(*edge.child, row);
      }
      CO_TRY_STATUS(co_await session_.changed(std::move(change)));
    }
    co_return Status{};
  }

  static Status restricted(const Collection& collection, const Edge& edge, size_t count) {
    return fail(Error(Code::kConflict, "DELETE_RESTRICTED",
                      "A record of \"" + collection.name + "\" cannot be deleted: " +
                          std::to_string(count) + " of \"" + edge.child->name +
                          "\" still refer to it by \"" + edge.foreign_key->name + "\".")
                    .with_field(edge.foreign_key->name));
  }

  Task<Status> tell(const Collection& collection, const std::vector<Row>& rows) {
    if (!session_.has_listeners()) co_return Status{};
    for (const Row& row : rows) {
      CO_TRY_STATUS(
          co_await session_.changed({Change::Kind::kDestroy, &collection, key_json(collection, row),
                                     row_json(collection, row)}));
    }
    co_return Status{};
  }

  Session& session_;
  std::map<const Collection*, StringMap<bool>> going_;  // rows being deleted: ends cycles
};

}  // namespace

Task<Result<int64_t>> destroy_records(Session& session, const Collection& collection,
                                      std::vector<Row> rows) {
  Destroyer destroyer(session);
  co_return co_await destroyer.run(collection, std::move(rows));
}

}  // namespace halcyon::data::write
