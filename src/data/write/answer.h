// What a write answers with: the records as they are now, with the associations just written.
// Thread rule: as Session.
#pragma once

#include <string>
#include <vector>

#include "data/write/rows.h"

namespace halcyon::data::write {

struct AnswerOptions {
  bool as_array = false;
  // Keys the client wrote; they are shown back even to a role that may not view the collection.
  std::vector<const json::Object*> written;
  AnswerOptions() = default;
};

// `rows` hold every column. Associations named in `written` are read back.
Task<Result<Answer>> records_answer(Session& session, const schema::Collection& collection,
                                    std::vector<Row> rows, AnswerOptions options);

}  // namespace halcyon::data::write
