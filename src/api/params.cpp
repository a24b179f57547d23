#include "api/params.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace halcyon::api {
namespace {

std::unexpected<Error> bad(std::string_view name, std::string_view expected) {
  return std::unexpected(Error(Code::kInvalidArgument, "INVALID_PARAMETER",
                               fmt::format("Parameter \"{}\" must be {}.", name, expected))
                             .with_field(std::string(name))
                             .with_expected(std::string(expected)));
}

// A list of names: array, index-keyed object, or text with commas (reference A.3).
Result<std::vector<std::string>> names(std::string_view name, const json::Value& value) {
  std::vector<std::string> list;
  auto add = [&list](std::string_view text) {
    for (std::string_view part : split(text, ',')) {
      if (auto item = trim(part); !item.empty()) list.emplace_back(item);
    }
  };
  auto add_all = [&](const auto& items, auto&& get) -> Status {
    for (const auto& item : items) {
      const json::Value& v = get(item);
      if (!v.is_string()) return bad(name, "a list of names");
      add(json::as_view(v));
    }
    return {};
  };
  if (value.is_null()) return list;
  if (value.is_string()) {
    // The bracketed options of appends, "parent(recursively=true)", hold no commas, so this is
    // safe.
    add(json::as_view(value));
    return list;
  }
  if (value.is_array()) {
    TRY_STATUS(
        add_all(value.get_array(), [](const json::Value& v) -> const json::Value& { return v; }));
    return list;
  }
  if (value.is_object()) {
    TRY_STATUS(add_all(value.get_object(),
                       [](const auto& kv) -> const json::Value& { return kv.value(); }));
    return list;
  }
  return bad(name, "a list of names");
}

Result<int64_t> positive(std::string_view name, const json::Value& value) {
  std::optional<int64_t> number;
  if (value.is_int64()) number = value.get_int64();
  if (value.is_string()) number = to_int64(json::as_view(value));
  if (!number || *number < 1 || *number > 1'000'000'000)
    return bad(name, "a whole number from 1 on");
  return *number;
}

Result<bool> boolean(std::string_view name, const json::Value& value) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_null()) return true;  // ?tree
  if (value.is_string()) {
    const auto text = json::as_view(value);
    if (text == "true" || text == "1" || text == "") return true;
    if (text == "false" || text == "0") return false;
  }
  if (value.is_int64() && (value.get_int64() == 0 || value.get_int64() == 1))
    return value.get_int64() == 1;
  return bad(name, "true or false");
}

Result<json::Value> filter(const json::Value& value) {
  if (value.is_object() || value.is_null()) return value;
  if (!value.is_string()) return bad("filter", "a JSON object");
  if (trim(json::as_view(value)).empty()) return json::Value(nullptr);
  auto parsed = json::parse(json::as_view(value));
  if (!parsed || !(parsed->is_object() || parsed->is_null())) return bad("filter", "a JSON object");
  return *std::move(parsed);
}

// Scalar, JSON text, list, or index-keyed object that stands for a list (reference A.3).
Result<json::Value> key(const json::Value& value) {
  if (value.is_string()) {
    const auto text = json::as_view(value);
    if (text.starts_with('{') || text.starts_with('[')) {
      auto parsed = json::parse(text);
      if (!parsed) return bad("filterByTk", "a key, a list of keys or a JSON object");
      return *std::move(parsed);
    }
  }
  if (value.is_object() && !value.get_object().empty()) {
    const auto& object = value.get_object();
    const bool indexed = std::ranges::all_of(object, [](const auto& kv) {
      return to_int64(std::string_view(kv.key().data(), kv.key().size())).has_value();
    });
    if (indexed) {
      json::Array list;
      for (const auto& kv : object) list.push_back(kv.value());
      return json::Value(std::move(list));
    }
  }
  return value;
}

Status apply(data::Params& params, std::string_view name, json::Value& value) {
  if (name == "filter") {
    TRY(params.filter, filter(value));
  } else if (name == "filterByTk") {
    TRY(params.filter_by_tk, key(value));
  } else if (name == "fields") {
    TRY(params.fields, names(name, value));
  } else if (name == "appends") {
    TRY(params.appends, names(name, value));
  } else if (name == "except") {
    TRY(params.except, names(name, value));
  } else if (name == "sort") {
    TRY(params.sort, names(name, value));
  } else if (name == "whitelist") {
    TRY(params.whitelist, names(name, value));
  } else if (name == "blacklist") {
    TRY(params.blacklist, names(name, value));
  } else if (name == "updateAssociationValues") {
    TRY(params.update_association_values, names(name, value));
  } else if (name == "filterKeys") {
    TRY(params.filter_keys, names(name, value));
  } else if (name == "page") {
    TRY(params.page, positive(name, value));
  } else if (name == "pageSize") {
    TRY(params.page_size, positive(name, value));
  } else if (name == "paginate") {
    TRY(params.paginate, boolean(name, value));
  } else if (name == "tree") {
    TRY(params.tree, boolean(name, value));
  } else if (name == "forceUpdate") {
    TRY(params.force_update, boolean(name, value));
  } else if (name == "truncate") {
    TRY(params.truncate, boolean(name, value));
  } else if (name == "isTemplate") {
    TRY(params.is_template, boolean(name, value));
  } else if (name == "values") {
    params.values = std::move(value);
  } else {
    params.extra.insert_or_assign(name, std::move(value));
  }
  return {};
}

}  // namespace

Result<data::Params> parse_params(json::Object query, const std::optional<std::string>& path_tk) {
  data::Params params;
  for (auto& item : query) {
    TRY_STATUS(apply(params, std::string_view(item.key().data(), item.key().size()), item.value()));
  }
  if (path_tk) {
    TRY(params.filter_by_tk, key(json::Value(*path_tk)));
  }
  return params;
}

}  // namespace halcyon::api
