// Snippets: named groups of resource:action patterns that a role may hold (reference F.7).
//
//   snippets_allow({"!ui.*", "pm.*"}, "collections:create")   -> true
//
// A role's snippets are patterns over the dotted names below; "!x" denies and wins over "x".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace halcyon::access {

// Does `pattern` ("ui.*", "pm", "*:list") match all of `text`? "*" stands for any run of
// characters.
bool glob_match(std::string_view pattern, std::string_view text);

// Do these role snippets contain the registered snippet `name`?
bool holds_snippet(const std::vector<std::string>& role_snippets, std::string_view name);

// Is `resource:action` covered by a snippet the role holds?
bool snippets_allow(const std::vector<std::string>& role_snippets,
                    std::string_view resource_action);

// Union of several roles' snippets: an inclusion by one role counts, an exclusion only when all
// exclude.
std::vector<std::string> union_snippets(const std::vector<std::vector<std::string>>& roles);

}  // namespace halcyon::access
