// The OpenAPI 3.1 document, generated from the action table and the live model (swagger:get).
//
//   json::Object document = openapi_document(table, *model, settings);
#pragma once

#include "api/services.h"

namespace halcyon::api {

json::Object openapi_document(const ActionTable& table, const schema::Snapshot& model,
                              const Settings& settings);

}  // namespace halcyon::api
