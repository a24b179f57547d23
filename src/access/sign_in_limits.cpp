#include "access/sign_in_limits.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/text.h"
#include "base/time.h"

namespace halcyon::access {
namespace {

constexpr int64_t kWider = 10;                      // address and account, in units of `max`
constexpr int64_t kKnownMs = 30 * 24 * 3600'000LL;  // how long an address stays known
constexpr int kTries = 5;                           // against writers of the same row

// One client often has a whole IPv6 network: its first 64 bits count.
std::string network_of(const std::string& address) {
  if (address.find(':') == std::string::npos || address.find('.') != std::string::npos) {
    return address;
  }
  const size_t gap = address.find("::");
  size_t end = 0;
  for (int groups = 0; groups < 4 && end != std::string::npos; ++groups) {
    end = address.find(':', end == 0 ? 0 : end + 1);
    if (gap != std::string::npos && end == gap) break;
  }
  return address.substr(0, end);
}

// Accounts are compared as the database may compare them: without regard to case.
std::string subject_of(const Context& ctx, const std::string& account, char kind) {
  if (kind == 'a') return network_of(ctx.client_address);
  if (kind == 'u') return to_lower(account);
  return to_lower(account) + '\n' + network_of(ctx.client_address);
}
std::string key_of(char kind, const std::string& subject) {
  return std::string(1, kind) + sha256_hex(subject).substr(0, 40);
}

class Table {
 public:
  explicit Table(const schema::Catalog& catalog)
      : model_(catalog.snapshot()), collection_(*model_->find("signInAttempts")) {}
  sql::TableRef ref() const { return collection_.table_ref("t"); }
  const std::string& name(std::string_view field) const { return collection_.find(field)->column; }
  sql::Expr column(std::string_view field) const { return sql::column("t", name(field)); }
  sql::Expr is(std::string_view field, sql::Value value) const {
    return sql::eq(column(field), sql::param(std::move(value)));
  }
  sql::Expr compare(sql::BinaryOp op, std::string_view field, int64_t value) const {
    return sql::binary(op, column(field), sql::param(sql::Value(value)));
  }

 private:
  std::shared_ptr<const schema::Snapshot> model_;
  const schema::Collection& collection_;
};

std::unexpected<Error> too_many(int retry_after) {
  auto error = Error(Code::kResourceExhausted, "TOO_MANY_SIGN_INS",
                     "Too many attempts to sign in, try again later.");
  error.retry_after = retry_after;
  return fail(std::move(error));
}

sql::Assignment set(const Table& table, std::string_view field, int64_t value) {
  return {table.name(field), sql::param(sql::Value(value))};
}

}  // namespace

json::Object SignInLimits::collection() {
  const auto field = [](std::string_view name, std::string_view type) {
    return json::Object{{"name", name}, {"type", type}};
  };
  json::Object key = field("key", "string");
  key["length"] = 64;
  key["primaryKey"] = true;
  key["allowNull"] = false;
  json::Object owner = field("account", "string");
  owner["length"] = 64;
  owner["index"] = true;
  return {{"name", "signInAttempts"},
          {"autoGenId", false},
          {"timestamps", false},
          {"hidden", true},
          {"fields",
           {key, owner, field("window", "bigInt"), field("failures", "bigInt"),
            field("previous", "bigInt"), field("knownAt", "bigInt")}}};
}

std::vector<SignInLimits::Count> SignInLimits::counts(const Context& ctx,
                                                      const std::string& account) const {
  std::vector<Count> list;
  for (const char kind : {'p', 'a', 'u'}) {
    if (kind != 'u' && ctx.client_address.empty()) continue;
    std::string subject = subject_of(ctx, account, kind);
    Count count;
    count.key = key_of(kind, subject);
    count.kind = std::string(1, kind);
    count.subject = std::move(subject);
    count.limit = kind == 'p' ? max_ : max_ * kWider;
    list.push_back(std::move(count));
  }
  return list;
}

Task<Result<int64_t>> SignInLimits::write(const Context& ctx, sql::Statement statement) {
  statement.is_write = true;
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, std::move(statement)));
  co_return rows.affected;
}

Task<Result<SignInLimits::Row>> SignInLimits::read(const Context& ctx, std::string key) {
  const Table table(catalog_);
  sql::Select select;
  select.from = table.ref();
  for (const char* field : {"window", "failures", "previous"}) {
    select.columns.push_back({table.column(field), field});
  }
  select.where = table.is("key", sql::Value(key));
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, sql::render(select, db_.dialect())));
  Row row;
  if (rows.empty()) co_return row;
  row.there = true;
  row.window = to_int64(rows.cell(0, 0).text()).value_or(0);
  row.failures = to_int64(rows.cell(0, 1).text()).value_or(0);
  row.previous = to_int64(rows.cell(0, 2).text()).value_or(0);
  co_return row;
}

// Did the account sign in from this address lately?
Task<Result<bool>> SignInLimits::is_known(const Context& ctx, std::string account) {
  if (ctx.client_address.empty()) co_return false;
  const Table table(catalog_);
  sql::Select select;
  select.from = table.ref();
  select.columns = {{table.column("knownAt"), "knownAt"}};
  select.where = table.is("key", sql::Value(key_of('p', subject_of(ctx, account, 'p'))));
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, sql::render(select, db_.dialect())));
  co_return !rows.empty() && to_int64(rows.cell(0, 0).text()).value_or(0) > now_ms() - kKnownMs;
}

