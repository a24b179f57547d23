#include "server/key_check.h"

#include <algorithm>

#include "base/crypto.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/facts.h"

namespace halcyon::server {
namespace {

const std::string kFact = "app_key";
constexpr int kTries = 5;

std::string fingerprint(const std::string& secret) {
  return hex_encode(hmac_sha256(secret, "fingerprint")).substr(0, 32);
}

// Members that are only starting check theirs too, and once more before they serve.
bool another_serves(const std::vector<cluster::MemberInfo>& members, const std::string& self) {
  return std::ranges::any_of(members, [&](const cluster::MemberInfo& member) {
    return member.id != self && member.alive && member.state != cluster::MemberState::kStarting;
  });
}

}  // namespace

Task<Status> check_key(sql::Database& db, cluster::Cluster& cluster, schema::Settings settings,
                       const Context& ctx, KeyCheck key) {
  const cluster::Tables tables(std::move(settings));
  const std::string ours = fingerprint(key.secret);
  for (int i = 0; i < kTries; ++i) {
    CO_TRY(const std::string stored, co_await agree(db, tables, ctx, kFact, ours));
    if (stored == ours) co_return Status{};
    CO_TRY(auto members, co_await cluster.members(ctx));
    if (another_serves(members, cluster.lease().holder())) break;
    log_warn("APP_KEY is another one than before: everybody must sign in again");
    CO_TRY(bool replaced, co_await replace_fact(db, tables, ctx, kFact, stored, ours));
    if (replaced) co_return Status{};
  }
  co_return invalid("INVALID_CONFIG",
                    key.generated
                        ? "APP_KEY is not set, and the members of this cluster that serve now have "
                          "another key: set the same APP_KEY for all"
                        : "APP_KEY is not the key of the members of this cluster that serve now");
}

}  // namespace halcyon::server
