#include "net/query.h"

#include <algorithm>

#include "base/text.h"

namespace halcyon::net {
namespace {

constexpr size_t kMaxParameters = 1000;
constexpr size_t kMaxDepth = 20;
constexpr int64_t kMaxIndex = 100;

// While building, every container is an object; lists are told apart at the end by their keys.
// "a[]=x" counts up from the number of members.
json::Value* descend(json::Value& at, std::string_view segment) {
  if (!at.is_object()) {
    // "a=1&a[b]=2": the plain value becomes a member of the list, as in qs.
    json::Object object;
    if (!at.is_null()) object["0"] = std::move(at);
    at = std::move(object);
  }
  json::Object& object = at.get_object();
  if (segment.empty()) {
    return &object[std::to_string(object.size())];
  }
  return &object[boost::json::string_view(segment.data(), segment.size())];
}

Result<std::vector<std::string>> segments_of(std::string_view raw) {
  const std::string key = percent_decode(raw, true);
  std::vector<std::string> parts;
  size_t bracket = key.find('[');
  if (bracket == 0)
    bracket = key.find('[', 1);  // "[a]=1": the first name may be in brackets; taken as text
  parts.push_back(key.substr(0, bracket));
  while (bracket != std::string::npos && bracket < key.size()) {
    const size_t end = key.find(']', bracket);
    if (end == std::string::npos || key[bracket] != '[') {
      parts.back() += key.substr(bracket);  // unbalanced brackets are text
      break;
    }
    if (parts.size() > kMaxDepth) {
      return invalid("INVALID_QUERY", "The query string nests brackets too deeply.");
    }
    parts.push_back(key.substr(bracket + 1, end - bracket - 1));
    bracket = end + 1;
  }
  return parts;
}

// Objects whose keys are 0, 1, 2, ... (none above the limit) are lists.
json::Value finish(json::Value value) {
  if (!value.is_object()) return value;
  json::Object& object = value.get_object();
  bool is_list = !object.empty();
  for (auto& item : object) {
    const auto index = to_int64(std::string_view(item.key().data(), item.key().size()));
    // "a[]" counts its members itself and may go beyond the limit for explicit indexes.
    is_list = is_list && index && *index >= 0 &&
              (*index <= kMaxIndex || *index < static_cast<int64_t>(object.size()));
    item.value() = finish(std::move(item.value()));
  }
  if (!is_list) return value;
  std::vector<std::pair<int64_t, json::Value>> members;
  for (auto& item : object) {
    members.emplace_back(*to_int64(std::string_view(item.key().data(), item.key().size())),
                         std::move(item.value()));
  }
  std::ranges::sort(members, {}, &std::pair<int64_t, json::Value>::first);
  json::Array list;
  for (auto& [index, member] : members) list.push_back(std::move(member));
  return list;
}

}  // namespace

Result<json::Value> parse_query(std::string_view query) {
  json::Value root = json::Object{};
  if (query.empty()) return root;
  size_t count = 0;
  for (std::string_view pair : split(query, '&')) {
    if (pair.empty()) continue;
    if (++count > kMaxParameters)
      return invalid("INVALID_QUERY", "The query string has too many parameters.");
    // In "a[b]=c" the "=" after the closing bracket separates, so that keys may hold "=".
    size_t equals = pair.find("]=");
    equals = equals == std::string_view::npos ? pair.find('=') : equals + 1;
    TRY(auto parts, segments_of(pair.substr(0, equals)));
    json::Value* at = &root;
    for (size_t i = 0; i < parts.size(); ++i)
      at = descend(*at, i == 0 && parts[i].empty() ? "0" : parts[i]);
    json::Value value = nullptr;
    if (equals != std::string_view::npos) value = percent_decode(pair.substr(equals + 1), true);
    if (at->is_null()) {
      *at = std::move(value);
    } else {
      *descend(*at, "") = std::move(value);  // a repeated key makes a list
    }
  }
  for (auto& item : root.get_object()) item.value() = finish(std::move(item.value()));
  for (const auto& item : root.get_object()) {
    if (!is_valid_utf8(std::string_view(item.key().data(), item.key().size()))) {
      return invalid("INVALID_QUERY", "The query string is not valid UTF-8.");
    }
  }
  return root;
}

}  // namespace halcyon::net
