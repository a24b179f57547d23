// Making the Idempotency of a process; private to cluster.
//
//   for (auto& spec : idempotency_tables(settings)) ...;          // Tables::specs
//   auto idempotency = make_idempotency(db, settings, &lease, seal_key);
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster/idempotency.h"
#include "cluster/lease.h"
#include "schema/settings.h"
#include "sql/ddl.h"

namespace halcyon::cluster {

std::vector<sql::TableSpec> idempotency_tables(const schema::Settings& settings);

// `lease` nullptr: no fence (tests, commands). `seal_key`: 32 bytes, for secret answers; empty:
// such answers are stored without their body, and a second try is told 409 ANSWER_NOT_KEPT.
std::unique_ptr<Idempotency> make_idempotency(sql::Database& db, const schema::Settings& settings,
                                              const Lease* lease, std::string seal_key);

}  // namespace halcyon::cluster
