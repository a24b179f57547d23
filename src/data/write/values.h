// From the client's JSON to what may be written: which keys are let through, which are refused,
// values parsed and checked, defaults and server-made values filled in.
//
// Order (docs/compatibility.md, "Writing records"): the request's own whitelist and blacklist drop
// keys; server-managed fields are ignored; unknown fields and fields not granted are refused;
// values are parsed and the rules checked, all errors at once; defaults; then the types'
// before_save, formulas last.
// Thread rule: as Session.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/write/rows.h"

namespace halcyon::data::write {

// The lists of one request, as they hold at one level of nested values.
class KeyRules {
 public:
  KeyRules() = default;
  // `empty_means_all`: create, where no list of associations allows updates at the first level.
  KeyRules(const Params& params, bool empty_means_all);

  bool lets_through(std::string_view key) const;
  bool may_update(std::string_view association) const;  // existing related records
  KeyRules child(std::string_view association) const;

 private:
  std::optional<std::vector<std::string>> whitelist_;
  std::vector<std::string> blacklist_;
  std::vector<std::string> updatable_;
  bool all_updatable_ = false;
};

struct LinkInput {
  const schema::Field* field;
  const json::Value* value;  // in the request's values
};

struct Values {
  Row row;                                    // parsed values of fields with a column
  std::vector<LinkInput> links;               // associations, in the order given
  std::vector<const schema::Field*> refused;  // update: given, not granted; allowed when unchanged
};

struct ReadOptions {
  const KeyRules* rules;
  const Grant* grant;
  bool creating = true;
  std::string_view ignored;     // the through collection's name inside a many-to-many item
  const Row* preset = nullptr;  // set by the server: not required from the client
};

// Is this field the server's alone (createdAt, updatedBy, ...)?
bool is_server_managed(const schema::Field& field, const schema::Collection& collection);

Result<Values> read_values(const Session& session, const schema::Collection& collection,
                           const json::Object& input, const ReadOptions& options);

// 403 FIELD_NOT_WRITABLE for the first refused field whose value differs from the record's.
Status check_refused(const schema::Collection& collection, const Values& values,
                     const Row& previous);

// Fields whose types make or change values on save, in the order in which they run.
std::vector<const schema::Field*> save_hooks(const schema::Collection& collection);
// Rows saved one after the other, since a hook looks at rows saved before.
bool needs_single_rows(const schema::Collection& collection);

// Sort values handed out within one batch, so that each row need not ask the table again.
using SortMemory = StringMap<int64_t>;
Task<Status> run_hooks(Session& session, const schema::Collection& collection,
                       const std::vector<const schema::Field*>& hooks, Row& values,
                       const Row* previous, SortMemory* memory);
Status apply_defaults(const Session& session, const schema::Collection& collection, Row& values);
// After defaults and hooks of a create: NOT NULL columns that are still empty.
Status check_complete(const schema::Collection& collection, const Row& values);

Error no_permission(const schema::Collection& collection, std::string_view action);
// The grant, or 403 NO_PERMISSION; COLLECTION_READ_ONLY when nobody may write there.
Result<Grant> writable(const Session& session, const schema::Collection& collection,
                       std::string_view action);

}  // namespace halcyon::data::write
