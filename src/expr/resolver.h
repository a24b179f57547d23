// Where the values of variables come from, and how paths walk through JSON.
//
//   Resolver values = resolver_of(context);               // {{data.title}}, {{data.tags.name}}
//   TRY(json::Value total, expression.evaluate(values));
//
// A Resolver answers a dotted path with a value, null when there is none; an error stops the work.
// It is called in place and cannot wait: who has to load something asks for variables() first.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/json.h"

namespace halcyon::expr {

using Resolver = std::function<Result<json::Value>(std::string_view path)>;

// The value at a dotted path. A name asked of an array is asked of each item and gives the list of
// the answers, flattened one level ("items.price"); numbers index. nullopt when it leads nowhere.
std::optional<json::Value> get_path(const json::Value& root, std::string_view path);
// Looks paths up in `root`, which must outlive the resolver; what is not there is null.
Resolver resolver_of(const json::Value& root);

// How a value reads inside a text: text as it is, null as nothing, others as JSON.
std::string display_text(const json::Value& value);

// The first "{{ path }}" at or after `from`; `path` is trimmed, without braces and line ends.
struct Placeholder {
  size_t begin = 0, end = 0;  // with the braces
  std::string_view path;
};
std::optional<Placeholder> find_placeholder(std::string_view text, size_t from = 0);

}  // namespace halcyon::expr
