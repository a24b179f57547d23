// multipart/form-data bodies (RFC 7578).
//
//   TRY(auto parts, parse_multipart(request.headers.get("Content-Type"), request.body));
//   for (const Part& part : parts) use(part.name, part.filename, part.data);
//
// The parts are views into `body`, which must outlive them. At most 1,000 parts. Error 400
// INVALID_MULTIPART says what is wrong; a body that breaks off is an error, not a shorter list.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace halcyon::net {

struct Part {
  std::string name;
  std::string filename;      // empty: a plain field; never with a path
  std::string content_type;  // empty: text/plain
  std::string_view data;
};

Result<std::vector<Part>> parse_multipart(std::string_view content_type, std::string_view body);

}  // namespace halcyon::net
