// Metrics in Prometheus' text form, over prometheus-cpp (hidden in metrics.cpp).
//
//   Metrics metrics;
//   Counter requests = metrics.counter("halcyon_requests_total", "Requests", {{"status", "200"}});
//   requests.add();
//   std::string text = metrics.render();
//
// Asking for a handle takes a lock: do it once, at start. Using one costs an atomic addition
// (histograms: a short lock). Handles are cheap to copy and stay valid as long as the Metrics. Safe
// from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace halcyon::runtime {

using Labels = std::map<std::string, std::string>;

class Counter {
 public:
  void add(double amount = 1);
  void* handle = nullptr;
};
class Gauge {
 public:
  void set(double value);
  void add(double amount);
  void* handle = nullptr;
};
class Histogram {
 public:
  void observe(double value);
  void* handle = nullptr;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
  // Bounds for seconds: 0.5 ms to 10 s.
  Histogram seconds(const std::string& name, const std::string& help, const Labels& labels = {});
  // `bounds`: upper ends of the buckets, ascending.
  Histogram histogram(const std::string& name, const std::string& help,
                      const std::vector<double>& bounds, const Labels& labels = {});
  Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  // Asked each time the metrics are rendered.
  void gauge(const std::string& name, const std::string& help, const Labels& labels,
             std::function<double()> read);
  // A counter kept elsewhere, asked each time; what it answers must not fall.
  void counter(const std::string& name, const std::string& help, const Labels& labels,
               std::function<double()> read);
  // Samples that come and go, e.g. one for each standby there is now. Labels must differ.
  using Samples = std::vector<std::pair<Labels, double>>;
  void gauges(const std::string& name, const std::string& help, std::function<Samples()> read);
  std::string render() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace halcyon::runtime
