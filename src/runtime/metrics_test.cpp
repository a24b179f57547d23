#include "runtime/metrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "runtime/process_metrics.h"

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

TEST(Metrics, ShowsWhatIsKeptElsewhere) {
  Metrics metrics;
  double count = 2;
  metrics.counter("kept_total", "Kept", {{"a", "b"}}, [&] { return count; });
  Metrics::Samples standbys{{{{"standby", "one"}}, 1}, {{{"standby", "two"}}, 2}};
  metrics.gauges("lag_seconds", "Lag", [&] { return standbys; });
  const std::string first = metrics.render();
  EXPECT_TRUE(has_line(first, "# TYPE kept_total counter")) << first;
  EXPECT_TRUE(has_line(first, "kept_total{a=\"b\"} 2")) << first;
  EXPECT_TRUE(has_line(first, "lag_seconds{standby=\"one\"} 1")) << first;
  count = 5;
  standbys = {{{{"standby", "two"}}, 3}};
  const std::string second = metrics.render();
  EXPECT_TRUE(has_line(second, "kept_total{a=\"b\"} 5")) << second;
  EXPECT_TRUE(has_line(second, "lag_seconds{standby=\"two\"} 3")) << second;
  EXPECT_EQ(second.find("one"), std::string::npos) << second;  // it is gone
}

TEST(ProcessMetrics, TellOfThisProcess) {
  Metrics metrics;
  show_process(metrics);
  const auto value = [&](const std::string& name) {
    const std::string text = "\n" + metrics.render();
    const size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1.0 : std::stod(text.substr(at + name.size() + 2));
  };
  const double before = value("process_cpu_seconds_total");
  EXPECT_GE(before, 0);
  const double descriptors = value("process_open_fds");
  const int extra = dup(0);
  EXPECT_EQ(value("process_open_fds"), descriptors + 1);
  close(extra);
  EXPECT_GT(value("process_max_fds"), descriptors);
  EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
  EXPECT_GT(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"));
  EXPECT_GE(value("process_threads"), 1);
  EXPECT_NEAR(value("process_start_time_seconds"), static_cast<double>(std::time(nullptr)), 600);
  while (value("process_cpu_seconds_total") <= before) {
  }
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
