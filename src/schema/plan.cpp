// The pure half of migration.h: comparing models.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "schema/field_type.h"
#include "schema/migration.h"
#include "schema/types/formula.h"

namespace halcyon::schema {

namespace {

bool has_table(const Collection& collection) { return !collection.is_view && !collection.is_sql; }
// A table made by someone else: taken over as it is, and left where it is.
bool is_adopted(const Collection& collection) {
  return json::get_bool(collection.options, "introspected");
}

sql::ColumnSpec column_spec(const Field& field) {
  sql::ColumnSpec spec;
  spec.name = field.column;
  spec.type = field.storage;
  spec.nullable = field.nullable;
  spec.primary_key = field.primary_key;
  spec.auto_increment = field.auto_increment && field.primary_key;
  spec.default_value = column_default(field);
  return spec;
}

// Can the database itself turn every value of `from` into one of `to`?
bool is_wider(const sql::ColumnType& from, const sql::ColumnType& to) {
  using sql::Type;
  if (from == to) return true;
  if (from.native_array != to.native_array) return false;
  if (from.type == Type::kText && to.type == Type::kText) {
    return to.length == 0 || (from.length > 0 && to.length >= from.length);
  }
  if (from.type == Type::kInt32 && to.type == Type::kInt64) return true;
  if (from.type == Type::kReal && to.type == Type::kDouble) return true;
  if (from.type == Type::kDecimal && to.type == Type::kDecimal) {
    return from.precision > 0 && to.precision - to.scale >= from.precision - from.scale &&
           to.scale >= from.scale;
  }
  const auto is_json = [](Type type) { return type == Type::kJson || type == Type::kJsonb; };
  if (is_json(from.type) && is_json(to.type)) return true;
  return from.type == to.type && from.type != Type::kDecimal && from.length == to.length;
}

class TablePlan {
 public:
  TablePlan(const Collection& before, const Collection& after)
      : before_(before), after_(after), table_(table_spec(before)) {}

  Status make(std::vector<Step>& safe, std::vector<Step>& destructive) {
    if (key_changed()) return remake(destructive);
    const sql::TableSpec wanted = table_spec(after_);
    for (const Field& field : before_.fields) {
      if (field.column.empty()) continue;
      const Field* now = counterpart(field);
      if (now == nullptr) {
        gone_.push_back(&field);
      } else if (now->storage != field.storage && !is_wider(field.storage, now->storage)) {
        converted_.emplace_back(&field, now);
      } else {
        kept_.emplace_back(&field, now);
      }
    }
    drop_indexes(wanted, safe);
    for (const auto& [old_field, now] : kept_) keep_column(*old_field, *now, safe);
    add_columns(safe);
    for (const auto& [old_field, now] : converted_) convert_column(*old_field, *now, safe);
    create_indexes(wanted, false, safe);
    for (const Field* field : gone_) drop_column(*field, field->column, destructive);
    for (const auto& [old_field, now] : converted_) {
      drop_column(*old_field, old_field->column, destructive);
      rename_column(*now, temporary(*now), now->column, destructive);
    }
    create_indexes(wanted, true, destructive);
    return {};
  }

 private:
  Step step(StepKind kind, const Field* field = nullptr) const {
    Step out;
    out.kind = kind;
    out.collection = after_.name;
    if (field != nullptr) out.field = field->name;
    out.table = table_;
    return out;
  }
  static std::string temporary(const Field& field) {
    return field.column.substr(0, 50) + "__converted";
  }
  const Field* counterpart(const Field& field) const {
    if (!field.key.empty()) {
      for (const Field& now : after_.fields) {
        if (now.key == field.key && !now.column.empty()) return &now;
      }
    }
    for (const Field& now : after_.fields) {
      if (now.column == field.column) return &now;
    }
    return nullptr;
  }
  bool is_new(const Field& field) const {
    const auto same = [&](const auto& pair) { return pair.second == &field; };
    return !field.column.empty() && std::ranges::none_of(kept_, same) &&
           std::ranges::none_of(converted_, same);
  }
  bool key_changed() const {
    const auto columns = [](const Collection& collection) {
      std::vector<std::string> out;
      for (const Field& field : collection.fields) {
        if (field.primary_key) {
          out.push_back(field.column + (field.auto_increment ? "+" : ""));
        }
      }
      std::ranges::sort(out);
      return out;
    };
    return columns(before_) != columns(after_) || before_.table != after_.table ||
           before_.table_schema != after_.table_schema;
  }
  Status remake(std::vector<Step>& out) {
    Step drop = step(StepKind::kDropTable);
    drop.destructive = true;
    drop.must_be_empty = true;
    out.push_back(std::move(drop));
    table_ = table_spec(after_);
    Step create = step(StepKind::kCreateTable);
    create.destructive = true;
    out.push_back(std::move(create));
    return {};
  }

