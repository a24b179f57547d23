#include <fmt/format.h>

#include <array>
#include <ctime>

#include "base/text.h"
#include "net/gzip.h"
#include "net/reply_internal.h"

namespace halcyon::net {
namespace {

constexpr size_t kGzipFrom = 1024;
// More would keep the io thread from its other connections for longer than some 20 ms.
constexpr size_t kGzipTo = 2 * 1024 * 1024;

// A name or value must never end the head.
void append_header_text(std::string& head, std::string_view text) {
  if (text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos) {
    head += text;
    return;
  }
  for (char c : text) {
    if (c != '\r' && c != '\n' && c != '\0') head += c;
  }
}

}  // namespace

std::string_view http_date() {
  thread_local std::time_t made = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != made) {
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 64> buffer;
    text.assign(buffer.data(),
                std::strftime(buffer.data(), buffer.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
    made = now;
  }
  return text;
}

Response plain_error(int status, std::string_view code, std::string_view message) {
  Response response;
  response.status = status;
  response.headers.set("Content-Type", "application/json; charset=utf-8");
  response.body = fmt::format(R"({{"errors":[{{"code":"{}","message":"{}"}}]}})", code, message);
  return response;
}

bool accepts_encoding(std::string_view accept_encoding, std::string_view encoding) {
  if (accept_encoding.find(encoding) == std::string_view::npos) return false;
  for (std::string_view item : split(accept_encoding, ',')) {
    const size_t semicolon = item.find(';');
    if (!iequals(trim(item.substr(0, semicolon)), encoding)) continue;
    if (semicolon == std::string_view::npos) return true;
    const std::string_view weight = trim(item.substr(semicolon + 1));
    return !starts_with_ci(weight, "q=") || to_double(trim(weight.substr(2))).value_or(1) > 0;
  }
  return false;
}

void compress(const Request& request, Response& response) {
  if (!response.compressible || response.body.size() < kGzipFrom ||
      response.body.size() > kGzipTo || response.headers.has("Content-Encoding") ||
      !is_compressible_type(response.headers.get("Content-Type")))
    return;
  if (response.headers.get("Vary").find("Accept-Encoding") == std::string_view::npos)
    response.headers.add("Vary", "Accept-Encoding");
  std::string small;
  if (!accepts_encoding(request.headers.get("Accept-Encoding"), "gzip") ||
      !gzip(response.body, small))
    return;
  response.body = std::move(small);
  response.headers.set("Content-Encoding", "gzip");
  // Other bytes than the tag was made for, though the same content.
  if (const std::string_view tag = response.headers.get("ETag"); tag.starts_with('"'))
    response.headers.set("ETag", "W/" + std::string(tag));
}

std::string make_head(const Response& response, const HeadOptions& options) {
  std::string head;
  size_t size = 160;
  for (const auto& [name, value] : response.headers.items()) size += name.size() + value.size() + 4;
  head.reserve(size);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                 reason_phrase(response.status), http_date());
  for (const auto& [name, value] : response.headers.items()) {
    append_header_text(head, name);
    head += ": ";
    append_header_text(head, value);
    head += "\r\n";
  }
  const bool bodyless = response.status == 204 || response.status == 304;
  if (options.chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!bodyless && !response.stream && !response.headers.has("Content-Length")) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", response.body.size());
  }
  if (!options.keep_alive)
    head += "Connection: close\r\n";
  else if (options.http_10)
    head += "Connection: keep-alive\r\n";
  head += "\r\n";
  return head;
}

}  // namespace halcyon::net
