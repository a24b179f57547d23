#include <cmath>

#include "base/time.h"
#include "expr/program_internal.h"
#include "expr/template.h"

namespace halcyon::expr {
namespace {

constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

// What leaves the engine: 9 decimals, whole numbers as integers, no NaN or infinity.
json::Value presentable(const json::Value& value) {
  if (value.is_array()) {
    json::Array list;
    for (const json::Value& item : value.get_array()) list.push_back(presentable(item));
    return list;
  }
  if (!value.is_double()) return value;
  double number = value.get_double();
  if (!std::isfinite(number)) return nullptr;
  // Above this a double has no nine decimals, and scaling would only harm it.
  if (std::fabs(number) < 9e6) number = std::round(number * 1e9) / 1e9;
  if (number == std::trunc(number) && std::fabs(number) < kExactIntegers)
    return static_cast<int64_t>(number);
  return number;
}

// JavaScript's ToInt32.
Result<int32_t> to_int32(const json::Value& value) {
  TRY(const double number, number_of(value));
  if (!std::isfinite(number)) return 0;
  const double wrapped = std::fmod(std::trunc(number), 4294967296.0);
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(wrapped)));
}

class Evaluator {
 public:
  Evaluator(const Program& program, const Resolver& resolve, const EvaluateOptions& options)
      : program_(program), resolve_(resolve), variables_(program.variables.size()) {
    env_.engine = program.engine;
    env_.options = options;
    env_.now = options.now != 0 ? options.now : now_ms();
  }

  Result<json::Value> node(uint32_t index) {
    TRY_STATUS(env_.charge(1));
    const Node& n = program_.nodes[index];
    switch (n.op) {
      case Op::kLiteral:
        return n.literal;
      case Op::kVariable:
        return variable(n.variable);
      case Op::kArray: {
        TRY(std::vector<json::Value> items, all(n.children));
        return json::Value(json::Array(items.begin(), items.end()));
      }
      case Op::kCall:
        return call(n);
      case Op::kConditional: {
        TRY(const json::Value condition, node(n.children[0]));
        return node(n.children[is_true(condition) ? 1 : 2]);
      }
      case Op::kIfError:
        return if_error(n);
      case Op::kAnd:
      case Op::kOr:
      case Op::kCoalesce:
        return lazy(n);
      case Op::kNegate:
      case Op::kPlus:
      case Op::kNot:
      case Op::kBitNot:
      case Op::kFactorial:
        return unary(n);
      default:
        return binary(n);
    }
  }

 private:
  bool math() const { return env_.engine == Engine::kMath; }

  Result<json::Value> variable(uint32_t index) {
    std::optional<json::Value>& slot = variables_[index];
    if (!slot) {
      TRY(json::Value value, resolve_(program_.variables[index]));
      slot = std::move(value);
    }
    if (slot->is_array()) TRY_STATUS(env_.charge(slot->get_array().size()));
    return *slot;
  }

  Result<std::vector<json::Value>> all(const std::vector<uint32_t>& children) {
    std::vector<json::Value> values;
    values.reserve(children.size());
    for (uint32_t child : children) {
      TRY(json::Value value, node(child));
      values.push_back(std::move(value));
    }
    return values;
  }

  Result<json::Value> call(const Node& n) {
    TRY(const std::vector<json::Value> args, all(n.children));
    if (n.function->numeric && math()) {
      for (const json::Value& arg : args) {
        if (arg.is_null()) return nullptr;
      }
    }
    return n.function->apply(env_, args);
  }

  Result<json::Value> if_error(const Node& n) {
    auto value = node(n.children[0]);
    // Limits are no errors of the formula: they end it.
    if (!value && value.error().id != "EXPRESSION_FAILED") return value;
    if (value && !(value->is_double() && !std::isfinite(value->get_double()))) return value;
    return node(n.children[1]);
  }

  Result<json::Value> lazy(const Node& n) {
    TRY(json::Value left, node(n.children[0]));
    if (n.op == Op::kCoalesce) return left.is_null() ? node(n.children[1]) : left;
    const bool decided = is_true(left) == (n.op == Op::kOr);
    if (!math()) return decided ? left : node(n.children[1]);
    if (decided) return json::Value(n.op == Op::kOr);
    TRY(const json::Value right, node(n.children[1]));
    return json::Value(is_true(right));
  }

  Result<json::Value> unary(const Node& n) {
    TRY(const json::Value operand, node(n.children[0]));
    if (n.op == Op::kNot) return json::Value(!is_true(operand));
    if (operand.is_null() && math()) return nullptr;
    switch (n.op) {
      case Op::kNegate: {
        TRY(const json::Value number, exact_number_of(operand));
        return subtract(json::Value(0), number);
      }
      case Op::kPlus:
        return exact_number_of(operand);
      case Op::kBitNot: {
        TRY(const int32_t bits, to_int32(operand));
        return json::Value(~bits);
      }
      default: {
        const Function* factorial = find_function("factorial");
        return factorial->apply(env_, Args(&operand, 1));
      }
    }
  }

