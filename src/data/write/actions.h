// The actions of data::Writer, each inside a running transaction.
// Thread rule: as Session.
#pragma once

#include "data/write/session.h"

namespace halcyon::data::write {

Task<Result<Answer>> create_action(Session& session, const Target& target, const Params& params);
Task<Result<Answer>> update_action(Session& session, const Target& target, const Params& params);
Task<Result<Answer>> destroy_action(Session& session, const Target& target, const Params& params);
Task<Result<Answer>> upsert_action(Session& session, const Target& target, const Params& params,
                                   bool update);
enum class LinkAction { kAdd, kSet, kRemove, kToggle };
Task<Result<Answer>> link_action(Session& session, const Target& target, const Params& params,
                                 LinkAction action);
Task<Result<Answer>> move_action(Session& session, const Target& target, const Params& params);

// The one object of an action that takes no list; INVALID_VALUES otherwise.
Result<const json::Object*> values_object(const json::Value& values);

}  // namespace halcyon::data::write
