#include "net/multipart.h"

#include "base/text.h"

namespace halcyon::net {
namespace {

constexpr size_t kMaxParts = 1000;
constexpr size_t kMaxHead = 16 * 1024;

std::unexpected<Error> bad(std::string what) {
  return invalid("INVALID_MULTIPART", "The multipart body is not valid: " + what + ".");
}

// Value of `name` among "a=1; name=\"x\"" parameters; quoted ones may hold \" and \\.
std::string parameter(std::string_view header, std::string_view name) {
  size_t at = header.find(';');
  while (at != std::string_view::npos) {
    ++at;
    while (at < header.size() && (header[at] == ' ' || header[at] == '\t')) ++at;
    const size_t equals = header.find('=', at);
    if (equals == std::string_view::npos) return "";
    const std::string_view key = trim(header.substr(at, equals - at));
    std::string value;
    size_t i = equals + 1;
    if (i < header.size() && header[i] == '"') {
      for (++i; i < header.size() && header[i] != '"'; ++i) {
        if (header[i] == '\\' && i + 1 < header.size() &&
            (header[i + 1] == '"' || header[i + 1] == '\\'))
          ++i;
        value += header[i];
      }
      at = header.find(';', i);
    } else {
      at = header.find(';', i);
      value = std::string(trim(header.substr(i, at == std::string_view::npos ? at : at - i)));
    }
    if (iequals(key, name)) return value;
  }
  return "";
}

Result<Part> parse_head(std::string_view head) {
  Part part;
  bool is_form_data = false;
  while (!head.empty()) {
    const size_t end = std::min(head.find("\r\n"), head.size());
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 2, head.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return bad("a header without a colon");
    const std::string_view name = trim(line.substr(0, colon)), value = trim(line.substr(colon + 1));
    if (iequals(name, "Content-Disposition")) {
      is_form_data = starts_with_ci(value, "form-data");
      part.name = parameter(value, "name");
      part.filename = parameter(value, "filename");
      // Some browsers once sent whole paths; only the last name means anything here.
      if (const size_t slash = part.filename.find_last_of("/\\"); slash != std::string::npos)
        part.filename.erase(0, slash + 1);
    } else if (iequals(name, "Content-Type")) {
      part.content_type = std::string(value);
    }
  }
  if (!is_form_data || part.name.empty()) return bad("a part without a name");
  return part;
}

}  // namespace

Result<std::vector<Part>> parse_multipart(std::string_view content_type, std::string_view body) {
  if (!starts_with_ci(content_type, "multipart/form-data"))
    return bad("the content type is not multipart/form-data");
  const std::string boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > 70) return bad("no boundary");
  const std::string delimiter = "\r\n--" + boundary;

  // The first delimiter may stand at the very start, without the line break before it.
  size_t at;
  if (body.starts_with(std::string_view(delimiter).substr(2))) {
    at = delimiter.size() - 2;
  } else {
    at = body.find(delimiter);
    if (at == std::string_view::npos) return bad("the boundary does not occur");
    at += delimiter.size();
  }
  std::vector<Part> parts;
  while (true) {
    const std::string_view rest = body.substr(at);
    if (rest.starts_with("--")) return parts;
    if (!rest.starts_with("\r\n")) return bad("a boundary is not at the end of its line");
    if (parts.size() >= kMaxParts) return bad("too many parts");
    // A part without headers has its empty line at once.
    const size_t head_end = rest.find("\r\n\r\n");
    if (head_end == std::string_view::npos || head_end > kMaxHead)
      return bad("a part without the end of its head");
    TRY(Part part, parse_head(rest.substr(2, head_end < 2 ? 0 : head_end - 2)));
    const size_t data_at = at + head_end + 4;
    // The data may be empty: then the delimiter's line break is the one that ends the head.
    const size_t end = body.find(delimiter, data_at - 2);
    if (end == std::string_view::npos) return bad("the last part is not closed");
    part.data = end < data_at ? std::string_view{} : body.substr(data_at, end - data_at);
    parts.push_back(std::move(part));
    at = end + delimiter.size();
  }
}

}  // namespace halcyon::net
