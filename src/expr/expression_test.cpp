#include "expr/expression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/time.h"

namespace halcyon::expr {
namespace {

const json::Value& context() {
  static const json::Value value = *json::parse(
      R"({"a":3,"b":4,"half":0.5,"text":"ab","num":"12.50","nil":null,"yes":true,"empty":"",
          "big":9007199254740993,"user":{"name":"Ann","age":30},"list":[1,2,3],
          "items":[{"price":1.5,"name":"x"},{"price":2.5,"name":"y"},{"price":null}],
          "day":"2026-03-31","at":"2026-03-31T22:30:15.000Z","local":"2026-03-31 22:30:15"})");
  return value;
}

// The JSON of the result, or the id of the error.
std::string run(std::string_view text, Engine engine) {
  const auto parsed = parse(text, engine);
  if (!parsed) return parsed.error().id;
  EvaluateOptions options;
  options.now = 1'769'853'600'000;  // 2026-01-31T10:00Z
  options.utc_offset_minutes = 480;
  const auto value = parsed->evaluate(resolver_of(context()), options);
  return value ? json::dump(*value) : value.error().id;
}
std::string math(std::string_view text) { return run(text, Engine::kMath); }
std::string formula(std::string_view text) { return run(text, Engine::kFormula); }

struct Case {
  const char* text;
  const char* want;
};

TEST(Expression, MathPrecedenceAndValues) {
  for (const Case& c : {Case{"1 + 2 * 3", "7"},
                        {"(1 + 2) * 3", "9"},
                        {"2 ^ 3 ^ 2", "512"},
                        {"-2 ^ 2", "-4"},
                        {"2 ^ -1", "0.5"},
                        {"10 - 2 - 3", "5"},
                        {"7 % 3 * 2", "2"},
                        {"-7 mod 3", "2"},
                        {"5!", "120"},
                        {"-3!", "-6"},
                        {"0.1 + 0.2", "0.3"},
                        {"1 / 3", "0.333333333"},
                        {"1 / 0", "null"},
                        {"0 / 0", "null"},
                        {"sqrt(-1)", "null"},
                        {"{{a}} * {{b}}", "12"},
                        {"{{num}} + 1", "13.5"},
                        {"{{num}} * 2", "25"},
                        {"{{nil}} + 1", "null"},
                        {"round({{nil}})", "null"},
                        {"{{none}} * 2", "null"},
                        {"{{text}} + 1", "EXPRESSION_FAILED"},
                        {"{{big}} + 1", "9007199254740994"},
                        {"9223372036854775807 + 1", "9223372036854775808"},
                        {"1e3", "1000"},
                        {".5 + 1.", "1.5"},
                        {"pi", "3.141592654"},
                        {"1 < 2 and 2 < 3", "true"},
                        {"not true or true", "true"},
                        {"true xor true", "false"},
                        {"1 == 1.0", "true"},
                        {"\"1\" == 1", "true"},
                        {"\"10\" > \"9\"", "true"},
                        {"{{text}} == 'ab'", "true"},
                        {"{{nil}} == null", "true"},
                        {"{{nil}} < 1", "false"},
                        {"{{a}} > 2 ? 'big' : 'small'", "\"big\""},
                        {"true ? 1 : false ? 2 : 3", "1"},
                        {"false ? 1 : false ? 2 : 3", "3"},
                        {"5 & 3 | 8", "9"},
                        {"1 << 4 >> 2", "4"},
                        {"~5", "-6"},
                        {"[1, 2 + 3]", "[1,5]"},
                        {"sum({{items.price}})", "4"},
                        {"mean({{list}})", "2"},
                        {"max(1, {{list}}, 2)", "3"},
                        {"{{user.age}} + 1", "31"},
                        {"null ?? 5", "5"}}) {
    EXPECT_EQ(math(c.text), c.want) << c.text;
  }
}

TEST(Expression, FormulaFollowsJavaScript) {
  for (const Case& c : {Case{"1 + 2 * 3", "7"},
                        {"'a' + 1", "\"a1\""},
                        {"1 + 2 + 'a'", "\"3a\""},
                        {"{{user.name}} + ' ' + {{text}}", "\"Ann ab\""},
                        {"{{user.name}} + {{nil}}", "\"Ann\""},
                        {"{{nil}} + 1", "1"},
                        {"2 ** 3 ** 2", "512"},
                        {"5 ^ 3", "6"},
                        {"-7 % 3", "-1"},
                        {"'3' * '4'", "12"},
                        {"true + 1", "2"},
                        {"0 || 'x'", "\"x\""},
                        {"1 && 2", "2"},
                        {"{{empty}} || 'none'", "\"none\""},
                        {"{{nil}} ?? 0", "0"},
                        {"!{{nil}}", "true"},
                        {"'1' == 1", "true"},
                        {"'1' === 1", "false"},
                        {"1 === 1.0", "true"},
                        {"null == 0", "false"},
                        {"'b' > 'a'", "true"},
                        {"'10' > '9'", "false"},
                        {"1 < 2 == true", "true"},
                        {"'a' * 2", "EXPRESSION_FAILED"},
                        {"0.1 + 0.2 + 'x'", "\"0.3x\""},
                        {"{{local}} - {{day}}", "81015000"}}) {
    EXPECT_EQ(formula(c.text), c.want) << c.text;
  }
}

TEST(Expression, Numbers) {
  for (const Case& c : {Case{"ROUND(1.005, 2)", "1.01"},
                        {"ROUND(-2.5)", "-3"},
                        {"ROUND(1234.5, -2)", "1200"},
                        {"ROUNDUP(1.21, 1)", "1.3"},
                        {"ROUNDDOWN(-1.29, 1)", "-1.2"},
                        {"ROUND(1e300, 2)", "1e+300"},
                        {"ROUND(1e-7, 2)", "0"},
                        {"CEILING(7, 5)", "10"},
                        {"FLOOR(7.9)", "7"},
                        {"INT(-1.5)", "-2"},
                        {"ABS(-9223372036854775807)", "9223372036854775807"},
                        {"MOD(-7, 3)", "2"},
                        {"POWER(2, 10)", "1024"},
                        {"LOG(1000)", "3"},
                        {"LN(EXP(2))", "2"},
                        {"SUM(1, '2', 'x', {{nil}}, {{list}})", "9"},
                        {"AVERAGE({{items.price}})", "2"},
                        {"AVERAGE({{nil}})", "null"},
                        {"MIN({{list}}, -1)", "-1"},
                        {"COUNT({{items.price}})", "2"},
                        {"COUNTA({{items.name}}, '')", "2"},
                        {"MEDIAN(3, 1, 2, 10)", "2.5"},
                        {"STDEV(1, 2, 3, 4)", "1.290994449"},
                        {"PRODUCT({{list}}, 2)", "12"},
                        {"GCD(12, 18)", "6"},
                        {"LCM(4, 6)", "12"},
                        {"FACT(5)", "120"},
                        {"PI()", "3.141592654"},
                        {"abs(-1)", "1"},
                        {"SIGN(-3)", "-1"}}) {
    EXPECT_EQ(formula(c.text), c.want) << c.text;
  }
  EXPECT_EQ(math("log(e)"), "1");
  EXPECT_EQ(math("floor(1.29, 1)"), "1.2");
  EXPECT_EQ(math("sum(1, 'x')"), "EXPRESSION_FAILED");
}

TEST(Expression, TextsAreCountedInCharacters) {
  for (const Case& c : {Case{"CONCATENATE('a', 1, true, {{nil}}, {{list}})", "\"a1true123\""},
                        {"LEN('h\u00e9\u4f60\U0001F600')", "4"},
                        {"UPPER('stra\u00dfe \u00e9')", "\"STRASSE \u00c9\""},
                        {"LOWER('\u00c9A')", "\"\u00e9a\""},
                        {"PROPER('hello world')", "\"Hello World\""},
                        {"TRIM('  a   b ')", "\"a b\""},
                        {"LEFT('\u4f60\u597dx', 2)", "\"\u4f60\u597d\""},
                        {"RIGHT('abc', 2)", "\"bc\""},
                        {"RIGHT('abc', 9)", "\"abc\""},
                        {"MID('abcdef', 2, 3)", "\"bcd\""},
                        {"MID('abc', 9, 3)", "\"\""},
                        {"MID('abc', 0, 1)", "EXPRESSION_FAILED"},
                        {"FIND('\u597d', '\u4f60\u597d')", "2"},
                        {"FIND('z', 'abc')", "EXPRESSION_FAILED"},
                        {"SEARCH('B', 'abcb', 3)", "4"},
                        {"SUBSTITUTE('a-b-c', '-', '+')", "\"a+b+c\""},
                        {"SUBSTITUTE('a-b-c', '-', '+', 2)", "\"a-b+c\""},
                        {"REPLACE('abcdef', 2, 3, 'X')", "\"aXef\""},
                        {"REPT('ab', 3)", "\"ababab\""},
                        {"VALUE('12.5')", "12.5"},
                        {"EXACT('a', 'A')", "false"},
                        {"TEXTJOIN(', ', true, {{items.name}}, '', 'z')", "\"x, y, z\""},
                        {R"('it\'s \u0041\n')", R"("it's A\n")"}}) {
    EXPECT_EQ(formula(c.text), c.want) << c.text;
  }
}

TEST(Expression, LogicIsLazyWhereItMatters) {
  for (const Case& c : {Case{"IF(1 > 2, 'a', 'b')", "\"b\""},
                        {"IF(false, 1)", "false"},
                        {"IF(true, 1, FIND('z', 'a'))", "1"},
                        {"IFS(false, 1, true, 2)", "2"},
                        {"IFS(false, 1)", "null"},
                        {"IFERROR(FIND('z', 'a'), 0)", "0"},
                        {"IFERROR(1 / 0, 'inf')", "\"inf\""},
                        {"SWITCH(2, 1, 'a', 2, 'b', 'c')", "\"b\""},
                        {"SWITCH(9, 1, 'a', 'c')", "\"c\""},
                        {"CHOOSE(2, 'a', 'b')", "\"b\""},
                        {"AND(true, 1, 'x')", "true"},
                        {"OR(false, 0, '')", "false"},
                        {"NOT(0)", "true"},
                        {"XOR(true, true, true)", "true"},
                        {"ISBLANK({{nil}})", "true"},
                        {"ISNUMBER('1')", "false"},
                        {"COALESCE({{nil}}, 7)", "7"},
                        {"TRUE && TRUE()", "true"}}) {
    EXPECT_EQ(formula(c.text), c.want) << c.text;
  }
  EXPECT_EQ(math("larger(3, 2)"), "true");
}

TEST(Expression, DatesGoByTheCallersCalendar) {
  for (const Case& c :
       {Case{"YEAR({{day}})", "2026"},
        {"DAY({{at}})", "1"},  // 06:30 the next day at +08:00
        {"HOUR({{at}})", "6"},
        {"DAY({{local}})", "31"},
        {"MINUTE({{local}})", "30"},
        {"SECOND({{at}})", "15"},
        {"HOUR('2026-03-31T22:30:00+09:00')", "21"},
        {"WEEKDAY({{day}})", "3"},
        {"WEEKDAY({{day}}, 2)", "2"},
        {"ISOWEEKNUM('2027-01-01')", "53"},
        {"DATE(2026, 14, 0)", "\"2027-01-31\""},
        {"DATE(2026, 2, 31)", "\"2026-03-03\""},
        {"EDATE({{day}}, -1)", "\"2026-02-28\""},
        {"EOMONTH({{day}}, 11)", "\"2027-02-28\""},
        {"DAYS('2026-03-31', '2026-03-01')", "30"},
        {"DATEDIF('2024-02-29', '2026-02-28', 'Y')", "1"},
        {"DATEDIF('2024-02-29', '2026-02-28', 'm')", "23"},
        {"NETWORKDAYS('2026-03-02', '2026-03-15')", "10"},
        {"NETWORKDAYS('2026-03-02', '2026-03-15', ['2026-03-04', '2026-03-07'])", "9"},
        {"TODAY()", "\"2026-01-31\""},
        {"NOW()", "\"2026-01-31T10:00:00.000Z\""},
        {"YEAR('soon')", "EXPRESSION_FAILED"},
        {"YEAR({{nil}})", "EXPRESSION_FAILED"},
        {"DATE(2026, 1, 99999999999)", "EXPRESSION_FAILED"},
        {"EDATE({{day}}, 1e9)", "EXPRESSION_FAILED"}}) {
    EXPECT_EQ(formula(c.text), c.want) << c.text;
  }
}

TEST(Expression, SyntaxErrorsNameThePlace) {
  struct Bad {
    const char* text;
    size_t position;
  };
  for (const Bad& bad :
       {Bad{"", 1},       {"1 +", 4},       {"1 + * 2", 5},   {"(1", 3},           {"1)", 2},
        {"foo", 1},       {"nope(1)", 1},   {"'abc", 1},      {"1 = 1", 3},        {"{{}} + 1", 1},
        {"1 < 2 < 3", 7}, {"if(1)", 1},     {"round()", 1},   {"round(1,2,3)", 1}, {"a.b", 2},
        {"1 2", 3},       {"[1", 3},        {"true ? 1", 9},  {"1 @ 2", 3},        {"{{a}", 1},
        {"1e999", 1},     {"\"\\u12\"", 3}, {"ifs(1,2,3)", 1}}) {
    const auto parsed = parse(bad.text, Engine::kMath);
    ASSERT_FALSE(parsed) << bad.text;
    EXPECT_EQ(parsed.error().id, "INVALID_EXPRESSION");
    EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find(" " + std::to_string(bad.position) + ":"),
              std::string::npos)
        << bad.text << ": " << parsed.error().message;
  }
}

TEST(Expression, SizeAndDepthAreLimited) {
  const auto repeated = [](std::string_view part, size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += part;
    return text;
  };
  EXPECT_TRUE(parse(repeated("1+", 400) + "1", Engine::kMath));
  for (const std::string& text :
       {repeated("(", 5000), repeated("-", 5000) + "1", repeated("1+", 3000) + "1",
        repeated("2^", 3000) + "1", repeated("true?1:", 2000) + "1", repeated("abs(", 4000),
        repeated("[", 5000), std::string(30'000, ' ')}) {
    EXPECT_EQ(run(text, Engine::kMath), "INVALID_EXPRESSION") << text.substr(0, 20);
  }
}

TEST(Expression, WorkIsLimited) {
  EXPECT_EQ(formula("LEN(REPT('ab', 1e9))"), "EXPRESSION_TOO_COSTLY");
  EXPECT_EQ(formula("REPT(REPT(REPT('ab', 1000), 1000), 1000)"), "EXPRESSION_TOO_COSTLY");
  EXPECT_EQ(formula("IFERROR(REPT('ab', 1e9), 1)"), "EXPRESSION_TOO_COSTLY");
  EvaluateOptions options;
  options.max_steps = 10;
  const auto sum = parse("1+1+1+1+1+1+1", Engine::kMath);
  EXPECT_EQ(sum->evaluate(resolver_of(context()), options).error().id, "EXPRESSION_TOO_COSTLY");
}

TEST(Expression, VariablesAreAskedForOnceAndOnlyWhenNeeded) {
  const auto parsed = parse("IF({{ a }}, {{b}} + {{a}}, {{c.d}})", Engine::kFormula);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->variables(), (std::vector<std::string>{"a", "b", "c.d"}));
  std::vector<std::string> asked;
  const auto value = parsed->evaluate([&](std::string_view path) -> Result<json::Value> {
    asked.emplace_back(path);
    return json::Value(2);
  });
  EXPECT_EQ(*value, json::Value(4));
  EXPECT_EQ(asked, (std::vector<std::string>{"a", "b"}));
  const auto refused = parsed->evaluate([](std::string_view) -> Result<json::Value> {
    return fail(Code::kUnavailable, "DOWN", "no");
  });
  EXPECT_EQ(refused.error().id, "DOWN");
}

TEST(Expression, StringEngineFillsIn) {
  EXPECT_EQ(run("Dear {{user.name}}, {{a}} of {{nil}}{{list}}", Engine::kString),
            "\"Dear Ann, 3 of [1,2,3]\"");
  EXPECT_EQ(run("{{a}}", Engine::kString), "\"3\"");
  EXPECT_EQ(parse("{{x}} {{y}} {{x}}", Engine::kString)->variables(),
            (std::vector<std::string>{"x", "y"}));
}

TEST(Expression, EnginesHaveNames) {
  EXPECT_EQ(engine_of("math.js"), Engine::kMath);
  EXPECT_EQ(engine_of("formula.js"), Engine::kFormula);
  EXPECT_EQ(engine_of("string"), Engine::kString);
  EXPECT_EQ(engine_of("lua"), std::nullopt);
}

// Random arithmetic with all brackets written, against the host's own arithmetic; and again with
// only the brackets that precedence needs.
struct Sum {
  std::string full, sparse;
  double value;
  int power;  // 1: + -, 2: * /, 3: a number
};
Sum random_sum(std::mt19937& random, int depth) {
  if (depth == 0 || random() % 4 == 0) {
    const int number = static_cast<int>(random() % 9) + 1;
    return {std::to_string(number), std::to_string(number), static_cast<double>(number), 3};
  }
  const Sum a = random_sum(random, depth - 1), b = random_sum(random, depth - 1);
  const size_t which = random() % 4;
  const char op = "+-*/"[which];
  const int power = which < 2 ? 1 : 2;
  const auto bracketed = [](const Sum& s, bool needed) {
    return needed ? "(" + s.sparse + ")" : s.sparse;
  };
  const double value = which == 0   ? a.value + b.value
                       : which == 1 ? a.value - b.value
                       : which == 2 ? a.value * b.value
                                    : a.value / b.value;
  return {"(" + a.full + op + b.full + ")",
          bracketed(a, a.power < power) + op + bracketed(b, b.power <= power), value, power};
}

TEST(Expression, ArithmeticAgreesWithTheHost) {
  std::mt19937 random(9);
  for (int round = 0; round < 2000; ++round) {
    const Sum sum = random_sum(random, 5);
    if (!std::isfinite(sum.value) || std::fabs(sum.value) > 1e6) continue;
    for (const std::string& text : {sum.full, sum.sparse}) {
      for (Engine engine : {Engine::kMath, Engine::kFormula}) {
        const auto value = parse(text, engine)->evaluate(resolver_of(context()));
        ASSERT_TRUE(value) << text;
        ASSERT_NEAR(value->to_number<double>(), sum.value, 1e-8) << text;
      }
    }
  }
}

}  // namespace
}  // namespace halcyon::expr