// true: counted; false: someone else wrote the row, look again. Error: the limit is reached.
Task<Result<bool>> SignInLimits::try_take(const Context& ctx, const Count& count) {
  const Table table(catalog_);
  CO_TRY(const Row row, co_await read(ctx, count.key));
  const int64_t now = now_ms();
  const int64_t window = now / window_ms_;
  const int64_t left_ms = window_ms_ - now % window_ms_;
  if (!row.there) {
    sql::Insert insert;
    insert.table = table.ref();
    for (const char* field : {"key", "account", "window", "failures", "previous", "knownAt"}) {
      insert.columns.push_back(table.name(field));
    }
    const std::string account =
        count.kind == "a" ? "" : sha256_hex(count.subject.substr(0, count.subject.find('\n')));
    insert.rows.push_back({sql::param(sql::Value(count.key)), sql::param(sql::Value(account)),
                           sql::param(sql::Value(window)), sql::param(sql::Value(int64_t{1})),
                           sql::param(sql::Value(int64_t{0})), sql::param(sql::Value(int64_t{0}))});
    auto made = co_await write(ctx, sql::render(insert, db_.dialect()));
    if (!made && made.error().id != "UNIQUE_VIOLATION") {
      co_return std::unexpected(std::move(made).error());
    }
    co_return made.has_value();
  }
  const bool same = row.window == window;
  const int64_t before = same ? row.previous : row.window == window - 1 ? row.failures : 0;
  // What is left of the window before counts by the part of it that is still in sight.
  const int64_t carried = before * left_ms / window_ms_;
  const int64_t free = count.limit - carried;
  if ((same ? row.failures : 0) >= free) {
    co_return too_many(static_cast<int>(std::clamp<int64_t>(left_ms / 1000 + 1, 1, 3600)));
  }
  sql::Update update;
  update.table = table.ref();
  update.where = sql::and_also(table.is("key", sql::Value(count.key)),
                               table.compare(sql::BinaryOp::kEq, "window", row.window));
  if (same) {
    update.set = {{table.name("failures"),
                   sql::binary(sql::BinaryOp::kAdd, sql::column("", table.name("failures")),
                               sql::param(sql::Value(int64_t{1})))}};
    update.where =
        sql::and_also(std::move(update.where), table.compare(sql::BinaryOp::kLt, "failures", free));
  } else {
    update.set = {set(table, "window", window), set(table, "failures", 1),
                  set(table, "previous", before)};
  }
  CO_TRY(const int64_t changed, co_await write(ctx, sql::render(update, db_.dialect())));
  co_return changed > 0;
}

Task<Status> SignInLimits::take(const Context& ctx, const Count& count) {
  for (int i = 0; i < kTries; ++i) {
    CO_TRY(const bool taken, co_await try_take(ctx, count));
    if (taken) co_return Status{};
  }
  co_return too_many(1);
}

Task<Status> SignInLimits::give_back(const Context& ctx, std::string key) {
  const Table table(catalog_);
  sql::Update update;
  update.table = table.ref();
  update.set = {{table.name("failures"),
                 sql::binary(sql::BinaryOp::kSub, sql::column("", table.name("failures")),
                             sql::param(sql::Value(int64_t{1})))}};
  update.where = sql::and_also(table.is("key", sql::Value(key)),
                               table.compare(sql::BinaryOp::kGt, "failures", 0));
  CO_TRY_STATUS(co_await write(ctx, sql::render(update, db_.dialect())));
  co_return Status{};
}

Task<Status> SignInLimits::begin(const Context& ctx, std::string account) {
  if (!is_on()) co_return Status{};
  std::vector<Count> all = counts(ctx, account);
  CO_TRY(const bool known, co_await is_known(ctx, account));
  if (known) std::erase_if(all, [](const Count& count) { return count.kind == "u"; });
  for (size_t i = 0; i < all.size(); ++i) {
    Status taken = co_await take(ctx, all[i]);
    if (taken) continue;
    // A refused attempt counts nowhere: else one address could use up the account's limit.
    for (size_t k = 0; k < i; ++k) CO_TRY_STATUS(co_await give_back(ctx, all[k].key));
    co_return taken;
  }
  co_return Status{};
}

Task<Status> SignInLimits::succeeded(const Context& ctx, std::string account) {
  if (!is_on()) co_return Status{};
  CO_TRY(const bool known, co_await is_known(ctx, account));
  const Table table(catalog_);
  for (const Count& count : counts(ctx, account)) {
    if (count.kind == "u" && known) continue;  // was not taken
    if (count.kind != "p") {
      CO_TRY_STATUS(co_await give_back(ctx, count.key));
      continue;
    }
    sql::Update update;
    update.table = table.ref();
    update.set = {set(table, "failures", 0), set(table, "previous", 0),
                  set(table, "knownAt", now_ms())};
    update.where = table.is("key", sql::Value(count.key));
    CO_TRY_STATUS(co_await write(ctx, sql::render(update, db_.dialect())));
  }
  co_return Status{};
}

Task<Status> SignInLimits::clear(const Context& ctx, std::string account) {
  const Table table(catalog_);
  sql::Update update;
  update.table = table.ref();
  update.set = {set(table, "failures", 0), set(table, "previous", 0)};
  update.where = table.is("account", sql::Value(sha256_hex(to_lower(account))));
  CO_TRY_STATUS(co_await write(ctx, sql::render(update, db_.dialect())));
  co_return Status{};
}

Task<Status> SignInLimits::sweep(const Context& ctx) {
  if (!is_on()) co_return Status{};
  const Table table(catalog_);
  const int64_t now = now_ms();
  sql::Delete remove;
  remove.table = table.ref();
  remove.where = sql::and_also(table.compare(sql::BinaryOp::kLt, "window", now / window_ms_ - 1),
                               table.compare(sql::BinaryOp::kLt, "knownAt", now - kKnownMs));
  CO_TRY_STATUS(co_await write(ctx, sql::render(remove, db_.dialect())));
  co_return Status{};
}

}  // namespace halcyon::access