  sql::ColumnSpec* column(std::string_view name) {
    auto it = std::ranges::find(table_.columns, name, &sql::ColumnSpec::name);
    return it == table_.columns.end() ? nullptr : &*it;
  }
  static const sql::IndexSpec* same_index(const std::vector<sql::IndexSpec>& list,
                                          const sql::IndexSpec& index) {
    for (const auto& item : list) {
      if (item.columns == index.columns && item.unique == index.unique) return &item;
    }
    return nullptr;
  }
  bool is_moved(std::string_view column_name) const {  // dropped, renamed or converted
    for (const Field* field : gone_) {
      if (field->column == column_name) return true;
    }
    for (const auto& [old_field, now] : kept_) {
      if (old_field->column == column_name && now->column != column_name) return true;
    }
    for (const auto& [old_field, now] : converted_) {
      if (old_field->column == column_name) return true;
    }
    return false;
  }
  void drop_indexes(const sql::TableSpec& wanted, std::vector<Step>& out) {
    for (size_t i = 0; i < table_.indexes.size();) {
      const sql::IndexSpec index = table_.indexes[i];
      const bool moved = std::ranges::any_of(
          index.columns, [&](const std::string& name) { return is_moved(name); });
      if (!moved && same_index(wanted.indexes, index) != nullptr) {
        ++i;
        continue;
      }
      table_.indexes.erase(table_.indexes.begin() + static_cast<std::ptrdiff_t>(i));
      Step drop = step(StepKind::kDropIndex);
      drop.index = index;
      out.push_back(std::move(drop));
    }
  }
  void create_indexes(const sql::TableSpec& wanted, bool converted, std::vector<Step>& out) {
    for (const sql::IndexSpec& index : wanted.indexes) {
      if (same_index(table_.indexes, index) != nullptr) continue;
      const bool touches = std::ranges::any_of(index.columns, [&](const std::string& name) {
        return std::ranges::any_of(converted_,
                                   [&](const auto& pair) { return pair.second->column == name; });
      });
      if (touches != converted) continue;
      table_.indexes.push_back(index);
      Step create = step(StepKind::kCreateIndex);
      create.index = index;
      create.destructive = converted;
      out.push_back(std::move(create));
    }
  }
  void keep_column(const Field& old_field, const Field& now, std::vector<Step>& out) {
    if (old_field.column != now.column) {
      rename_column(now, old_field.column, now.column, out);
    }
    const sql::ColumnSpec from = *column(now.column);
    const sql::ColumnSpec to = column_spec(now);
    if (from.type == to.type && from.nullable == to.nullable &&
        from.default_value == to.default_value) {
      return;
    }
    *column(now.column) = to;
    Step alter = step(StepKind::kAlterColumn, &now);
    alter.from = from;
    alter.to = to;
    out.push_back(std::move(alter));
  }
  void rename_column(const Field& field, const std::string& from, const std::string& to,
                     std::vector<Step>& out) {
    column(from)->name = to;
    Step rename = step(StepKind::kRenameColumn, &field);
    rename.from.name = from;
    rename.to.name = to;
    rename.destructive = from.ends_with("__converted");
    out.push_back(std::move(rename));
  }
  void add_column(const Field& field, const sql::ColumnSpec& spec, std::vector<Step>& out) {
    table_.columns.push_back(spec);
    Step add = step(StepKind::kAddColumn, &field);
    add.to = spec;
    out.push_back(std::move(add));
  }
  void add_columns(std::vector<Step>& out) {
    for (const Field& field : after_.fields) {
      if (!is_new(field)) continue;
      if (json::get_bool(field.options, "introspected")) {
        table_.columns.push_back(column_spec(field));  // read from the table just now
        continue;
      }
      add_column(field, column_spec(field), out);
      if (field.type != "sort" || before_.primary_key.empty()) continue;
      Step fill = step(StepKind::kFillSort, &field);
      fill.new_field = field;
      if (const Field* scope = after_.find(json::get_string(field.options, "scopeKey"))) {
        fill.old_field = *scope;
      }
      out.push_back(std::move(fill));
    }
  }
  void convert_column(const Field& old_field, const Field& now, std::vector<Step>& out) {
    sql::ColumnSpec spec = column_spec(now);
    spec.name = temporary(now);
    spec.nullable = true;  // until it is filled; the rename makes it final
    spec.default_value = std::nullopt;
    add_column(now, spec, out);
    // A formula is worked out anew: what it gave before need not fit.
    if (now.type == "formula" && old_field.type == "formula" && now.nullable) return;
    Step copy = step(StepKind::kCopyColumn, &now);
    copy.from.name = old_field.column;
    copy.to = spec;
    copy.old_field = old_field;
    copy.new_field = now;
    out.push_back(std::move(copy));
    const sql::ColumnSpec final_spec = column_spec(now);
    if (final_spec.nullable && !final_spec.default_value) return;
    sql::ColumnSpec to = final_spec;
    to.name = spec.name;
    *column(spec.name) = to;
    Step alter = step(StepKind::kAlterColumn, &now);
    alter.from = spec;
    alter.to = to;
    out.push_back(std::move(alter));
  }
  void drop_column(const Field& field, const std::string& name, std::vector<Step>& out) {
    const sql::ColumnSpec spec = *column(name);
    std::erase_if(table_.columns, [&](const auto& item) { return item.name == name; });
    Step drop = step(StepKind::kDropColumn, &field);
    drop.from = spec;
    drop.destructive = true;
    out.push_back(std::move(drop));
  }

