// The collections that schema itself needs: the meta tables in NocoBase's form, so that one of its
// databases can be adopted, and the counters of sequence fields.
#pragma once

#include <vector>

#include "json/json.h"

namespace halcyon::schema {

std::vector<json::Object> meta_collections();

}  // namespace halcyon::schema
