#include "net/static_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/crypto.h"
#include "base/text.h"
#include "net/gzip.h"

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
    {".webmanifest", "application/manifest+json"},
    {".pdf", "application/pdf"},
    {".wasm", "application/wasm"},
};

struct Encoding {
  std::string_view name, extension;
};
constexpr Encoding kEncodings[] = {{"br", ".br"}, {"gzip", ".gz"}};  // the smallest first

class OpenFile {
 public:
  explicit OpenFile(const fs::path& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  OpenFile(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool stat(struct stat& info) const { return fd_ >= 0 && fstat(fd_, &info) == 0; }
  bool read(std::string& text) const {
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t count = ::read(fd_, text.data() + done, text.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      done += static_cast<size_t>(count);
    }
    return true;
  }

 private:
  int fd_;
};

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

// The text, or the part of it that was asked for.
void cut(const Request& request, std::string text, const std::string& etag, Response& response) {
  std::string_view header = request.headers.get("Range");
  // A part of what the client has already is of no use when that has changed.
  const std::string_view condition = request.headers.get("If-Range");
  if (!condition.empty() && condition != etag) header = {};
  bool unsatisfiable = false;
  const auto range = parse_range(header, text.size(), unsatisfiable);
  response.headers.set("Accept-Ranges", "bytes");
  if (unsatisfiable) {
    response.status = 416;
    response.headers.set("Content-Range", fmt::format("bytes */{}", text.size()));
    return;
  }
  if (range) {
    response.status = 206;
    response.compressible = false;
    response.headers.set("Content-Range",
                         fmt::format("bytes {}-{}/{}", range->first, range->last, text.size()));
    text = text.substr(range->first, range->last - range->first + 1);
  }
  response.body = std::move(text);
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

bool StaticFiles::is_inside(const fs::path& path) const {
  const auto [end, unused] = std::mismatch(root_.begin(), root_.end(), path.begin(), path.end());
  return end == root_.end();
}

std::optional<fs::path> StaticFiles::find(std::string_view url_path) const {
  if (root_.empty()) return std::nullopt;
  std::string relative = percent_decode(url_path, false);
  // Files of tools, and "..".
  if (relative.find('\0') != std::string::npos || relative.find("/.") != std::string::npos)
    return std::nullopt;
  relative.erase(0, relative.find_first_not_of('/'));
  if (relative.empty() || relative.ends_with('/')) relative += "index.html";
  std::error_code error;
  const fs::path path = fs::canonical(root_ / relative, error);
  // Also after links are followed it must lie inside.
  if (error || !is_inside(path) || !fs::is_regular_file(path, error)) return std::nullopt;
  return path;
}

// A browser on its way to a page of the web client, not to a file that is missing: that one must
// not get a page instead.
bool StaticFiles::is_page(const Request& request) const {
  if (options_.fallback.empty()) return false;
  if (!options_.immutable.empty() && request.path.starts_with(options_.immutable)) return false;
  const std::string_view name = request.path.substr(request.path.rfind('/') + 1);
  return name.find('.') == std::string_view::npos ||
         request.headers.get("Accept").find("text/html") != std::string_view::npos;
}

std::optional<StaticFiles::File> StaticFiles::read(const fs::path& path,
                                                   std::string_view unless) const {
  const OpenFile open(path);
  struct stat info{};
  if (!open.stat(info) || !S_ISREG(info.st_mode) || info.st_size > kMaxSize) return std::nullopt;
  Tag tag{info.st_ino, info.st_size,
          info.st_mtim.tv_sec * int64_t{1'000'000'000} + info.st_mtim.tv_nsec, ""};
  {
    std::lock_guard lock(mutex_);
    const Tag& known = tags_[path.native()];
    const bool same =
        known.inode == tag.inode && known.size == tag.size && known.changed_ns == tag.changed_ns;
    if (same) tag.etag = known.etag;
  }
  File file;
  if (!tag.etag.empty() && unless.find(tag.etag) != std::string_view::npos) {
    file.etag = tag.etag;
    return file;
  }
  file.text.resize(static_cast<size_t>(info.st_size));
  if (!open.read(file.text)) return std::nullopt;
  if (tag.etag.empty()) {
    tag.etag = "\"" + sha256_hex(file.text).substr(0, 24) + "\"";
    std::lock_guard lock(mutex_);
    tags_[path.native()] = tag;
  }
  file.etag = tag.etag;
  return file;
}

std::optional<Response> StaticFiles::serve(const Request& request) const {
  if (request.method != "GET" && request.method != "HEAD") return std::nullopt;
  auto path = find(request.path);
  if (!path && is_page(request)) path = find("/" + options_.fallback);
  if (!path) return std::nullopt;

  Response response;
  Headers& headers = response.headers;
  headers.set("Content-Type", std::string(mime_type(path->native())));
  headers.set("X-Content-Type-Options", "nosniff");
  const bool immutable =
      !options_.immutable.empty() && request.path.starts_with(options_.immutable);
  headers.set("Cache-Control", immutable ? "public, max-age=31536000, immutable" : "no-cache");
  fs::path chosen = *path;
  for (const Encoding& encoding : kEncodings) {
    std::error_code error;
    const fs::path packed = fs::canonical(path->native() + std::string(encoding.extension), error);
    if (error || !is_inside(packed)) continue;
    headers.set("Vary", "Accept-Encoding");
    if (chosen != *path || request.headers.has("Range") ||
        !accepts_encoding(request.headers.get("Accept-Encoding"), encoding.name))
      continue;
    chosen = packed;
    response.compressible = false;
    headers.set("Content-Encoding", std::string(encoding.name));
  }
  const std::string_view unless = request.headers.get("If-None-Match");
  auto file = read(chosen, unless);
  if (!file) return std::nullopt;
  headers.set("ETag", file->etag);
  if (unless.find(file->etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  cut(request, std::move(file->text), file->etag, response);
  return response;
}

}  // namespace halcyon::net
