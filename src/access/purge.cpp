// What access keeps for a time only, and deletes when the time is over.
#include "access/impl_internal.h"
#include "base/time.h"

namespace halcyon::access {
namespace {

constexpr int64_t kMarginMs = 24 * 3600'000LL;

// Straight in the table: no cache rests on these rows any more, so nobody need be told.
Task<Status> remove_older(sql::Database& db, const Context& ctx, const schema::Snapshot& model,
                          std::string_view collection, std::string_view field, int64_t before) {
  const schema::Collection* found = model.find(collection);
  if (found == nullptr) co_return Status{};
  sql::Delete remove;
  remove.table = found->table_ref("t");
  remove.where = sql::binary(sql::BinaryOp::kLt, sql::column("t", found->find(field)->column),
                             sql::param(sql::Value(before)));
  CO_TRY_STATUS(co_await db.run(ctx, sql::render(remove, db.dialect())));
  co_return Status{};
}

}  // namespace

Task<Status> Access::purge(const Context& ctx) {
  Impl& impl = *impl_;
  CO_TRY(const TokenPolicy policy, co_await impl.token_policy(ctx));
  const auto model = impl.catalog.snapshot();
  const int64_t session_ms = policy.session_seconds * 1000, now = now_ms();
  CO_TRY_STATUS(co_await remove_older(impl.db, ctx, *model, "issuedTokens", "signInTime",
                                      now - session_ms - kMarginMs));
  // A token that was signed out must not be renewed: it stays listed until its session is gone from
  // `issuedTokens`, whatever the policy becomes.
  const int64_t unusable = now - session_ms - policy.renew_seconds * 1000 - 2 * kMarginMs;
  CO_TRY_STATUS(
      co_await remove_older(impl.db, ctx, *model, "tokenBlacklist", "expiration", unusable));
  co_return co_await impl.limits.sweep(ctx);
}

}  // namespace halcyon::access
