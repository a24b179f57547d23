// Actions on records: list, get, query, create, update, destroy, association writes, move.
//
// Reading is in data/read/ (filter -> plan -> SQL -> rows -> JSON), writing in data/write/. Every
// function applies call.permissions: rows out of scope are not seen, fields not granted are not
// read or refused on write. A write is one transaction; a failure leaves nothing behind.
//
//   CO_TRY(Answer a, co_await list(call, target, params));
#pragma once

#include "data/request.h"

namespace halcyon::data {

// Reads. `list` with paginate gives meta {count,page,pageSize,totalPage} or
// {hasNext,page,pageSize}.
Task<Result<Answer>> list(const Call& call, Target target, Params params);
Task<Result<Answer>> get(const Call& call, Target target,
                         Params params);  // data "null" when absent
Task<Result<Answer>> query(const Call& call, Target target,
                           Params params);  // aggregates, reference B.2

// Writes (reference B, B.1, D.7). Listeners are called for every record changed.
struct Writer {
  std::vector<ChangeListener*> listeners;
  Task<Result<Answer>> create(const Call& call, Target target, Params params);
  Task<Result<Answer>> update(const Call& call, Target target, Params params);
  Task<Result<Answer>> destroy(const Call& call, Target target, Params params);
  Task<Result<Answer>> first_or_create(const Call& call, Target target, Params params);
  Task<Result<Answer>> update_or_create(const Call& call, Target target, Params params);
  Task<Result<Answer>> add(const Call& call, Target target, Params params);  // associations
  Task<Result<Answer>> set(const Call& call, Target target, Params params);
  Task<Result<Answer>> remove(const Call& call, Target target, Params params);
  Task<Result<Answer>> toggle(const Call& call, Target target, Params params);
  Task<Result<Answer>> move(const Call& call, Target target, Params params);
};

}  // namespace halcyon::data
