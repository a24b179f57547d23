// Pages of the web client: the menu (collection `desktopRoutes`, as in NocoBase) and what a page
// shows (collection `pages`), stored as JSON data with every version there ever was
// (`pageVersions`), so that a page can be rolled back. docs/pages.md describes the JSON.
//
//   pages::add_collections(builtin);                                 // for schema::Catalog
//   CO_TRY(json::Value menu, co_await pages::accessible_routes(call, *who));
//   CO_TRY(json::Value page, co_await pages::save(call, writer, {.uid = uid, .base = 3, ...}));
//
// Who sees a page: roles linked to its entry of the menu; who may change the menu sees everything.
// A page shows records only as far as the role's rights on them go; it gives none itself.
// `call` must have every right: the action's gate has decided. Thread rule: none, there is no
// state.
#pragma once

#include <string>
#include <vector>

#include "access/access.h"
#include "data/records.h"

namespace halcyon::features::pages {

// Appends the collections of this part, and gives `roles` its association `desktopRoutes`.
void add_collections(std::vector<json::Object>& builtin);

// Is this a page: {"blocks":[{"uid","type",...}]}, uids unique at every depth? Error 400
// INVALID_PAGE with the path of what is wrong.
Status check(const json::Value& schema);

// The menu as a tree of {id,title,icon,type,schemaUid,options,hideInMenu,sort,children?}. A group
// is there when it holds something, or when the caller may change the menu.
Task<Result<json::Value>> accessible_routes(const data::Call& call, const access::Identity& who);

// Makes an entry of the menu; one of type "page" gets a page (`schema`, else an empty one) unless
// it names one (`schemaUid`). Seen by `roles`, else by every role that gets new entries.
Task<Result<json::Value>> create_route(const data::Call& call, data::Writer& writer,
                                       json::Object values);

// {uid,title,version,schema}. Error 404 PAGE_NOT_FOUND, also for pages the caller may not see.
Task<Result<json::Value>> get(const data::Call& call, const access::Identity& who, std::string uid);

struct Change {
  std::string uid;
  int64_t base = 0;  // the version the change began from
  json::Value schema;
  std::string note;  // shown in the list of versions; may be empty
  Change() = default;
};
// The page as a new version. Error 409 PAGE_CHANGED when `base` is not the newest one any more.
Task<Result<json::Value>> save(const data::Call& call, data::Writer& writer, Change change);

// Newest first: {version,note,createdAt,createdBy:{id,nickname}}.
Task<Result<json::Value>> versions(const data::Call& call, std::string uid);

// Makes the content of an older version the newest one. Error 404 PAGE_NOT_FOUND.
Task<Result<json::Value>> restore(const data::Call& call, data::Writer& writer, std::string uid,
                                  int64_t version);

}  // namespace halcyon::features::pages
