#include "runtime/metrics.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace halcyon::runtime {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, RendersPrometheusText) {
  Metrics metrics;
  Counter ok = metrics.counter("requests_total", "Requests", {{"status", "2xx"}});
  Counter bad = metrics.counter("requests_total", "Requests", {{"status", "5xx"}});
  ok.add();
  ok.add(2);
  bad.add();
  Gauge depth = metrics.gauge("depth", "Depth");
  depth.set(7);
  depth.add(-2);
  double answer = 41;
  metrics.gauge("asked", "Asked", {{"a", "b\"c"}}, [&] { return answer; });
  answer = 42;
  Histogram time = metrics.seconds("took_seconds", "Took");
  time.observe(0.003);
  time.observe(100);
  Histogram size = metrics.histogram("size_bytes", "Size", {10, 100}, {});
  size.observe(50);
  const std::string text = metrics.render();
  EXPECT_TRUE(has_line(text, "# TYPE requests_total counter")) << text;
  EXPECT_TRUE(has_line(text, "requests_total{status=\"2xx\"} 3")) << text;
  EXPECT_TRUE(has_line(text, "requests_total{status=\"5xx\"} 1")) << text;
  EXPECT_TRUE(has_line(text, "depth 5")) << text;
  EXPECT_TRUE(has_line(text, "asked{a=\"b\\\"c\"} 42")) << text;
  EXPECT_TRUE(has_line(text, "took_seconds_bucket{le=\"0.005\"} 1")) << text;
  EXPECT_TRUE(has_line(text, "took_seconds_bucket{le=\"+Inf\"} 2")) << text;
  EXPECT_TRUE(has_line(text, "size_bytes_bucket{le=\"100\"} 1")) << text;
}

TEST(Metrics, CountsFromManyThreads) {
  Metrics metrics;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        // The same name and labels give the same counter.
        Counter counter = metrics.counter("n_total", "N");
        Histogram histogram = metrics.seconds("h_seconds", "H");
        for (int i = 0; i < 1000; ++i) {
          counter.add();
          histogram.observe(0.001);
        }
        metrics.render();
      });
    }
  }
  const std::string text = metrics.render();
  EXPECT_TRUE(has_line(text, "n_total 4000")) << text;
  EXPECT_TRUE(has_line(text, "h_seconds_count 4000")) << text;
}

}  // namespace
}  // namespace halcyon::runtime
