#include "cluster/idempotency.h"

#include <zlib.h>

#include "base/crypto.h"
#include "base/text.h"
#include "cluster/build.h"
#include "cluster/idempotency_store.h"
#include "json/json.h"

namespace halcyon::cluster {

namespace {

constexpr size_t kCompressFrom = 2048;  // bytes; smaller answers cost more than they save
constexpr std::string_view kSealContext = "halcyon_requests";

// The first byte of a stored body says what was done to the rest.
constexpr char kPlain = 0, kDeflated = 1, kSealed = 2, kNotKept = 3;

Error repeated() {
  return Error(Code::kConflict, "REQUEST_REPEATED", "This request was done already.");
}

sql::Expr when(sql::Expr condition, sql::Expr value) {
  sql::Case choice;
  choice.when.emplace_back(std::move(condition), std::move(value));
  return sql::make(std::move(choice));
}

// 128 bits of a hash, as 32 characters: short keys keep the index small.
std::string short_hash(std::string_view bytes) { return sha256_hex(bytes).substr(0, 32); }
std::string row_id(const RequestKey& request) {
  return short_hash(std::to_string(request.scope.size()) + ":" + request.scope + request.key);
}
std::string stored_hash(const RequestKey& request) {
  return request.body_hash.empty() ? "-" : short_hash(request.body_hash);
}

std::string pack_body(const StoredAnswer& answer, const std::string& seal_key) {
  if (answer.secret) {
    if (seal_key.empty()) return std::string(1, kNotKept);
    return kSealed + encrypt(seal_key, answer.body, kSealContext);
  }
  if (answer.body.size() >= kCompressFrom) {
    uLongf size = compressBound(answer.body.size());
    std::string out(size, '\0');
    if (compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                  reinterpret_cast<const Bytef*>(answer.body.data()), answer.body.size(),
                  1) == Z_OK &&
        size < answer.body.size()) {
      out.resize(size);
      return kDeflated + std::to_string(answer.body.size()) + ":" + out;
    }
  }
  return kPlain + answer.body;
}

std::unexpected<Error> unreadable() {
  return fail(Code::kInternal, "ANSWER_UNREADABLE", "The stored answer cannot be read.");
}

Result<std::string> unpack_body(std::string_view packed, const std::string& seal_key) {
  if (packed.empty()) return unreadable();
  const char form = packed.front();
  packed.remove_prefix(1);
  if (form == kPlain) return std::string(packed);
  if (form == kNotKept) {
    return fail(Code::kConflict, "ANSWER_NOT_KEPT",
                "This request was done already; its answer held a secret and was not kept.");
  }
  if (form == kSealed) {
    if (seal_key.empty()) return unreadable();
    return decrypt(seal_key, packed, kSealContext);
  }
  const auto colon = packed.find(':');
  const auto size = to_int64(packed.substr(0, colon));
  if (form != kDeflated || colon == std::string_view::npos || !size) return unreadable();
  packed.remove_prefix(colon + 1);
  std::string out(static_cast<size_t>(*size), '\0');
  uLongf length = out.size();
  if (uncompress(reinterpret_cast<Bytef*>(out.data()), &length,
                 reinterpret_cast<const Bytef*>(packed.data()), packed.size()) != Z_OK ||
      length != out.size()) {
    return unreadable();
  }
  return out;
}

class Store final : public Idempotency {
 public:
  Store(sql::Database& db, schema::Settings settings, const Lease* lease, std::string seal_key)
      : db_(db), settings_(std::move(settings)), lease_(lease), seal_key_(std::move(seal_key)) {}

  void record(sql::Transaction& tx, const RequestKey& request, const StoredAnswer& answer) override;
  Task<Result<std::optional<StoredAnswer>>> find(const Context& ctx,
                                                 const RequestKey& request) override;
  std::string pack(const RequestKey& request, const StoredAnswer& answer) const override;
  Task<Status> restore(const Context& ctx, sql::Executor& tx, std::string packed) override;
  Task<Result<int64_t>> purge(const Context& ctx, int64_t at_most) override;

 private:
  sql::TableRef table() const {
    return sql::table(table_name(settings_, "requests"), "r", settings_.db_schema);
  }
  sql::Expr generation_is(uint64_t generation) const;
  sql::Insert insert(std::string id, std::string body_hash, int64_t status,
                     std::string content_type, std::string body, int64_t keep_ms) const;

