#include "schema/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace halcyon::schema {

namespace {

// Names that JavaScript objects or our own answers give another meaning.
constexpr std::string_view kReservedFields[] = {"__proto__",    "constructor", "prototype",
                                                "__collection", "__typename",  "__tableName"};
constexpr std::string_view kReservedCollections[] = {"__proto__", "constructor", "prototype"};

template <class List>
bool contains(const List& list, std::string_view name) {
  for (std::string_view reserved : list) {
    if (reserved == name) return true;
  }
  return false;
}

}  // namespace

Status check_name(std::string_view what, std::string_view name) {
  bool good = !name.empty() && name[0] != '-';
  for (char c : name) {
    good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-');
  }
  if (!good) {
    return fail(Error(Code::kInvalidArgument, "INVALID_NAME",
                      fmt::format("The {} name \"{}\" must be letters, digits, \"_\" and \"-\".",
                                  what, is_valid_utf8(name) ? name : ""))
                    .with_field("name")
                    .with_expected("letters, digits, _ and -"));
  }
  if (name.size() > kMaxIdentifier) {
    return fail(Error(Code::kInvalidArgument, "NAME_TOO_LONG",
                      fmt::format("The {} name \"{}\" is longer than {} characters.", what, name,
                                  kMaxIdentifier))
                    .with_field("name"));
  }
  const bool reserved = what == "field"
                            ? contains(kReservedFields, name)
                            : contains(kReservedCollections, name) || name.starts_with("halcyon_");
  if (reserved) {
    return fail(Error(Code::kInvalidArgument, "RESERVED_NAME",
                      fmt::format("The {} name \"{}\" is reserved.", what, name))
                    .with_field("name"));
  }
  return {};
}

Status check_identifier(std::string_view what, std::string_view name, std::string_view physical) {
  const bool plain =
      !physical.empty() && is_valid_utf8(physical) && std::ranges::none_of(physical, [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
      });
  if (!plain) {
    return fail(
        Error(Code::kInvalidArgument, "INVALID_NAME",
              fmt::format("The {} \"{}\" cannot have that name in the database.", what, name))
            .with_field("name")
            .with_expected("text without control characters"));
  }
  if (physical.size() <= kMaxIdentifier) return {};
  return fail(Error(Code::kInvalidArgument, "NAME_TOO_LONG",
                    fmt::format("The {} \"{}\" would be \"{}\" in the database, which is longer "
                                "than {} characters.",
                                what, name, physical, kMaxIdentifier))
                  .with_field("name"));
}

std::string physical_name(std::string_view name, std::string_view prefix, bool underscored) {
  return std::string(prefix) + (underscored ? to_snake(name) : std::string(name));
}

}  // namespace halcyon::schema
