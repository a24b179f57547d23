// Files of a folder over HTTP: the built web client.
//
//   StaticFiles files("web/dist", {.fallback = "index.html", .immutable = "/assets/"});
//   if (auto response = files.serve(request)) return *response;
//
// Paths cannot leave the folder (no "..", no links out of it), and names that begin with a dot are
// not served. "x.br" and "x.gz" beside "x" are sent to clients that take them. What lies below
// `immutable` is cached for ever, since its names hold a hash of the content; the rest is asked for
// each time, by an ETag made of the content: times and sizes differ between replicas, or are the
// same although the content is not. A single Range is honoured. Files up to 64 MiB. Reads block:
// small files from the page cache; nginx serves them otherwise.
// Thread rule: safe from any thread.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "net/http.h"

namespace halcyon::net {

class StaticFiles {
 public:
  struct Options {
    std::string fallback;   // file for addresses of pages, which have no file; empty: none
    std::string immutable;  // URL prefix; empty: none
  };
  StaticFiles(std::filesystem::path root, Options options);
  // nullopt: no such file (or not GET/HEAD).
  std::optional<Response> serve(const Request& request) const;

 private:
  struct File {
    std::string text, etag;  // no text when the client has it
  };
  struct Tag {
    ino_t inode = 0;
    off_t size = 0;
    int64_t changed_ns = 0;
    std::string etag;
  };
  std::optional<std::filesystem::path> find(std::string_view url_path) const;
  bool is_inside(const std::filesystem::path& path) const;
  bool is_page(const Request& request) const;
  // `unless`: an If-None-Match header; when it names the content the text is not read.
  std::optional<File> read(const std::filesystem::path& path, std::string_view unless) const;

  std::filesystem::path root_;
  Options options_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, Tag> tags_;  // by path; guarded by mutex_
};

std::string_view mime_type(std::string_view file_name);

}  // namespace halcyon::net
