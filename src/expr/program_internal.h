// The parsed form of an expression: a tree in one vector. Shared by parser and evaluator.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "expr/expression.h"
#include "expr/functions_internal.h"

namespace halcyon::expr {

enum class Op : uint8_t {
  kLiteral,
  kVariable,
  kArray,
  kCall,
  kConditional,
  kIfError,
  // Operators of one operand.
  kNegate,
  kPlus,
  kNot,
  kBitNot,
  kFactorial,
  // Operators of two operands.
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kStrictEqual,
  kStrictNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kAnd,
  kOr,
  kXor,
  kCoalesce,
  kBitAnd,
  kBitOr,
  kBitXor,
  kShiftLeft,
  kShiftRight,
};

struct Node {
  Op op = Op::kLiteral;
  uint32_t position = 0;  // in the text, from 0
  uint32_t depth = 1;     // levels from here down
  uint32_t variable = 0;
  json::Value literal;
  const Function* function = nullptr;
  std::vector<uint32_t> children;
};

struct Program {
  Engine engine = Engine::kMath;
  std::string text;  // of the string engine
  std::vector<Node> nodes;
  uint32_t root = 0;
  std::vector<std::string> variables;
};

}  // namespace halcyon::expr
