// Which JSON is a page. Only what every client must rely on is looked at: a newer client's blocks
// and options pass.
#include <set>

#include "features/pages/pages.h"

namespace halcyon::features::pages {
namespace {

constexpr size_t kMostBytes = 1024 * 1024;
constexpr int kDeepest = 16;  // pages in popups of pages

std::unexpected<Error> wrong(std::string path, std::string expected) {
  return fail(Error(Code::kInvalidArgument, "INVALID_PAGE", "This is no page.")
                  .with_field(std::move(path))
                  .with_expected(std::move(expected)));
}

struct Checker {
  std::set<std::string, std::less<>> uids;

  Status page(const json::Value& value, const std::string& path, int depth) {
    if (depth > kDeepest) return wrong(path, "popups nested at most 16 deep");
    if (!value.is_object()) return wrong(path, "an object with a list \"blocks\"");
    const json::Array* blocks = json::get_array(value.get_object(), "blocks");
    if (blocks == nullptr) return wrong(path + ".blocks", "a list of blocks");
    for (size_t i = 0; i < blocks->size(); ++i) {
      TRY_STATUS(block((*blocks)[i], path + ".blocks." + std::to_string(i), depth));
    }
    return {};
  }

  Status block(const json::Value& value, const std::string& path, int depth) {
    if (!value.is_object()) return wrong(path, "an object with \"uid\" and \"type\"");
    const json::Object& object = value.get_object();
    if (json::get_string(object, "type").empty()) return wrong(path + ".type", "the kind of block");
    const std::string uid = json::get_string(object, "uid");
    if (uid.empty()) return wrong(path + ".uid", "a name that no other block of the page has");
    if (!uids.insert(uid).second) {
      return wrong(path + ".uid", "a name that no other block of the page has");
    }
    const json::Array* actions = json::get_array(object, "actions");
    for (size_t i = 0; actions != nullptr && i < actions->size(); ++i) {
      const std::string at = path + ".actions." + std::to_string(i);
      if (!(*actions)[i].is_object()) return wrong(at, "an object with \"type\"");
      const json::Value* popup = json::find((*actions)[i].get_object(), "popup");
      if (popup != nullptr && !popup->is_null()) TRY_STATUS(page(*popup, at + ".popup", depth + 1));
    }
    return {};
  }
};

}  // namespace

Status check(const json::Value& schema) {
  Checker checker;
  TRY_STATUS(checker.page(schema, "schema", 0));
  if (json::dump(schema).size() > kMostBytes) return wrong("schema", "at most 1 MiB of JSON");
  return {};
}

}  // namespace halcyon::features::pages
