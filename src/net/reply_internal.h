// How answers are put into bytes. Private to net.
#pragma once

#include <string>
#include <string_view>

#include "net/http.h"

namespace halcyon::net {

// An answer of the server itself, in the API's error envelope. `code` and `message` are plain text
// of ours that needs no escaping.
Response plain_error(int status, std::string_view code, std::string_view message);

// Compresses the body when the client takes it and it is worth it.
void compress(const Request& request, Response& response);

struct HeadOptions {
  bool keep_alive = true;
  bool chunked = false;
  bool http_10 = false;  // the client's version
};
std::string make_head(const Response& response, const HeadOptions& options);

// The present time as HTTP wants it; made once a second and thread.
std::string_view http_date();

}  // namespace halcyon::net
