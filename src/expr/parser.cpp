// A Pratt parser: each operator has a power in each engine, higher binds tighter.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "expr/lexer_internal.h"
#include "expr/program_internal.h"
#include "expr/template.h"

namespace halcyon::expr {
namespace {

constexpr size_t kMaxText = 20'000;
constexpr size_t kMaxNodes = 5000;
constexpr uint32_t kMaxDepth = 500;  // of the tree; recursion goes as deep
constexpr int kMaxNesting = 100;     // of brackets and prefixes in the text

struct BinaryOperator {
  std::string_view text;
  Op op;
  int math, formula;  // power in each engine; 0: the engine has no such operator
  bool right = false;
};
constexpr int kConditionalPower = 1, kUnaryPower = 14, kPostfixPower = 16;
constexpr std::array<BinaryOperator, 27> kBinary = {{
    {"??", Op::kCoalesce, 2, 2},
    {"||", Op::kOr, 3, 3},
    {"or", Op::kOr, 3, 0},
    {"xor", Op::kXor, 4, 0},
    {"&&", Op::kAnd, 5, 5},
    {"and", Op::kAnd, 5, 0},
    {"|", Op::kBitOr, 6, 6},
    {"^", Op::kPower, 15, 0, true},
    {"^", Op::kBitXor, 0, 7},
    {"&", Op::kBitAnd, 8, 8},
    {"==", Op::kEqual, 10, 9},
    {"!=", Op::kNotEqual, 10, 9},
    {"===", Op::kStrictEqual, 10, 9},
    {"!==", Op::kStrictNotEqual, 10, 9},
    {"<", Op::kLess, 10, 10},
    {"<=", Op::kLessEqual, 10, 10},
    {">", Op::kGreater, 10, 10},
    {">=", Op::kGreaterEqual, 10, 10},
    {"<<", Op::kShiftLeft, 11, 11},
    {">>", Op::kShiftRight, 11, 11},
    {"+", Op::kAdd, 12, 12},
    {"-", Op::kSubtract, 12, 12},
    {"*", Op::kMultiply, 13, 13},
    {"/", Op::kDivide, 13, 13},
    {"%", Op::kModulo, 13, 13},
    {"mod", Op::kModulo, 13, 0},
    {"**", Op::kPower, 15, 15, true},
}};

bool is_comparison(Op op) { return op >= Op::kEqual && op <= Op::kGreaterEqual; }

struct Constant {
  std::string_view name;
  json::Value (*value)();
};
constexpr std::array<Constant, 7> kConstants = {{
    {"true", [] { return json::Value(true); }},
    {"false", [] { return json::Value(false); }},
    {"null", [] { return json::Value(nullptr); }},
    {"undefined", [] { return json::Value(nullptr); }},
    {"pi", [] { return json::Value(3.141592653589793); }},
    {"e", [] { return json::Value(2.718281828459045); }},
    {"tau", [] { return json::Value(6.283185307179586); }},
}};

class Parser {
 public:
  Parser(std::string_view text, Program& program) : lexer_(text), program_(program) {}

  Status parse() {
    TRY_STATUS(advance());
    TRY(program_.root, expression(0));
    if (token_.kind != TokenKind::kEnd) return unexpected_token();
    return {};
  }

 private:
  Status advance() {
    TRY(token_, lexer_.next());
    return {};
  }
  bool at_symbol(std::string_view text) const {
    return token_.kind == TokenKind::kSymbol && token_.text == text;
  }
  std::unexpected<Error> unexpected_token() const {
    if (token_.kind == TokenKind::kEnd)
      return syntax_error(token_.position, "something is missing at the end");
    return syntax_error(token_.position, fmt::format("\"{}\" is not expected here", token_.text));
  }
  Status expect(std::string_view text) {
    if (at_symbol(text)) return advance();
    if (token_.kind == TokenKind::kEnd)
      return syntax_error(token_.position, fmt::format("\"{}\" is missing", text));
    return unexpected_token();
  }

