#include "data/read/filter_parse.h"

#include <algorithm>
#include <span>

#include "base/text.h"

namespace halcyon::data {
namespace {

using Node = FilterNode;
using Maybe = Result<std::optional<Node>>;

bool is_index(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_index_keyed(const json::Object& object) {
  return !object.empty() &&
         std::ranges::all_of(object, [](const auto& entry) { return is_index(entry.key()); });
}

std::optional<Node::Kind> logic_kind(std::string_view name) {
  if (iequals(name, "$and")) return Node::Kind::kAnd;
  if (iequals(name, "$or")) return Node::Kind::kOr;
  if (iequals(name, "$not")) return Node::Kind::kNot;
  return std::nullopt;
}

class Parser {
 public:
  explicit Parser(ParsedFilter& out) : out_(out) {}

  // An object: the AND (or OR) of its entries.
  Maybe object(const json::Object& object, Node::Kind kind = Node::Kind::kAnd) {
    Depth depth(*this);
    if (depth_ > kMaxFilterDepth) return too_complex("nested too deeply");
    if (std::ranges::any_of(object, [](const auto& e) { return is_dotted_logic(e.key()); })) {
      TRY(const json::Object* plain, unflatten(object));
      return this->object(*plain, kind);
    }
    std::vector<Node> members;
    for (const auto& entry : object) {
      TRY(std::optional<Node> member, key(entry.key(), entry.value()));
      if (member) members.push_back(*std::move(member));
    }
    return group(kind, std::move(members));
  }

 private:
  struct Depth {
    explicit Depth(Parser& p) : parser(p) { ++parser.depth_; }
    ~Depth() { --parser.depth_; }
    Parser& parser;
  };

  static bool is_dotted_logic(std::string_view key) {
    const size_t dot = key.find('.');
    return dot != std::string_view::npos && logic_kind(key.substr(0, dot)).has_value();
  }

  // {"$or.0.a": 1, "$or.1.b": 2} -> {"$or": {"0": {"a": 1}, "1": {"b": 2}}}
  Result<const json::Object*> unflatten(const json::Object& object) {
    json::Object result;
    for (const auto& entry : object) {
      std::string_view rest = entry.key();
      if (!is_dotted_logic(rest)) {
        result[rest] = entry.value();
        continue;
      }
      json::Object* at = &result;
      while (true) {
        const size_t dot = rest.find('.');
        const std::string_view head = rest.substr(0, dot);
        const bool step =
            dot != std::string_view::npos && (head.starts_with('$') || is_index(head));
        if (!step) break;
        json::Value& next = (*at)[head];
        if (next.is_null()) next = json::Object{};
        if (!next.is_object()) return bad("\"" + std::string(head) + "\" is given twice");
        at = &next.get_object();
        rest = rest.substr(dot + 1);
      }
      (*at)[rest] = entry.value();
    }
    return &out_.owned.emplace_back(std::move(result)).get_object();
  }

  // One entry of an object; the key may be dotted.
  Maybe key(std::string_view name, const json::Value& value) {
    if (name.find('.') == std::string_view::npos) return segments({&name, 1}, value);
    const std::vector<std::string_view> parts = split(name, '.');
    return segments(parts, value);
  }

  Maybe segments(std::span<const std::string_view> parts, const json::Value& value) {
    if (parts.empty()) return this->value(value);
    const std::string_view part = parts.front();
    if (part.empty()) return bad(at("") + " is not a field path");
    if (part.starts_with('$')) {
      if (parts.size() > 1) return bad("\"" + std::string(part) + "\" must end a field path");
      return operation(part, value);
    }
    if (path_.size() >= kMaxFilterDepth) return too_complex("a field path is too long");
    if (part.find('\0') != std::string_view::npos || !is_valid_utf8(part))
      return bad("A field path is not valid text");
    path_.emplace_back(part);
    Maybe result = segments(parts.subspan(1), value);
    path_.pop_back();
    return result;
  }

  Maybe operation(std::string_view name, const json::Value& value) {
    if (std::optional<Node::Kind> kind = logic_kind(name)) {
      const bool field_not = *kind == Node::Kind::kNot && !path_.empty() && !value.is_object();
      if (!field_not) return logic(*kind, value);
    }
    std::optional<Op> op = find_operator(name);
    if (!op) {
      return fail(Error(Code::kInvalidArgument, "UNKNOWN_OPERATOR",
                        "There is no filter operator \"" + std::string(name) + "\"")
                      .with_field(at(name)));
    }
    if (path_.empty()) return bad("\"" + std::string(name) + "\" needs a field before it");
    return condition(*op, value);
  }

  Maybe logic(Node::Kind kind, const json::Value& value) {
    Depth depth(*this);
    if (depth_ > kMaxFilterDepth) return too_complex("nested too deeply");
    const Node::Kind inner = kind == Node::Kind::kOr ? Node::Kind::kOr : Node::Kind::kAnd;
    std::optional<Node> body;
    if (value.is_object() && !is_index_keyed(value.get_object())) {
      TRY(body, object(value.get_object(), inner));
    } else {
      std::vector<Node> members;
      auto add = [&](const json::Value& item) -> Status {
        if (path_.empty() && !item.is_object())
          return invalid("INVALID_FILTER", "The members of \"$and\" and \"$or\" must be objects");
        if (item.is_object() && item.get_object().empty()) return {};
        TRY(std::optional<Node> member, this->value(item));
        if (member) members.push_back(*std::move(member));
        return {};
      };
      if (value.is_array()) {
        for (const json::Value& item : value.get_array()) TRY_STATUS(add(item));
      } else if (value.is_object()) {
        for (const auto& entry : value.get_object()) TRY_STATUS(add(entry.value()));
      } else {
        return bad("\"$and\", \"$or\" and \"$not\" need a list or an object");
      }
      body = group(inner, std::move(members));
    }
    if (kind != Node::Kind::kNot || !body) return body;
    Node negated;
    negated.kind = Node::Kind::kNot;
    negated.children.push_back(*std::move(body));
    return negated;
  }

  // What stands after a path: operators, deeper names, or a shorthand.
  Maybe value(const json::Value& value) {
    if (value.is_object()) {
      if (value.get_object().empty() && !path_.empty())
        return fail(Error(Code::kInvalidArgument, "INVALID_VALUE",
                          "The condition on \"" + dotted(path_) + "\" is empty")
                        .with_field(dotted(path_))
                        .with_expected("a value or an object of operators"));
      return object(value.get_object());
    }
    if (value.is_array()) {
      const json::Array& list = value.get_array();
      const bool objects = !list.empty() && std::ranges::all_of(list, [](const json::Value& item) {
        return item.is_object();
      });
      if (objects) return logic(Node::Kind::kAnd, value);
    }
    return condition(Op::kEq, value);
  }

  // Text that no database can hold; types refuse it too, patterns and JSON paths rely on this.
  static bool is_clean(const json::Value& value) {
    if (value.is_string()) {
      const std::string_view text = json::as_view(value);
      return text.find('\0') == std::string_view::npos && is_valid_utf8(text);
    }
    if (value.is_array()) return std::ranges::all_of(value.get_array(), is_clean);
    return true;
  }

  Maybe condition(Op op, const json::Value& value) {
    if (!is_clean(value)) return bad("The value of \"" + dotted(path_) + "\" is not valid text");
    if (++conditions_ > kMaxFilterConditions) return too_complex("too many conditions");
    Node node;
    node.path = path_;
    node.op = op;
    node.operand = &value;
    if (value.is_object() && is_index_keyed(value.get_object())) {
      json::Array list;
      for (const auto& entry : value.get_object()) list.push_back(entry.value());
      node.operand = &out_.owned.emplace_back(std::move(list));
    }
    if (node.operand->is_array() && node.operand->get_array().size() > kMaxOperands)
      return too_complex("a list of values is too long");
    return node;
  }

  static std::optional<Node> group(Node::Kind kind, std::vector<Node> members) {
    if (members.empty()) return std::nullopt;
    if (members.size() == 1) return std::move(members.front());
    Node node;
    node.kind = kind;
    node.children = std::move(members);
    return node;
  }

  std::string at(std::string_view name) const {
    std::string text = dotted(path_);
    if (!text.empty() && !name.empty()) text += '.';
    return text += name;
  }
  std::unexpected<Error> bad(std::string message) const {
    return fail(Error(Code::kInvalidArgument, "INVALID_FILTER", std::move(message))
                    .with_field(dotted(path_)));
  }
  static std::unexpected<Error> too_complex(std::string_view why) {
    return invalid("FILTER_TOO_COMPLEX", "The filter is too complex: " + std::string(why));
  }

  ParsedFilter& out_;
  std::vector<std::string> path_;
  size_t depth_ = 0, conditions_ = 0;
};

}  // namespace

std::string dotted(const std::vector<std::string>& path) { return join(path, "."); }

Result<ParsedFilter> parse_filter(const json::Value& filter) {
  ParsedFilter parsed;
  if (filter.is_null()) return parsed;
  if (!filter.is_object()) {
    return fail(Error(Code::kInvalidArgument, "INVALID_FILTER", "The filter must be an object")
                    .with_field("filter")
                    .with_expected("an object of conditions"));
  }
  Parser parser(parsed);
  TRY(parsed.root, parser.object(filter.get_object()));
  return parsed;
}

}  // namespace halcyon::data