  Result<json::Value> binary(const Node& n) {
    TRY(const json::Value left, node(n.children[0]));
    TRY(const json::Value right, node(n.children[1]));
    if (n.op >= Op::kEqual && n.op <= Op::kGreaterEqual)
      return json::Value(compare(n.op, left, right));
    if (n.op == Op::kXor) return json::Value(is_true(left) != is_true(right));
    if (n.op == Op::kAdd && !math() && (!is_scalar(left) || !is_scalar(right)))
      return join(left, right);
    if (math() && (left.is_null() || right.is_null())) return nullptr;
    if (n.op >= Op::kBitAnd) return bits(n.op, left, right);
    if (n.op == Op::kSubtract) {
      if (auto difference = between_dates(left, right)) return *difference;
    }
    TRY(const json::Value a, exact_number_of(left));
    TRY(const json::Value b, exact_number_of(right));
    return arithmetic(n.op, a, b);
  }

  // Not a text, list or object: + adds such values and joins others.
  static bool is_scalar(const json::Value& value) {
    return is_number(value) || value.is_bool() || value.is_null();
  }

  Result<json::Value> join(const json::Value& left, const json::Value& right) {
    return text_result(env_, display_text(presentable(left)) + display_text(presentable(right)));
  }

  // Two dates, at least one of which is no number: milliseconds between them.
  std::optional<json::Value> between_dates(const json::Value& left,
                                           const json::Value& right) const {
    if (!left.is_string() || !right.is_string() || as_number(left) || as_number(right))
      return std::nullopt;
    const auto a = as_date(env_, left), b = as_date(env_, right);
    if (!a || !b) return std::nullopt;
    return json::Value(a->civil - b->civil);
  }

  bool compare(Op op, const json::Value& a, const json::Value& b) const {
    switch (op) {
      case Op::kEqual:
        return loosely_equal(env_.engine, a, b);
      case Op::kNotEqual:
        return !loosely_equal(env_.engine, a, b);
      case Op::kStrictEqual:
      case Op::kStrictNotEqual: {
        const bool same_kind = (is_number(a) && is_number(b)) || a.kind() == b.kind();
        return (same_kind && loosely_equal(Engine::kFormula, a, b)) == (op == Op::kStrictEqual);
      }
      default:
        break;
    }
    const auto order = order_of(env_.engine, a, b);
    if (!order) return false;
    return op == Op::kLess        ? *order < 0
           : op == Op::kLessEqual ? *order <= 0
           : op == Op::kGreater   ? *order > 0
                                  : *order >= 0;
  }

  Result<json::Value> arithmetic(Op op, const json::Value& a, const json::Value& b) const {
    switch (op) {
      case Op::kAdd:
        return add(a, b);
      case Op::kSubtract:
        return subtract(a, b);
      case Op::kMultiply:
        return multiply(a, b);
      default:
        break;
    }
    const double x = *as_number(a), y = *as_number(b);
    if (op == Op::kDivide) return json::Value(x / y);
    if (op == Op::kPower) return json::Value(std::pow(x, y));
    // The remainder has the sign of the divisor in math.js, of the dividend in JavaScript.
    if (!math()) return json::Value(std::fmod(x, y));
    return json::Value(y == 0 ? x : x - y * std::floor(x / y));
  }

  Result<json::Value> bits(Op op, const json::Value& left, const json::Value& right) const {
    TRY(const int32_t a, to_int32(left));
    TRY(const int32_t b, to_int32(right));
    const int shift = static_cast<int>(static_cast<uint32_t>(b) & 31);
    switch (op) {
      case Op::kBitAnd:
        return json::Value(a & b);
      case Op::kBitOr:
        return json::Value(a | b);
      case Op::kBitXor:
        return json::Value(a ^ b);
      case Op::kShiftLeft:
        return json::Value(static_cast<int32_t>(static_cast<uint32_t>(a) << shift));
      default:
        return json::Value(a >> shift);
    }
  }

  const Program& program_;
  const Resolver& resolve_;
  std::vector<std::optional<json::Value>> variables_;
  Env env_;
};

}  // namespace

Result<json::Value> Expression::evaluate(const Resolver& resolve,
                                         const EvaluateOptions& options) const {
  if (program_->engine == Engine::kString) {
    TemplateLimits limits;
    limits.max_bytes = options.max_bytes;
    TRY(const std::string text, render_text(program_->text, resolve, limits));
    return json::Value(text);
  }
  TRY(const json::Value value, Evaluator(*program_, resolve, options).node(program_->root));
  return presentable(value);
}

}  // namespace halcyon::expr
