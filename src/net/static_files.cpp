#include "net/static_files.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "base/text.h"

namespace halcyon::net {
namespace {

namespace fs = std::filesystem;
constexpr off_t kMaxSize = 64 * 1024 * 1024;

struct Type {
  std::string_view extension, type;
};
constexpr Type kTypes[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json; charset=utf-8"},
    {".map", "application/json; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".woff", "font/woff"},
    {".txt", "text/plain; charset=utf-8"},
    {".pdf", "application/pdf"},
    {".wasm", "application/wasm"},
};

// "app.3f2a9c1b.js", "index-BX3k9aQz.js": a part of eight or more letters and digits, some of them
// digits.
bool has_hash(std::string_view name) {
  size_t run = 0, digits = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool is_digit = c >= '0' && c <= '9';
    if (is_digit || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') {
      ++run;
      digits += is_digit ? 1 : 0;
    } else {
      if (run >= 8 && digits > 0) return true;
      run = digits = 0;
    }
  }
  return false;
}

std::optional<std::string> read(const fs::path& path, off_t size) {
  std::string text(static_cast<size_t>(size), '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(text.data(), size)) return std::nullopt;
  return text;
}

struct Range {
  size_t first, last;
};
// "bytes=0-99", "bytes=100-", "bytes=-50"; nullopt: to be ignored. `unsatisfiable` is set when it
// lies outside.
std::optional<Range> parse_range(std::string_view header, size_t size, bool& unsatisfiable) {
  if (!header.starts_with("bytes=") || header.find(',') != std::string_view::npos)
    return std::nullopt;
  header.remove_prefix(6);
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto from = to_int64(header.substr(0, dash)), to = to_int64(header.substr(dash + 1));
  if (from && *from >= 0) {
    if (static_cast<size_t>(*from) >= size) {
      unsatisfiable = true;
      return std::nullopt;
    }
    const size_t last =
        to ? std::min(static_cast<size_t>(std::max<int64_t>(*to, 0)), size - 1) : size - 1;
    if (last < static_cast<size_t>(*from)) return std::nullopt;
    return Range{static_cast<size_t>(*from), last};
  }
  if (dash == 0 && to && *to > 0 && size > 0) {
    const size_t count = std::min(static_cast<size_t>(*to), size);
    return Range{size - count, size - 1};
  }
  return std::nullopt;
}

}  // namespace

std::string_view mime_type(std::string_view name) {
  for (const Type& type : kTypes) {
    if (name.size() > type.extension.size() &&
        iequals(name.substr(name.size() - type.extension.size()), type.extension))
      return type.type;
  }
  return "application/octet-stream";
}

StaticFiles::StaticFiles(fs::path root, Options options) : options_(std::move(options)) {
  std::error_code error;
  root_ = fs::canonical(root, error);
}

std::optional<fs::path> StaticFiles::find(std::string_view url_path) const {
  if (root_.empty()) return std::nullopt;
  std::string relative = percent_decode(url_path, false);
  if (relative.find('\0') != std::string::npos) return std::nullopt;
  relative.erase(0, relative.find_first_not_of('/'));
  if (relative.empty() || relative.ends_with('/')) relative += "index.html";
  std::error_code error;
  const fs::path path = fs::canonical(root_ / relative, error);
  // Also after links are followed it must lie inside.
  const auto [end, unused] = std::mismatch(root_.begin(), root_.end(), path.begin(), path.end());
  if (error || end != root_.end() || !fs::is_regular_file(path, error)) return std::nullopt;
  return path;
}

std::optional<Response> StaticFiles::serve(const Request& request) const {
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  auto path = find(request.path);
  if (!path && !options_.fallback.empty()) {
    const auto slash = request.path.rfind('/');
    const bool looks_like_file =
        request.path.substr(slash == std::string_view::npos ? 0 : slash).find('.') !=
        std::string_view::npos;
    if (!looks_like_file) path = find("/" + options_.fallback);
  }
  if (!path) return std::nullopt;

  Response response;
  response.headers.set("Content-Type", std::string(mime_type(path->native())));
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Cache-Control", has_hash(path->filename().native())
                                            ? "public, max-age=31536000, immutable"
                                            : "no-cache");
  fs::path file = *path;
  struct stat info{};
  const std::string packed = path->native() + ".gz";
  const bool takes_gzip =
      request.headers.get("Accept-Encoding").find("gzip") != std::string_view::npos;
  if (takes_gzip && !request.headers.has("Range") && stat(packed.c_str(), &info) == 0 &&
      S_ISREG(info.st_mode)) {
    file = packed;
    response.compressible = false;
    response.headers.set("Content-Encoding", "gzip");
    response.headers.set("Vary", "Accept-Encoding");
  }
  if (stat(file.c_str(), &info) != 0 || info.st_size > kMaxSize) return std::nullopt;
  const std::string etag = fmt::format("\"{:x}-{:x}\"", info.st_mtime, info.st_size);
  response.headers.set("ETag", etag);
  response.headers.set("Last-Modified",
                       fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(info.st_mtime)));
  if (request.headers.get("If-None-Match").find(etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  auto text = read(file, info.st_size);
  if (!text) return std::nullopt;
  bool unsatisfiable = false;
  const auto range = parse_range(request.headers.get("Range"), text->size(), unsatisfiable);
  response.headers.set("Accept-Ranges", "bytes");
  if (unsatisfiable) {
    response.status = 416;
    response.headers.set("Content-Range", fmt::format("bytes */{}", text->size()));
    return response;
  }
  if (range) {
    response.status = 206;
    response.compressible = false;
    response.headers.set("Content-Range",
                         fmt::format("bytes {}-{}/{}", range->first, range->last, text->size()));
    *text = text->substr(range->first, range->last - range->first + 1);
  }
  response.body = *std::move(text);
  return response;
}

}  // namespace halcyon::net
