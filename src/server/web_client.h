// What a browser gets at every address that is no part of the API: the files of the built web
// client, its start page where it has a page of its own, and, when no client is built, a page that
// says so.
//
//   WebClient client("web/dist");
//   net::Response response = client.answer(request);
//
// Immutable, safe from any thread.
#pragma once

#include <optional>
#include <string>

#include "net/http.h"
#include "net/static_files.h"

namespace halcyon::server {

class WebClient {
 public:
  explicit WebClient(const std::string& root);  // empty: there is none
  net::Response answer(const net::Request& request) const;

 private:
  std::optional<net::StaticFiles> files_;
};

}  // namespace halcyon::server
