// data::Writer: each action is one transaction, or runs inside call.tx.
#include "data/records.h"
#include "data/write/actions.h"

namespace halcyon::data {

using write::LinkAction;
using write::Session;

Task<Result<Answer>> Writer::create(const Call& call, Target target, Params params) {
  write::Body body = [&](Session& session) {
    return write::create_action(session, target, params);
  };
  co_return co_await write::run_write(call, listeners, std::move(body));
}

Task<Result<Answer>> Writer::update(const Call& call, Target target, Params params) {
  write::Body body = [&](Session& session) {
    return write::update_action(session, target, params);
  };
  co_return co_await write::run_write(call, listeners, std::move(body));
}

Task<Result<Answer>> Writer::destroy(const Call& call, Target target, Params params) {
  write::Body body = [&](Session& session) {
    return write::destroy_action(session, target, params);
  };
  co_return co_await write::run_write(call, listeners, std::move(body));
}

namespace {

// Two callers may both find nothing and both create. The unique index lets one win; the other looks
// again and finds the winner's record. (Inside the caller's own transaction that is not possible.)
Task<Result<Answer>> upsert(const Call& call, const write::Listeners& listeners,
                            const Target& target, const Params& params, bool update) {
  write::Body body = [&](Session& session) {
    return write::upsert_action(session, target, params, update);
  };
  auto answer = co_await write::run_write(call, listeners, body);
  if (!answer && answer.error().id == "UNIQUE_VIOLATION" && call.tx == nullptr) {
    co_return co_await write::run_write(call, listeners, body);
  }
  co_return answer;
}

Task<Result<Answer>> link(const Call& call, const write::Listeners& listeners, const Target& target,
                          const Params& params, LinkAction action) {
  write::Body body = [&](Session& session) {
    return write::link_action(session, target, params, action);
  };
  co_return co_await write::run_write(call, listeners, std::move(body));
}

}  // namespace

Task<Result<Answer>> Writer::first_or_create(const Call& call, Target target, Params params) {
  co_return co_await upsert(call, listeners, target, params, false);
}

Task<Result<Answer>> Writer::update_or_create(const Call& call, Target target, Params params) {
  co_return co_await upsert(call, listeners, target, params, true);
}

Task<Result<Answer>> Writer::add(const Call& call, Target target, Params params) {
  co_return co_await link(call, listeners, target, params, LinkAction::kAdd);
}

Task<Result<Answer>> Writer::set(const Call& call, Target target, Params params) {
  co_return co_await link(call, listeners, target, params, LinkAction::kSet);
}

Task<Result<Answer>> Writer::remove(const Call& call, Target target, Params params) {
  co_return co_await link(call, listeners, target, params, LinkAction::kRemove);
}

Task<Result<Answer>> Writer::toggle(const Call& call, Target target, Params params) {
  co_return co_await link(call, listeners, target, params, LinkAction::kToggle);
}

Task<Result<Answer>> Writer::move(const Call& call, Target target, Params params) {
  write::Body body = [&](Session& session) { return write::move_action(session, target, params); };
  co_return co_await write::run_write(call, listeners, std::move(body));
}

}  // namespace halcyon::data
