// Works a new or changed formula out for the rows that are there, a thousand at a time.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/log.h"
#include "base/text.h"
#include "schema/migration.h"
#include "schema/types/formula.h"

namespace halcyon::schema {

namespace {

constexpr int64_t kBatch = 1000;
constexpr size_t kChunk = 100;  // keys in one condition: SQLite limits its depth
constexpr int64_t kReportEvery = 100'000;

// What to write to which rows: equal values go in one statement.
struct Group {
  sql::Value value;
  std::vector<size_t> rows;
};

std::string text_of(const sql::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value.data)) return *text;
  if (const auto* number = std::get_if<int64_t>(&value.data)) return std::to_string(*number);
  if (const auto* real = std::get_if<double>(&value.data)) return fmt::format("{}", *real);
  const auto* flag = std::get_if<bool>(&value.data);
  return flag != nullptr && *flag ? "true" : "false";
}

class Filler {
 public:
  Filler(sql::Executor& db, const Context& ctx, const Step& step)
      : db_(db), ctx_(ctx), owner_(*step.owner), formula_(*owner_.find(step.field)) {
    for (const std::string& key : owner_.primary_key) read_.push_back(owner_.find(key));
    for (const Field& field : owner_.fields) {
      if (!field.column.empty() && types::formula_uses(formula_, field.name)) {
        read_.push_back(&field);
      }
    }
  }

  Task<Status> run() {
    std::optional<sql::Expr> after;
    for (;;) {
      CO_TRY(sql::Rows rows, co_await read(after));
      CO_TRY_STATUS(co_await write(rows));
      done_ += static_cast<int64_t>(rows.size());
      const bool more = static_cast<int64_t>(rows.size()) == kBatch;
      if (done_ % kReportEvery == 0 && more) report("formula is being worked out");
      if (!more) break;
      after = beyond(rows, rows.size() - 1);
    }
    if (done_ > kBatch || failed_ > 0) report("formula worked out");
    co_return Status{};
  }

 private:
  size_t keys() const { return owner_.primary_key.size(); }

  void report(std::string_view message) const {
    log_info(message, {{"collection", owner_.name},
                       {"field", formula_.name},
                       {"rows", done_},
                       {"empty_for_errors", failed_}});
  }

  static sql::Value key_value(const Field& key, sql::Cell cell) {
    const sql::Type type = key.storage.type;
    if (type == sql::Type::kInt32 || type == sql::Type::kInt64) {
      return sql::Value(to_int64(cell.text()).value_or(0));
    }
    return sql::Value(cell.text(), type);
  }
  sql::Expr key_compare(sql::BinaryOp op, const sql::Rows& rows, size_t row, size_t key) const {
    return sql::binary(op, sql::column("t", read_[key]->column),
                       sql::param(key_value(*read_[key], rows.cell(row, key))));
  }
  sql::Expr is_row(const sql::Rows& rows, size_t row) const {
    std::vector<sql::Expr> parts;
    for (size_t i = 0; i < keys(); ++i) {
      parts.push_back(key_compare(sql::BinaryOp::kEq, rows, row, i));
    }
    return sql::all_of(std::move(parts));
  }
  // (a, b) > (x, y), spelled out.
  sql::Expr beyond(const sql::Rows& rows, size_t row) const {
    std::vector<sql::Expr> any;
    for (size_t i = 0; i < keys(); ++i) {
      std::vector<sql::Expr> all;
      for (size_t j = 0; j < i; ++j) {
        all.push_back(key_compare(sql::BinaryOp::kEq, rows, row, j));
      }
      all.push_back(key_compare(sql::BinaryOp::kGt, rows, row, i));
      any.push_back(sql::all_of(std::move(all)));
    }
    return sql::any_of(std::move(any));
  }

  Task<Result<sql::Rows>> read(const std::optional<sql::Expr>& after) {
    sql::Select select;
    select.from = owner_.table_ref("t");
    for (size_t i = 0; i < read_.size(); ++i) {
      select.columns.push_back({sql::column("t", read_[i]->column), "c" + std::to_string(i)});
    }
    for (size_t i = 0; i < keys(); ++i) {
      select.order_by.push_back({sql::column("t", read_[i]->column), false, sql::Nulls::kDefault});
    }
    if (after) select.where = *after;
    select.limit = kBatch;
    sql::Statement statement = sql::render(select, db_.dialect());
    statement.is_slow = true;
    co_return co_await db_.run(ctx_, std::move(statement));
  }

  Task<Status> write(const sql::Rows& rows) {
    std::map<std::string, Group> groups;
    for (size_t row = 0; row < rows.size(); ++row) {
      const auto operand = [&](const Field& field) -> Result<json::Value> {
        const auto at = std::ranges::find(read_, &field);
        if (at == read_.end()) return nullptr;
        return types::formula_operand(field,
                                      rows.cell(row, static_cast<size_t>(at - read_.begin())));
      };
      auto value = types::compute_formula(owner_, formula_, operand);
      if (!value) {  // no reason to keep a value of the old formula
        ++failed_;
        value = sql::Value(sql::Null{}, formula_.storage.type);
      }
      std::string text = value->is_null() ? "n" : "v" + text_of(*value);
      Group& group = groups[std::move(text)];
      group.value = *std::move(value);
      group.rows.push_back(row);
    }
    for (auto& [text, group] : groups) {
      for (size_t from = 0; from < group.rows.size(); from += kChunk) {
        sql::Update update;
        update.table = owner_.table_ref("t");
        update.set = {{formula_.column, sql::param(group.value)}};
        std::vector<sql::Expr> any;
        for (size_t i = from; i < std::min(group.rows.size(), from + kChunk); ++i) {
          any.push_back(is_row(rows, group.rows[i]));
        }
        update.where = sql::any_of(std::move(any));
        CO_TRY_STATUS(co_await db_.run(ctx_, sql::render(update, db_.dialect())));
      }
    }
    co_return Status{};
  }

  sql::Executor& db_;
  const Context& ctx_;
  const Collection& owner_;
  const Field& formula_;
  std::vector<const Field*> read_;  // the keys, then what the formula reads
  int64_t done_ = 0, failed_ = 0;
};

}  // namespace

Task<Status> fill_formula(sql::Executor& db, const Context& ctx, const Step& step) {
  Filler filler(db, ctx, step);
  co_return co_await filler.run();
}

}  // namespace halcyon::schema
