#include "expr/resolver.h"

#include "base/text.h"

namespace halcyon::expr {
namespace {

std::optional<json::Value> walk(const json::Value& at, std::string_view path) {
  if (path.empty()) return at;
  const size_t dot = path.find('.');
  const std::string_view name = path.substr(0, dot);
  const std::string_view rest =
      dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  if (name.empty() || (dot != std::string_view::npos && rest.empty())) return std::nullopt;
  if (at.is_object()) {
    const json::Value* next = json::find(at.get_object(), name);
    return next == nullptr ? std::nullopt : walk(*next, rest);
  }
  if (!at.is_array()) return std::nullopt;
  const json::Array& items = at.get_array();
  if (const auto index = to_int64(name)) {
    if (*index < 0 || static_cast<size_t>(*index) >= items.size()) return std::nullopt;
    return walk(items[static_cast<size_t>(*index)], rest);
  }
  json::Array found;
  for (const json::Value& item : items) {
    auto value = walk(item, path);
    if (!value) continue;
    if (value->is_array()) {
      for (json::Value& inner : value->get_array()) found.push_back(std::move(inner));
    } else {
      found.push_back(*std::move(value));
    }
  }
  return found;
}

}  // namespace

std::optional<json::Value> get_path(const json::Value& root, std::string_view path) {
  if (path.empty()) return std::nullopt;
  return walk(root, path);
}

Resolver resolver_of(const json::Value& root) {
  return [&root](std::string_view path) -> Result<json::Value> {
    return get_path(root, path).value_or(json::Value(nullptr));
  };
}

std::string display_text(const json::Value& value) {
  if (value.is_null()) return {};
  if (value.is_string()) return std::string(json::as_view(value));
  return json::dump(value);
}

std::optional<Placeholder> find_placeholder(std::string_view text, size_t from) {
  constexpr size_t kMaxPath = 500;
  while (true) {
    const size_t begin = text.find("{{", from);
    if (begin == std::string_view::npos) return std::nullopt;
    const size_t stop = text.find_first_of("{}\r\n", begin + 2);
    if (stop == std::string_view::npos) return std::nullopt;
    const std::string_view path = trim(text.substr(begin + 2, stop - begin - 2));
    if (text.substr(stop).starts_with("}}") && !path.empty() && path.size() <= kMaxPath)
      return Placeholder{begin, stop + 2, path};
    from = begin + 1;
  }
}

}  // namespace halcyon::expr
