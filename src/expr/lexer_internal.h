// Words of an expression. The parser asks for one after the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/json.h"

namespace halcyon::expr {

enum class TokenKind { kEnd, kNumber, kText, kName, kVariable, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t position = 0;
  std::string_view text;  // as written; the path of a variable
  json::Value value;      // of numbers and texts
};

// Error 400 INVALID_EXPRESSION; `position` counts from 0, messages from 1.
std::unexpected<Error> syntax_error(size_t position, std::string_view message);

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Result<Token> next();

 private:
  Result<Token> number();
  Result<Token> quoted();
  Result<Token> symbol();
  Token make(TokenKind kind, size_t end);

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace halcyon::expr
