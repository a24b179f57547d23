// How a request is tried until its fate is known (docs/design.md §4, "Writes are exactly-once").
//
// A writing action is one transaction whose last statement is its idempotency key. Nothing is
// looked up before the work; whatever goes wrong after which an earlier try may have been committed
// is answered by a look at the key's row: the stored answer if it is there, else another try.
#include <fmt/format.h>

#include "api/dispatcher.h"
#include "base/crypto.h"
#include "base/log.h"
#include "data/read/count_cache.h"
#include "runtime/io.h"
#include "sql/transaction_retry.h"

namespace halcyon::api {

namespace {

using namespace std::chrono_literals;

constexpr auto kClientKeyLife = 24h;
constexpr auto kBalancerKeyLife = 10min;
constexpr int kMostTries = 200;
// Until a change of the model that is under way elsewhere is done, where DDL is not transactional.
constexpr int kModelTries = 60;
constexpr auto kModelPause = 50ms;
constexpr const char* kBarrierTopic = "barrier";

bool writes(const Call& call) {
  return call.action != nullptr &&
         (call.action->effect == Effect::kWrite || call.action->effect == Effect::kModel);
}

bool is_safe_method(std::string_view method) { return method == "GET" || method == "HEAD"; }

// Errors of planning that an earlier, committed try of the same request can cause: it signed the
// user out, took a right away, deleted the collection.
bool may_follow_from_itself(const Error& error) {
  return error.code == Code::kUnauthenticated || error.code == Code::kPermissionDenied ||
         error.code == Code::kNotFound;
}

}  // namespace

struct Dispatcher::Attempts {
  cluster::RequestKey key;
  bool outside = false;  // the key came with the request: another process may have tried before
  bool unknown = false;  // a try made here may have been committed
  bool looked_again = false;
  int count = 0;
};

// Serves only while the lease of this process stands; waits a while for it to come back.
Task<Status> Dispatcher::serving(const Context& ctx) const {
  if (services_.lease == nullptr || services_.lease->holds()) co_return Status{};
  Context patience;
  patience.deadline = std::min(
      ctx.deadline,
      runtime::Clock::now() + std::chrono::milliseconds(services_.db.options().failover_wait_ms));
  co_return co_await services_.lease->wait_until_held(patience);
}

// To who brings positions: after a write where the log is by now, after a read what it was sure to
// see. "0" is none: the next read then asks for one.
Task<void> Dispatcher::tell_position(Call& call) const {
  if (writes(call)) {
    auto now = co_await services_.replicas->position(call.ctx);
    call.read_after = now ? *std::move(now) : std::string();
  }
  if (!services_.replicas->is_position(call.read_after)) call.read_after = "0";
  call.reply_headers.emplace_back("X-Read-After", call.read_after);
}

void Dispatcher::name_request(const net::Request& request, Call& call, Attempts& tries) const {
  const auto user = call.who ? call.who->caller.user_id
                             : services_.access.claimed_user(credentials(request, call));
  cluster::RequestKey& key = tries.key;
  key.scope = fmt::format("{} {} {}", user.value_or(0), request.method, request.target);
  tries.outside = true;
  if (!call.ctx.idempotency_key.empty()) {
    key.key = "client:" + call.ctx.idempotency_key;
    key.body_hash = sha256(request.body);
    key.keep = kClientKeyLife;
  } else if (request.headers.get("X-Request-Id") == call.ctx.request_id) {
    // Ids of requests serve tracing too: with another body it is another request, no misuse.
    key.key = "balancer:" + call.ctx.request_id + ":" + sha256(request.body);
    key.keep = kBalancerKeyLife;
  } else {
    key.key = "own:" + call.ctx.request_id;
    key.keep = kBalancerKeyLife;
    tries.outside = false;
  }
}

Task<Result<net::Response>> Dispatcher::run(const net::Request& request, Call& call) {
  CO_TRY_STATUS(read_head(request, call));
  Attempts tries;
  for (;;) {
    ++tries.count;
    CO_TRY_STATUS(co_await serving(call.ctx));
    auto response = co_await attempt(request, call, tries);
    if (response) {
      // Suspended for longer than the lease, it may have answered from an old model.
      const bool stale = services_.lease != nullptr && !services_.lease->holds();
      if (stale && !writes(call) && !call.ctx.expired()) continue;
      if (!call.ctx.unconfirmed.empty() && services_.bus != nullptr)
        CO_TRY_STATUS(co_await services_.bus->settle(call.ctx));
      co_return response;
    }
    const Error error = std::move(response).error();
    if (services_.requests != nullptr && may_be_done(request, call, tries, error)) {
      CO_TRY(auto answer, co_await stored(call, tries));
      if (answer) co_return *std::move(answer);
    }
    CO_TRY(const bool more, co_await again(call, tries, error));
    if (!more) co_return fail(error);
  }
}

Task<Result<net::Response>> Dispatcher::attempt(const net::Request& request, Call& call,
                                                Attempts& tries) {
  call.action = nullptr;
  call.who = nullptr;
  call.reply_headers.clear();
  CO_TRY_STATUS(co_await plan(request, call));
  if (!writes(call)) co_return co_await read(request, call);
  name_request(request, call, tries);
  co_return co_await write(request, call, tries);
}

Task<Result<net::Response>> Dispatcher::write(const net::Request& request, Call& call,
                                              Attempts& tries) {
  const bool model = call.action->effect == Effect::kModel;
  tries.key.generation = model ? 0 : call.model->generation;
  cluster::StoredAnswer answer;
  answer.secret = call.action->secret;
  net::Response response;
  int runs = 0;
  auto work = [&](sql::Transaction* tx, schema::Unit* unit) -> Task<Status> {
    if (runs++ > 0) CO_TRY_STATUS(read_params(request, call));
    call.tx = tx;
    call.unit = unit;
    auto reply = co_await call.action->run(call);
    call.tx = nullptr;
    call.unit = nullptr;
    if (!reply) co_return fail(std::move(reply).error());
    response = to_response(*std::move(reply));
    answer.status = response.status;
    answer.content_type = std::string(response.headers.get("Content-Type"));
    answer.body = std::move(response.body);
    co_return Status{};
  };
  cluster::Idempotency* requests = services_.requests;
  Status status;
  if (model) {
    schema::Catalog::UnitBody body = [&](schema::Unit& unit) -> Task<Status> {
      CO_TRY_STATUS(co_await work(unit.tx, &unit));
      if (requests == nullptr) co_return Status{};
      unit.note = requests->pack(tries.key, answer);
      unit.last = [&](sql::Transaction& tx) -> Task<Status> {
        requests->record(tx, tries.key, answer);
        co_return Status{};
      };
      co_return Status{};
    };
    status = co_await services_.catalog.in_unit(call.ctx, std::move(body));
  } else {
    sql::Database::Body body = [&](sql::Transaction& tx) -> Task<Status> {
      CO_TRY_STATUS(co_await work(&tx, nullptr));
      if (requests != nullptr) requests->record(tx, tries.key, answer);
      co_return Status{};
    };
    status = co_await services_.db.in_transaction(call.ctx, std::move(body));
  }
  if (!status) co_return fail(std::move(status).error());
  response.body = std::move(answer.body);
  co_return response;
}

// May a try of this request have been committed, here or elsewhere?
bool Dispatcher::may_be_done(const net::Request& request, Call& call, Attempts& tries,
                             const Error& error) const {
  if (error.id == "REQUEST_REPEATED") return true;
  if (!writes(call)) {
    // It did not get as far as its action.
    if (call.action != nullptr && call.who) return false;
    if (is_safe_method(request.method) || !may_follow_from_itself(error)) return false;
    if (call.ctx.idempotency_key.empty() && !request.headers.has("X-Request-Id")) return false;
  } else if (error.id == "DATABASE_COMMIT_UNKNOWN") {
    tries.unknown = true;
  }
  if (tries.key.key.empty()) name_request(request, call, tries);
  return tries.outside || tries.unknown;
}

Task<Result<std::optional<net::Response>>> Dispatcher::stored(Call& call, Attempts& tries) {
  for (int looks = 1;; ++looks) {
    auto found = co_await services_.requests->find(call.ctx, tries.key);
    if (!found) {
      const auto pause = sql::retry_pause(looks + 3);
      const bool wait = tries.unknown && sql::is_transient(found.error()) &&
                        call.ctx.remaining() > pause && !call.ctx.expired();
      if (!wait) co_return fail(std::move(found).error());
      co_await runtime::sleep_for(pause);
      continue;
    }
    if (!*found) co_return std::nullopt;
    CO_TRY_STATUS(co_await catch_up(call));
    net::Response response;
    response.status = (*found)->status;
    response.headers.set("Content-Type", std::move((*found)->content_type));
    response.body = std::move((*found)->body);
    if (!tries.unknown) response.headers.set("Idempotent-Replayed", "true");
    co_return response;
  }
}

// A try was committed that this process does not know of: what it would have done after its commit.
Task<Status> Dispatcher::catch_up(Call& call) {
  const bool record = call.action != nullptr && call.action->resource == "*" &&
                      call.target.collection != nullptr && !call.target.collection->builtin;
  if (record) {
    if (services_.counts != nullptr) services_.counts->touched(call.target.collection->name);
    co_return Status{};
  }
  services_.access.forget();
  CO_TRY_STATUS(co_await services_.catalog.refresh(call.ctx));
  if (services_.bus == nullptr) co_return Status{};
  // What it published comes before this message; so it is in force when this one is confirmed.
  CO_TRY_STATUS(co_await services_.bus->publish(call.ctx, kBarrierTopic, json::Object{},
                                                cluster::Delivery::kConfirmed));
  co_return co_await services_.bus->settle(call.ctx);
}

// Nothing of this request is committed. Is it worth another try?
Task<Result<bool>> Dispatcher::again(Call& call, Attempts& tries, const Error& error) {
  const auto pause = sql::retry_pause(tries.count);
  if (call.ctx.expired() || call.ctx.remaining() <= pause || tries.count >= kMostTries)
    co_return false;
  if (error.id == "UNKNOWN_TABLE_OR_COLUMN" && call.model) {
    // Planned on a model that is no more, or is about to be no more.
    CO_TRY_STATUS(co_await services_.catalog.refresh(call.ctx));
    if (services_.catalog.snapshot()->generation != call.model->generation) co_return true;
    if (services_.db.dialect().has_transactional_ddl() || tries.count > kModelTries)
      co_return false;
    co_await runtime::sleep_for(kModelPause);
    co_return true;
  }
  if (!writes(call)) co_return false;
  if (error.id == "UNIQUE_VIOLATION" && call.action->looks_first && !tries.looked_again) {
    tries.looked_again = true;
    co_return true;
  }
  if (error.id == "MODEL_CHANGED") {
    CO_TRY_STATUS(co_await services_.catalog.refresh(call.ctx));
    co_return true;
  }
  const bool passes = error.id == "DATABASE_COMMIT_UNKNOWN" || error.id == "LEASE_LOST" ||
                      error.id == "REQUEST_REPEATED";
  if (!passes) co_return false;
  // Journalled steps of a model change may be finished by somebody else now.
  tries.unknown = tries.unknown || call.action->effect == Effect::kModel;
  co_await runtime::sleep_for(pause);
  co_return true;
}

}  // namespace halcyon::api