  Result<uint32_t> add(Op op, uint32_t position, std::vector<uint32_t> children = {}) {
    Node node;
    node.op = op;
    node.position = position;
    for (uint32_t child : children)
      node.depth = std::max(node.depth, program_.nodes[child].depth + 1);
    node.children = std::move(children);
    if (node.depth > kMaxDepth || program_.nodes.size() >= kMaxNodes)
      return syntax_error(position, "the expression is too large");
    program_.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(program_.nodes.size() - 1);
  }
  Result<uint32_t> add_literal(json::Value value, uint32_t position) {
    TRY(const uint32_t node, add(Op::kLiteral, position));
    program_.nodes[node].literal = std::move(value);
    return node;
  }

  // Power of the operator at the current token; 0: there is none.
  int power(const BinaryOperator& op) const {
    return program_.engine == Engine::kMath ? op.math : op.formula;
  }
  const BinaryOperator* binary_operator() const {
    if (token_.kind != TokenKind::kSymbol && token_.kind != TokenKind::kName) return nullptr;
    for (const BinaryOperator& op : kBinary) {
      if (op.text == token_.text && power(op) > 0) return &op;
    }
    return nullptr;
  }

  Result<uint32_t> expression(int min_power) {
    if (nesting_ >= kMaxNesting)
      return syntax_error(token_.position, "the expression is nested too deeply");
    ++nesting_;
    auto result = operators(min_power);
    --nesting_;
    return result;
  }

  Result<uint32_t> operators(int min_power) {
    TRY(uint32_t left, prefix());
    int compared = 0;  // power of the comparison just read
    while (true) {
      const uint32_t position = token_.position;
      if (program_.engine == Engine::kMath && at_symbol("!") && kPostfixPower >= min_power) {
        TRY_STATUS(advance());
        TRY(left, add(Op::kFactorial, position, {left}));
        continue;
      }
      if (at_symbol("?") && kConditionalPower >= min_power) {
        TRY(left, conditional(left));
        continue;
      }
      const BinaryOperator* op = binary_operator();
      if (op == nullptr || power(*op) < min_power) return left;
      const int own = power(*op);
      if (is_comparison(op->op) && compared == own)
        return syntax_error(position, "join comparisons with && or and");
      compared = is_comparison(op->op) ? own : 0;
      TRY_STATUS(advance());
      TRY(const uint32_t right, expression(op->right ? own : own + 1));
      TRY(left, add(op->op, position, {left, right}));
    }
  }

  Result<uint32_t> conditional(uint32_t condition) {
    const uint32_t position = token_.position;
    TRY_STATUS(advance());
    TRY(const uint32_t yes, expression(kConditionalPower));
    TRY_STATUS(expect(":"));
    TRY(const uint32_t no, expression(kConditionalPower));
    return add(Op::kConditional, position, {condition, yes, no});
  }

  Result<uint32_t> prefix() {
    const Token token = token_;
    switch (token.kind) {
      case TokenKind::kNumber:
      case TokenKind::kText:
        TRY_STATUS(advance());
        return add_literal(token.value, token.position);
      case TokenKind::kVariable:
        TRY_STATUS(advance());
        return variable(token);
      case TokenKind::kName:
        return name(token);
      case TokenKind::kSymbol:
        return symbol(token);
      case TokenKind::kEnd:
        break;
    }
    return unexpected_token();
  }

  Result<uint32_t> unary(Op op, uint32_t position) {
    TRY_STATUS(advance());
    TRY(const uint32_t operand, expression(kUnaryPower));
    return add(op, position, {operand});
  }

  Result<uint32_t> symbol(const Token& token) {
    if (token.text == "-") return unary(Op::kNegate, token.position);
    if (token.text == "+") return unary(Op::kPlus, token.position);
    if (token.text == "!") return unary(Op::kNot, token.position);
    if (token.text == "~") return unary(Op::kBitNot, token.position);
    if (token.text == "(") {
      TRY_STATUS(advance());
      TRY(const uint32_t inner, expression(0));
      TRY_STATUS(expect(")"));
      return inner;
    }
    if (token.text == "[") {
      TRY_STATUS(advance());
      TRY(std::vector<uint32_t> items, list("]"));
      return add(Op::kArray, token.position, std::move(items));
    }
    return unexpected_token();
  }

