// Files of a folder over HTTP: the built web client.
//
//   StaticFiles files("web/dist", {.fallback = "index.html"});
//   if (auto response = files.serve(request)) return *response;
//
// Paths cannot leave the folder (no "..", no links out of it). Answers carry ETag and Last-Modified
// and honour If-None-Match and a single Range; "x.gz" beside "x" is sent to clients that take gzip;
// names with a hash ("app.3f2a9c1b.js") are cached for ever, others are checked each time. Files up
// to 64 MiB. Reads block: small files from the page cache, meant for a laptop; nginx serves them
// otherwise.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "net/http.h"

namespace halcyon::net {

class StaticFiles {
 public:
  struct Options {
    std::string fallback;  // file for paths without a file that look like pages; empty: none
  };
  StaticFiles(std::filesystem::path root, Options options);
  // nullopt: no such file (or not GET/HEAD).
  std::optional<Response> serve(const Request& request) const;

 private:
  std::optional<std::filesystem::path> find(std::string_view url_path) const;
  std::filesystem::path root_;
  Options options_;
};

std::string_view mime_type(std::string_view file_name);

}  // namespace halcyon::net