  sql::Database& db_;
  const schema::Settings settings_;
  const Lease* const lease_;
  const std::string seal_key_;
};

sql::Expr Store::generation_is(uint64_t generation) const {
  auto select = std::make_shared<sql::Select>();
  select->from = sql::table(settings_.table_prefix + "halcyon_model", "m", settings_.db_schema);
  select->columns = {{sql::column("m", "generation"), "generation"}};
  select->where = sql::eq(sql::column("m", "id"), number(1));
  return sql::eq(sql::make(sql::ScalarSelect{std::move(select)}),
                 number(static_cast<int64_t>(generation)));
}

sql::Insert Store::insert(std::string id, std::string body_hash, int64_t status,
                          std::string content_type, std::string body, int64_t keep_ms) const {
  sql::Insert insert;
  insert.table = table();
  insert.columns = {"id", "body_hash", "status", "content_type", "answer", "expires_ms"};
  insert.rows = {{text(std::move(id)), text(std::move(body_hash)), number(status),
                  text(std::move(content_type)),
                  sql::param(sql::Value(std::move(body), sql::Type::kBytes)),
                  plus(now_ms(), number(keep_ms))}};
  return insert;
}

// Conditions that do not hold make a column NULL that must not be: so the statement fails, and the
// COMMIT that follows in the same packet is not done.
void Store::record(sql::Transaction& tx, const RequestKey& request, const StoredAnswer& answer) {
  sql::Insert row = insert(row_id(request), stored_hash(request), answer.status,
                           answer.content_type, pack_body(answer, seal_key_), request.keep.count());
  std::vector<sql::Expr>& values = row.rows.front();
  if (lease_ != nullptr) values[0] = when(lease_->fence(), values[0]);
  if (request.generation > 0) values[2] = when(generation_is(request.generation), values[2]);
  const bool fenced = lease_ != nullptr, planned = request.generation > 0;
  tx.before_commit(render(row, db_.dialect()), [fenced, planned](Error error) {
    if (error.id == "UNIQUE_VIOLATION") return repeated();
    if (error.id != "NOT_NULL_VIOLATION") return error;
    if (!planned || (fenced && error.field == "id")) return lease_lost();
    return model_changed();
  });
}

Task<Result<std::optional<StoredAnswer>>> Store::find(const Context& ctx,
                                                      const RequestKey& request) {
  sql::Select select;
  select.from = table();
  for (const char* name : {"body_hash", "status", "content_type", "answer"}) {
    select.columns.push_back({sql::column("r", name), name});
  }
  select.where = sql::eq(sql::column("r", "id"), text(row_id(request)));
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, render(select, db_.dialect())));
  if (rows.empty()) co_return std::nullopt;
  if (rows.cell(0, 0).text() != stored_hash(request)) {
    co_return fail(Error(Code::kUnprocessable, "IDEMPOTENCY_KEY_REUSED",
                         "This Idempotency-Key was used for a request with another body.")
                       .with_field("Idempotency-Key"));
  }
  StoredAnswer answer;
  answer.status = static_cast<int>(to_int64(rows.cell(0, 1).text()).value_or(200));
  answer.content_type = std::string(rows.cell(0, 2).text());
  CO_TRY(answer.body, unpack_body(rows.cell(0, 3).text(), seal_key_));
  co_return answer;
}

std::string Store::pack(const RequestKey& request, const StoredAnswer& answer) const {
  return json::dump(json::Object{{"id", row_id(request)},
                                 {"hash", stored_hash(request)},
                                 {"status", answer.status},
                                 {"type", answer.content_type},
                                 {"body", base64_encode(pack_body(answer, seal_key_))},
                                 {"keep", request.keep.count()}});
}

Task<Status> Store::restore(const Context& ctx, sql::Executor& tx, std::string packed) {
  CO_TRY(json::Value value, json::parse(packed));
  if (!value.is_object()) co_return unreadable();
  const json::Object& row = value.get_object();
  auto body = base64_decode(json::get_string(row, "body"));
  if (!body) co_return unreadable();
  sql::Insert made = insert(json::get_string(row, "id"), json::get_string(row, "hash"),
                            json::get_int(row, "status"), json::get_string(row, "type"),
                            *std::move(body), json::get_int(row, "keep"));
  made.ignore_conflicts = true;
  CO_TRY(sql::Rows done, co_await tx.run(ctx, render(made, db_.dialect())));
  co_return Status{};
}

Task<Result<int64_t>> Store::purge(const Context& ctx, int64_t at_most) {
  const auto expired = [](sql::Expr column) { return less(std::move(column), now_ms()); };
  sql::Select bound;
  bound.from = table();
  bound.columns = {{sql::column("r", "expires_ms"), "expires_ms"}};
  bound.where = expired(sql::column("r", "expires_ms"));
  bound.order_by = {{sql::column("r", "expires_ms"), false, sql::Nulls::kDefault}};
  bound.limit = 1;
  bound.offset = at_most - 1;
  CO_TRY(sql::Rows rows, co_await db_.run(ctx, render(bound, db_.dialect())));
  sql::Delete remove;
  remove.table = table();
  remove.where = expired(sql::column("r", "expires_ms"));
  if (!rows.empty()) {
    const int64_t until = to_int64(rows.cell(0, 0).text()).value_or(0);
    remove.where = sql::and_also(
        remove.where,
        sql::binary(sql::BinaryOp::kLe, sql::column("r", "expires_ms"), number(until)));
  }
  sql::Statement statement = render(remove, db_.dialect());
  statement.is_slow = true;
  CO_TRY(sql::Rows gone, co_await db_.run(ctx, std::move(statement)));
  co_return gone.affected;
}

}  // namespace

Error model_changed() {
  return Error(Code::kUnavailable, "MODEL_CHANGED", "The data model changed meanwhile, try again.");
}

std::vector<sql::TableSpec> idempotency_tables(const schema::Settings& settings) {
  sql::TableSpec table = table_spec(settings, "requests");
  table.columns = {
      not_null("id", sql::Type::kText, 32),  not_null("body_hash", sql::Type::kText, 32),
      not_null("status", sql::Type::kInt64), not_null("content_type", sql::Type::kText, 255),
      not_null("answer", sql::Type::kBytes), not_null("expires_ms", sql::Type::kInt64)};
  table.primary_key = {"id"};
  table.indexes = {sql::IndexSpec{"", {"expires_ms"}, false}};
  return {table};
}

std::unique_ptr<Idempotency> make_idempotency(sql::Database& db, const schema::Settings& settings,
                                              const Lease* lease, std::string seal_key) {
  return std::make_unique<Store>(db, settings, lease, std::move(seal_key));
}

}  // namespace halcyon::cluster
