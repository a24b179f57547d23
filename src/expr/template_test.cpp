#include "expr/template.h"

#include <gtest/gtest.h>

namespace halcyon::expr {
namespace {

json::Value context() {
  return *json::parse(
      R"({"n":5,"t":"x","nil":null,"o":{"a":[1,{"b":2}]},
          "items":[{"p":1,"tags":[{"n":"a"},{"n":"b"}]},{"p":2,"tags":[]},{"q":3}],
          "{{n}}":"odd"})");
}

TEST(Path, WalksObjectsIndexesAndLists) {
  const json::Value root = context();
  auto at = [&](std::string_view path) {
    const auto value = get_path(root, path);
    return value ? json::dump(*value) : "nowhere";
  };
  EXPECT_EQ(at("n"), "5");
  EXPECT_EQ(at("nil"), "null");
  EXPECT_EQ(at("o.a.1.b"), "2");
  EXPECT_EQ(at("items.p"), "[1,2]");
  EXPECT_EQ(at("items.tags.n"), R"(["a","b"])");
  EXPECT_EQ(at("items.0.tags.n"), R"(["a","b"])");
  EXPECT_EQ(at("items.none"), "[]");
  for (const char* path : {"", ".", "n.", ".n", "n.x", "none", "items.9", "items.-1", "o..a"}) {
    EXPECT_EQ(at(path), "nowhere") << path;
  }
}

TEST(Template, RendersTrees) {
  const json::Value root = context();
  auto rendered = [&](std::string_view tree) {
    auto value = render(*json::parse(tree), resolver_of(root));
    return value ? json::dump(*value) : value.error().id;
  };
  // One placeholder keeps the type; in text it is shown.
  EXPECT_EQ(rendered(R"("{{n}}")"), "5");
  EXPECT_EQ(rendered(R"(" {{ o.a }} ")"), R"([1,{"b":2}])");
  EXPECT_EQ(rendered(R"("n={{n}}, {{t}}{{nil}}{{none}}.")"), R"("n=5, x.")");
  EXPECT_EQ(rendered(R"("{{o.a}}!")"), R"("[1,{\"b\":2}]!")");
  EXPECT_EQ(rendered(R"({"{{n}}":["{{n}}",true,null,{"k":"{{t}}"}]})"),
            R"({"{{n}}":[5,true,null,{"k":"x"}]})");
  // Not placeholders.
  for (const char* text : {R"("{{")", R"("{{}}")", R"("{{ }}")", R"("{n}")", R"("{{n}")",
                           R"("{{a{b}}")", R"("{{n\n}}")"}) {
    EXPECT_EQ(rendered(text), text);
  }
  EXPECT_EQ(rendered(R"("{{{n}}}")"), R"("{5}")");
}

TEST(Template, WhatAVariableHoldsIsNotRendered) {
  const json::Value root = *json::parse(R"({"a":"{{b}}","b":"secret"})");
  EXPECT_EQ(*render_text("<{{a}}>", resolver_of(root)), "<{{b}}>");
}

TEST(Template, NamesItsVariables) {
  EXPECT_EQ(template_variables(*json::parse(R"({"x":["{{b}} {{a.c}}"],"{{k}}":"{{b}}"})")),
            (std::vector<std::string>{"b", "a.c"}));
}

TEST(Template, ResolverErrorsAndLimitsStopIt) {
  const Resolver refuse = [](std::string_view) -> Result<json::Value> {
    return invalid("UNKNOWN_VARIABLE", "no");
  };
  EXPECT_EQ(render(json::Value("{{x}}"), refuse).error().id, "UNKNOWN_VARIABLE");
  EXPECT_EQ(*render(json::Value("plain"), refuse), json::Value("plain"));
  const json::Value root{{"big", std::string(1000, 'x')}};
  TemplateLimits limits;
  limits.max_bytes = 2500;
  EXPECT_TRUE(render_text("{{big}}{{big}}", resolver_of(root), limits));
  EXPECT_EQ(render_text("{{big}}{{big}}{{big}}", resolver_of(root), limits).error().id,
            "TEMPLATE_TOO_LARGE");
  const json::Value tree = json::Array{"a{{big}}", "a{{big}}", "a{{big}}"};
  EXPECT_EQ(render(tree, resolver_of(root), limits).error().id, "TEMPLATE_TOO_LARGE");
  limits.max_values = 2;
  EXPECT_EQ(render_text("{{n}}{{n}}{{n}}", resolver_of(root), limits).error().id,
            "TEMPLATE_TOO_LARGE");
}

}  // namespace
}  // namespace halcyon::expr
