#include "expr/template.h"

#include <algorithm>

#include "base/text.h"

namespace halcyon::expr {
namespace {

class Renderer {
 public:
  Renderer(const Resolver& resolve, const TemplateLimits& limits)
      : resolve_(resolve), limits_(limits) {}

  Result<json::Value> tree(const json::Value& value) {
    if (value.is_string()) return whole(json::as_view(value));
    if (value.is_array()) {
      json::Array list;
      for (const json::Value& item : value.get_array()) {
        TRY(json::Value rendered, tree(item));
        list.push_back(std::move(rendered));
      }
      return list;
    }
    if (value.is_object()) {
      json::Object object;
      for (const auto& member : value.get_object()) {
        TRY(json::Value rendered, tree(member.value()));
        object.emplace(member.key(), std::move(rendered));
      }
      return object;
    }
    return value;
  }

  Result<std::string> text(std::string_view source) {
    std::string result;
    size_t done = 0;
    while (const auto found = find_placeholder(source, done)) {
      result += source.substr(done, found->begin - done);
      TRY(const json::Value value, look_up(found->path));
      result += display_text(value);
      if (result.size() > limits_.max_bytes) return too_large();
      done = found->end;
    }
    result += source.substr(done);
    bytes_ += result.size();
    if (bytes_ > limits_.max_bytes) return too_large();
    return result;
  }

 private:
  static std::unexpected<Error> too_large() {
    return invalid("TEMPLATE_TOO_LARGE", "The text made from the template is too large.");
  }

  Result<json::Value> look_up(std::string_view path) {
    if (++values_ > limits_.max_values) return too_large();
    return resolve_(path);
  }

  Result<json::Value> whole(std::string_view source) {
    const std::string_view trimmed = trim(source);
    const auto found = find_placeholder(trimmed);
    if (found && found->begin == 0 && found->end == trimmed.size()) return look_up(found->path);
    TRY(const std::string rendered, text(source));
    return json::Value(rendered);
  }

  const Resolver& resolve_;
  const TemplateLimits& limits_;
  size_t bytes_ = 0, values_ = 0;
};

void collect(const json::Value& value, std::vector<std::string>& paths) {
  if (value.is_array()) {
    for (const json::Value& item : value.get_array()) collect(item, paths);
  } else if (value.is_object()) {
    for (const auto& member : value.get_object()) collect(member.value(), paths);
  } else if (value.is_string()) {
    const std::string_view text = json::as_view(value);
    for (auto found = find_placeholder(text); found; found = find_placeholder(text, found->end)) {
      if (std::ranges::find(paths, found->path) == paths.end()) paths.emplace_back(found->path);
    }
  }
}

}  // namespace

Result<json::Value> render(const json::Value& tree, const Resolver& resolve,
                           const TemplateLimits& limits) {
  return Renderer(resolve, limits).tree(tree);
}

Result<std::string> render_text(std::string_view text, const Resolver& resolve,
                                const TemplateLimits& limits) {
  return Renderer(resolve, limits).text(text);
}

std::vector<std::string> template_variables(const json::Value& tree) {
  std::vector<std::string> paths;
  collect(tree, paths);
  return paths;
}

}  // namespace halcyon::expr
