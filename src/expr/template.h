// "{{ path }}" inside the strings of a JSON tree: settings of workflow nodes, messages, links.
//
//   json::Value tree = {{"to", "{{user.email}}"}, {"text", "Order {{order.id}} is ready"}};
//   TRY(json::Value ready, render(tree, resolver_of(context)));
//
// A string that is one placeholder and nothing else becomes the value itself, of whatever type;
// inside other text a value is shown as text (null as nothing). Names of members are not touched,
// and what a variable holds is not rendered again. No escaping: who puts the result into HTML, SQL
// or a URL does that. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "expr/resolver.h"

namespace halcyon::expr {

struct TemplateLimits {
  size_t max_bytes = size_t{16} << 20;  // of text put in, in all
  size_t max_values = 10'000;           // placeholders replaced
  TemplateLimits() = default;
};

// Errors: what the resolver says; 400 TEMPLATE_TOO_LARGE.
Result<json::Value> render(const json::Value& tree, const Resolver& resolve,
                           const TemplateLimits& limits = {});
Result<std::string> render_text(std::string_view text, const Resolver& resolve,
                                const TemplateLimits& limits = {});
// Every path, each once, in the order of appearance.
std::vector<std::string> template_variables(const json::Value& tree);

}  // namespace halcyon::expr