  const Collection& before_;
  const Collection& after_;
  sql::TableSpec table_;  // as it is at this point of the plan
  std::vector<const Field*> gone_;
  std::vector<std::pair<const Field*, const Field*>> kept_, converted_;
};

Step table_step(StepKind kind, const Collection& collection) {
  Step out;
  out.kind = kind;
  out.collection = collection.name;
  out.table = table_spec(collection);
  out.destructive = kind == StepKind::kDropTable;
  return out;
}

// Formulas that are new or changed, and those that read them.
void fill_formulas(const Collection& before, const std::shared_ptr<const Collection>& after,
                   std::vector<Step>& out) {
  if (before.primary_key.empty() || after->primary_key.empty()) return;
  const auto is_changed = [&](const Field& field) {
    const Field* old = nullptr;
    for (const Field& other : before.fields) {
      if (other.key == field.key && (!field.key.empty() || other.name == field.name)) old = &other;
    }
    if (old == nullptr || old->type != "formula") return true;
    return std::ranges::any_of(
        std::initializer_list<std::string_view>{"expression", "engine", "dataType"},
        [&](std::string_view option) {
          return json::get_string(old->options, option) != json::get_string(field.options, option);
        });
  };
  std::set<std::string> changed;
  for (const Field& field : after->fields) {
    if (field.type != "formula" || field.column.empty()) continue;
    const bool reads_changed = std::ranges::any_of(
        changed, [&](const std::string& name) { return types::formula_uses(field, name); });
    if (!is_changed(field) && !reads_changed) continue;
    changed.insert(field.name);
    Step fill = table_step(StepKind::kFillFormula, *after);
    fill.field = field.name;
    fill.new_field = field;
    fill.owner = after;
    fill.destructive = true;  // the values before are gone
    out.push_back(std::move(fill));
  }
}

}  // namespace

std::optional<sql::Value> column_default(const Field& field) {
  const json::Value& value = field.default_value;
  if (value.is_null() || field.column.empty() || field.auto_increment) return std::nullopt;
  const Family family = field.kind->family();
  const bool short_text =
      family == Family::kText && field.storage.type == sql::Type::kText && field.storage.length > 0;
  // MySQL has no default for texts and JSON; dates are filled in by the server.
  if (!short_text && family != Family::kNumber && family != Family::kBoolean) return std::nullopt;
  if (value.is_string() && json::as_view(value).find("{{") != std::string_view::npos) {
    return std::nullopt;  // a variable of the client
  }
  auto parsed = field.kind->parse(field, value, ValueContext());
  if (!parsed || parsed->is_null()) return std::nullopt;
  return *parsed;
}

sql::TableSpec table_spec(const Collection& collection) {
  sql::TableSpec spec;
  spec.schema = collection.table_schema;
  spec.name = collection.table;
  for (const Field& field : collection.fields) {
    if (!field.column.empty()) spec.columns.push_back(column_spec(field));
  }
  for (const std::string& name : collection.primary_key) {
    spec.primary_key.push_back(collection.find(name)->column);
  }
  spec.indexes = collection.indexes;
  return spec;
}

Result<std::vector<Step>> plan_steps(const Snapshot& before, const Snapshot& after) {
  std::vector<Step> safe, destructive, formulas;
  for (const auto& [name, now] : after.collections) {
    if (!has_table(*now)) continue;
    const Collection* old = before.find(name);
    if (old == nullptr || !has_table(*old)) {
      if (is_adopted(*now)) continue;  // the table was there first
      safe.push_back(table_step(StepKind::kCreateTable, *now));
      continue;
    }
    if (old == now.get()) continue;
    TRY_STATUS(TablePlan(*old, *now).make(safe, destructive));
    fill_formulas(*old, now, formulas);
  }
  for (const auto& [name, now] : after.collections) {
    if (before.find(name) != nullptr) continue;
    auto fill = tree_fill_step(after, *now);
    const Collection* tree = fill ? before.find(fill->collection) : nullptr;
    if (tree != nullptr && has_table(*tree)) safe.push_back(*std::move(fill));
  }
  for (const auto& [name, old] : before.collections) {
    if (!has_table(*old)) continue;
    const Collection* now = after.find(name);
    if ((now == nullptr || !has_table(*now)) && !is_adopted(*old)) {
      destructive.push_back(table_step(StepKind::kDropTable, *old));
    }
  }
  for (Step& step : destructive) safe.push_back(std::move(step));
  // Last: every column has its final name and type by now.
  for (Step& step : formulas) safe.push_back(std::move(step));
  return safe;
}

std::optional<Step> tree_fill_step(const Snapshot& model, const Collection& paths) {
  const std::string name = json::get_string(paths.options, "treePathOf");
  const Collection* tree = name.empty() ? nullptr : model.find(name);
  const Field* parent = tree == nullptr ? nullptr : tree_parent(*tree);
  if (parent == nullptr || !has_table(*tree)) return std::nullopt;
  const Field* key = tree->find(parent->relation->target_key);
  const Field* foreign_key = tree->find(parent->relation->foreign_key);
  if (key == nullptr || foreign_key == nullptr) return std::nullopt;
  Step fill = table_step(StepKind::kFillTree, *tree);
  fill.tree = std::move(fill.table);
  fill.table = table_spec(paths);
  fill.from = column_spec(*key);
  fill.to = column_spec(*foreign_key);
  return fill;
}

std::vector<Step> plan_reconcile(const Collection& collection,
                                 const std::optional<sql::TableInfo>& info) {
  std::vector<Step> out;
  if (!has_table(collection)) return out;
  if (!info) {
    out.push_back(table_step(StepKind::kCreateTable, collection));
    return out;
  }
  for (const Field& field : collection.fields) {
    const bool there = field.column.empty() ||
                       std::ranges::any_of(info->columns, [&](const sql::ColumnSpec& column) {
                         return iequals(column.name, field.column);
                       });
    if (there) continue;
    Step add = table_step(StepKind::kAddColumn, collection);
    add.field = field.name;
    add.to = column_spec(field);
    if (!add.to.default_value) add.to.nullable = true;  // rows that are there have no value
    out.push_back(std::move(add));
  }
  for (const sql::IndexSpec& index : collection.indexes) {
    const bool there = std::ranges::any_of(info->indexes, [&](const sql::IndexSpec& known) {
      return known.columns == index.columns && (known.unique || !index.unique);
    });
    if (there || info->primary_key == index.columns) continue;
    Step create = table_step(StepKind::kCreateIndex, collection);
    create.index = index;
    out.push_back(std::move(create));
  }
  return out;
}

std::optional<Step> inverse(const Step& step) {
  if (step.destructive) return std::nullopt;
  Step out = step;
  switch (step.kind) {
    case StepKind::kCreateTable:
      out.kind = StepKind::kDropTable;
      return out;
    case StepKind::kAddColumn:
      out.kind = StepKind::kDropColumn;
      out.from = step.to;
      return out;
    case StepKind::kRenameColumn:
    case StepKind::kAlterColumn:
      std::swap(out.from, out.to);
      return out;
    case StepKind::kCreateIndex:
      out.kind = StepKind::kDropIndex;
      return out;
    case StepKind::kDropIndex:
      out.kind = StepKind::kCreateIndex;
      return out;
    default:
      return std::nullopt;  // values copied into a column that goes away anyway
  }
}

}  // namespace halcyon::schema