  // Expressions separated by commas, with the closing bracket.
  Result<std::vector<uint32_t>> list(std::string_view close) {
    std::vector<uint32_t> items;
    if (!at_symbol(close)) {
      while (true) {
        TRY(const uint32_t item, expression(0));
        items.push_back(item);
        if (!at_symbol(",")) break;
        TRY_STATUS(advance());
      }
    }
    TRY_STATUS(expect(close));
    return items;
  }

  Result<uint32_t> variable(const Token& token) {
    auto& names = program_.variables;
    auto known = std::ranges::find(names, token.text);
    if (known == names.end()) known = names.emplace(names.end(), token.text);
    const auto index = static_cast<uint32_t>(known - names.begin());
    TRY(const uint32_t node, add(Op::kVariable, token.position));
    program_.nodes[node].variable = index;
    return node;
  }

  Result<uint32_t> name(const Token& token) {
    if (token.text == "not" && program_.engine == Engine::kMath)
      return unary(Op::kNot, token.position);
    TRY_STATUS(advance());
    if (at_symbol("(")) return call(token);
    for (const Constant& constant : kConstants) {
      const bool same = constant.name == "e" ? token.text == "e" || token.text == "E"
                                             : iequals(constant.name, token.text);
      if (same) return add_literal(constant.value(), token.position);
    }
    return syntax_error(
        token.position,
        fmt::format("\"{}\" is unknown; variables are written {{{{{}}}}}", token.text, token.text));
  }

  Result<uint32_t> call(const Token& name) {
    TRY_STATUS(advance());
    TRY(std::vector<uint32_t> args, list(")"));
    const std::string lower = to_lower(name.text);
    const auto wrong_count = [&](std::string_view wanted) {
      return syntax_error(name.position, fmt::format("{} takes {}", name.text, wanted));
    };
    // These work out only the arguments they need.
    if (lower == "if") {
      if (args.size() < 2 || args.size() > 3) return wrong_count("2 or 3 arguments");
      if (args.size() == 2) {
        TRY(const uint32_t no, add_literal(json::Value(false), name.position));
        args.push_back(no);
      }
      return add(Op::kConditional, name.position, std::move(args));
    }
    if (lower == "ifs") {
      if (args.empty() || args.size() % 2 != 0) return wrong_count("pairs of arguments");
      TRY(uint32_t rest, add_literal(json::Value(nullptr), name.position));
      for (size_t i = args.size(); i > 0; i -= 2) {
        TRY(rest, add(Op::kConditional, name.position, {args[i - 2], args[i - 1], rest}));
      }
      return rest;
    }
    if (lower == "iferror") {
      if (args.size() != 2) return wrong_count("2 arguments");
      return add(Op::kIfError, name.position, std::move(args));
    }
    const Function* function = find_function(lower);
    if (function == nullptr)
      return syntax_error(name.position, fmt::format("there is no function \"{}\"", name.text));
    const auto count = static_cast<int>(args.size());
    if (count < function->min_args ||
        (function->max_args != kAnyNumber && count > function->max_args))
      return wrong_count(
          function->min_args == function->max_args ? fmt::format("{} arguments", function->min_args)
          : function->max_args == kAnyNumber
              ? fmt::format("{} or more arguments", function->min_args)
              : fmt::format("{} to {} arguments", function->min_args, function->max_args));
    TRY(const uint32_t node, add(Op::kCall, name.position, std::move(args)));
    program_.nodes[node].function = function;
    return node;
  }

  Lexer lexer_;
  Program& program_;
  Token token_;
  int nesting_ = 0;
};

}  // namespace

std::optional<Engine> engine_of(std::string_view name) {
  if (name == "math.js") return Engine::kMath;
  if (name == "formula.js") return Engine::kFormula;
  if (name == "string") return Engine::kString;
  return std::nullopt;
}

Result<Expression> parse(std::string_view text, Engine engine) {
  if (text.size() > kMaxText)
    return syntax_error(kMaxText, fmt::format("it is longer than {} bytes", kMaxText));
  auto program = std::make_shared<Program>();
  program->engine = engine;
  if (engine == Engine::kString) {
    program->text = text;
    program->variables = template_variables(json::Value(text));
  } else {
    TRY_STATUS(Parser(text, *program).parse());
  }
  return Expression(std::move(program));
}

const std::vector<std::string>& Expression::variables() const { return program_->variables; }

}  // namespace halcyon::expr
