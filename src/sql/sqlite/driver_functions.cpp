// The functions and the collation that sql/sqlite/dialect.h asks for.
#include <unicode/locid.h>
#include <unicode/regex.h>
#include <unicode/unistr.h>
#include <unicode/utypes.h>

#include "sql/errors.h"
#include "sql/sqlite/dialect.h"
#include "sql/sqlite/driver_internal.h"

namespace halcyon::sql::sqlite {

namespace {

enum class CaseChange { kFold, kLower, kUpper };

std::string_view argument(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_value_bytes(value))};
}

void answer(sqlite3_context* ctx, std::string_view text) {
  sqlite3_result_text64(ctx, text.empty() ? "" : text.data(), text.size(), SQLITE_TRANSIENT,
                        SQLITE_UTF8);
}

template <CaseChange kChange>
void change_case(sqlite3_context* ctx, int, sqlite3_value** args) {
  if (sqlite3_value_type(args[0]) == SQLITE_NULL) return sqlite3_result_null(ctx);
  std::string_view text = argument(args[0]);
  bool ascii = true;
  for (char c : text) ascii = ascii && static_cast<unsigned char>(c) < 0x80;
  if (ascii) {
    std::string out(text);
    for (char& c : out) {
      if (kChange == CaseChange::kUpper ? (c >= 'a' && c <= 'z') : (c >= 'A' && c <= 'Z'))
        c ^= 0x20;
    }
    return answer(ctx, out);
  }
  std::string out;
  icu::UnicodeString unicode = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  switch (kChange) {
    case CaseChange::kFold:
      unicode.foldCase();
      break;
    case CaseChange::kLower:
      unicode.toLower(icu::Locale::getRoot());
      break;
    case CaseChange::kUpper:
      unicode.toUpper(icu::Locale::getRoot());
      break;
  }
  unicode.toUTF8String(out);
  answer(ctx, out);
}

// Patterns come from users: the time limit is in ICU's steps (about a millisecond each).
constexpr int32_t kRegexTimeLimit = 500;

struct Pattern {
  std::unique_ptr<icu::RegexMatcher> matcher;
};

// A constant pattern is compiled once a statement: SQLite keeps it as auxiliary data.
Pattern* compiled(sqlite3_context* ctx, sqlite3_value** args, std::unique_ptr<Pattern>& fresh) {
  if (auto* kept = static_cast<Pattern*>(sqlite3_get_auxdata(ctx, 0))) return kept;
  std::string_view text = argument(args[0]);
  uint32_t flags = sqlite3_value_int(args[2]) != 0 ? UREGEX_CASE_INSENSITIVE : 0;
  UErrorCode status = U_ZERO_ERROR;
  fresh = std::make_unique<Pattern>();
  fresh->matcher =
      std::make_unique<icu::RegexMatcher>(icu::UnicodeString::fromUTF8(icu::StringPiece(
                                              text.data(), static_cast<int32_t>(text.size()))),
                                          flags, status);
  if (U_FAILURE(status)) {
    sqlite3_result_error(ctx, "invalid regular expression", -1);
    return nullptr;
  }
  fresh->matcher->setTimeLimit(kRegexTimeLimit, status);
  return fresh.get();
}

void regexp(sqlite3_context* ctx, int, sqlite3_value** args) {
  if (sqlite3_value_type(args[0]) == SQLITE_NULL || sqlite3_value_type(args[1]) == SQLITE_NULL) {
    return sqlite3_result_null(ctx);
  }
  std::unique_ptr<Pattern> fresh;
  Pattern* pattern = compiled(ctx, args, fresh);
  if (pattern == nullptr) return;
  std::string_view text = argument(args[1]);
  icu::UnicodeString subject = icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  pattern->matcher->reset(subject);
  UErrorCode status = U_ZERO_ERROR;
  bool found = pattern->matcher->find(status);
  pattern->matcher->reset(icu::UnicodeString());  // it refers to `subject`
  if (U_FAILURE(status)) {
    return sqlite3_result_error(ctx, "regular expression took too long", -1);
  }
  sqlite3_result_int(ctx, found ? 1 : 0);
  if (fresh) {
    sqlite3_set_auxdata(ctx, 0, fresh.release(),
                        [](void* kept) { delete static_cast<Pattern*>(kept); });
  }
}

int collate_decimal(void*, int a_size, const void* a, int b_size, const void* b) {
  return compare_decimal({static_cast<const char*>(a), static_cast<size_t>(a_size)},
                         {static_cast<const char*>(b), static_cast<size_t>(b_size)});
}

}  // namespace

Status register_functions(sqlite3* db) {
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  auto add = [db](const char* name, int args,
                  void (*function)(sqlite3_context*, int, sqlite3_value**)) {
    return sqlite3_create_function_v2(db, name, args, kFlags, nullptr, function, nullptr, nullptr,
                                      nullptr);
  };
  int failed = add("halcyon_fold", 1, change_case<CaseChange::kFold>) |
               add("halcyon_lower", 1, change_case<CaseChange::kLower>) |
               add("halcyon_upper", 1, change_case<CaseChange::kUpper>) |
               add("halcyon_regexp", 3, regexp) |
               sqlite3_create_collation_v2(db, "HALCYON_DECIMAL", SQLITE_UTF8, nullptr,
                                           collate_decimal, nullptr);
  if (failed != SQLITE_OK) return fail(database_error("DATABASE_ERROR", sqlite3_errmsg(db)));
  return {};
}

}  // namespace halcyon::sql::sqlite
