#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "expr/lexer_internal.h"
#include "expr/resolver.h"

namespace halcyon::expr {
namespace {

// Longer ones first.
constexpr std::array<std::string_view, 30> kSymbols = {
    "===", "!==", "**", "==", "!=", "<=", ">=", "<<", ">>", "&&", "||", "??", "+", "-", "*",
    "/",   "%",   "^",  "(",  ")",  "[",  "]",  ",",  "?",  ":",  "<",  ">",  "!", "&", "|"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

void append_code_point(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

}  // namespace

std::unexpected<Error> syntax_error(size_t position, std::string_view message) {
  return invalid("INVALID_EXPRESSION",
                 fmt::format("The expression is wrong at position {}: {}.", position + 1, message));
}

Token Lexer::make(TokenKind kind, size_t end) {
  Token token;
  token.kind = kind;
  token.position = static_cast<uint32_t>(at_);
  token.text = text_.substr(at_, end - at_);
  at_ = end;
  return token;
}

Result<Token> Lexer::next() {
  at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
  if (at_ == text_.size()) return make(TokenKind::kEnd, at_);
  const char c = text_[at_];
  if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1])))
    return number();
  if (c == '"' || c == '\'') return quoted();
  if (is_name_start(c)) {
    size_t end = at_;
    while (end < text_.size() && (is_name_start(text_[end]) || is_digit(text_[end]))) ++end;
    return make(TokenKind::kName, end);
  }
  if (text_.substr(at_).starts_with("{{")) {
    const auto found = find_placeholder(text_, at_);
    if (!found || found->begin != at_) return syntax_error(at_, "this is not {{a variable}}");
    Token token = make(TokenKind::kVariable, found->end);
    token.text = found->path;
    return token;
  }
  return symbol();
}

Result<Token> Lexer::number() {
  size_t end = at_;
  auto digits = [&] {
    while (end < text_.size() && is_digit(text_[end])) ++end;
  };
  digits();
  bool whole = true;
  if (end < text_.size() && text_[end] == '.') {
    whole = false;
    ++end;
    digits();
  }
  if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
    size_t exponent = end + 1;
    if (exponent < text_.size() && (text_[exponent] == '+' || text_[exponent] == '-')) ++exponent;
    if (exponent < text_.size() && is_digit(text_[exponent])) {
      whole = false;
      end = exponent;
      digits();
    }
  }
  const std::string_view text = text_.substr(at_, end - at_);
  const auto integer = whole ? to_int64(text) : std::nullopt;
  const auto real = to_double(text);
  if (!integer && !real) return syntax_error(at_, "this number is out of range");
  Token token = make(TokenKind::kNumber, end);
  token.value = integer ? json::Value(*integer) : json::Value(*real);
  return token;
}

Result<Token> Lexer::quoted() {
  constexpr std::string_view kEscapes = "ntrbf", kMeanings = "\n\t\r\b\f";
  const char quote = text_[at_];
  std::string value;
  for (size_t i = at_ + 1; i < text_.size(); ++i) {
    char c = text_[i];
    if (c == quote) {
      if (!is_valid_utf8(value)) return syntax_error(at_, "this text is not UTF-8");
      Token token = make(TokenKind::kText, i + 1);
      token.value = json::Value(value);
      return token;
    }
    if (c != '\\') {
      value += c;
      continue;
    }
    if (++i == text_.size()) break;
    c = text_[i];
    if (c == 'u') {
      const auto code = hex_decode(text_.substr(i + 1, 4));
      if (!code || code->size() != 2) return syntax_error(i, "\\u needs four hexadecimal digits");
      append_code_point(value, static_cast<uint32_t>(static_cast<unsigned char>((*code)[0]) << 8 |
                                                     static_cast<unsigned char>((*code)[1])));
      i += 4;
    } else {
      const size_t known = kEscapes.find(c);
      value += known == std::string_view::npos ? c : kMeanings[known];
    }
  }
  return syntax_error(at_, "this text has no end");
}

Result<Token> Lexer::symbol() {
  const std::string_view rest = text_.substr(at_);
  for (std::string_view symbol : kSymbols) {
    if (rest.starts_with(symbol)) return make(TokenKind::kSymbol, at_ + symbol.size());
  }
  if (rest.starts_with('~')) return make(TokenKind::kSymbol, at_ + 1);
  if (rest.starts_with('=')) return syntax_error(at_, "use == to compare");
  return syntax_error(at_, "this character has no meaning here");
}

}  // namespace halcyon::expr
