#include "runtime/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

namespace halcyon::runtime {

struct Metrics::Impl {
  prometheus::Registry registry;
  std::mutex mutex;
  struct Read {
    prometheus::Gauge* gauge;
    std::function<double()> read;
  };
  std::vector<Read> gauges;
  struct Kept {
    prometheus::Counter* counter;
    std::function<double()> read;
  };
  std::vector<Kept> counters;
  struct Varying {
    prometheus::Family<prometheus::Gauge>* family;
    std::function<Samples()> read;
    std::vector<prometheus::Gauge*> shown;
  };
  std::vector<Varying> varying;

  void refresh() {
    for (auto& [gauge, read] : gauges) gauge->Set(read());
    for (auto& [counter, read] : counters) {
      counter->Increment(std::max(0.0, read() - counter->Value()));
    }
    for (Varying& family : varying) {
      for (auto* gauge : family.shown) family.family->Remove(gauge);
      family.shown.clear();
      for (const auto& [labels, value] : family.read()) {
        auto& gauge = family.family->Add(labels);
        gauge.Set(value);
        family.shown.push_back(&gauge);
      }
    }
  }
};

void Counter::add(double amount) { static_cast<prometheus::Counter*>(handle)->Increment(amount); }
void Gauge::set(double value) { static_cast<prometheus::Gauge*>(handle)->Set(value); }
void Gauge::add(double amount) { static_cast<prometheus::Gauge*>(handle)->Increment(amount); }
void Histogram::observe(double value) {
  static_cast<prometheus::Histogram*>(handle)->Observe(value);
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
  return Counter{&family.Add(labels)};
}

Histogram Metrics::seconds(const std::string& name, const std::string& help, const Labels& labels) {
  static const std::vector<double> kBounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                           0.1,    0.25,  0.5,    1,     2.5,  5,     10};
  return histogram(name, help, kBounds, labels);
}

Histogram Metrics::histogram(const std::string& name, const std::string& help,
                             const std::vector<double>& bounds, const Labels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  return Histogram{&family.Add(labels, prometheus::Histogram::BucketBoundaries(bounds))};
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  return Gauge{&family.Add(labels)};
}

void Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels,
                    std::function<double()> read) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  std::lock_guard lock(impl_->mutex);
  impl_->gauges.push_back({&family.Add(labels), std::move(read)});
}

void Metrics::counter(const std::string& name, const std::string& help, const Labels& labels,
                      std::function<double()> read) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
  std::lock_guard lock(impl_->mutex);
  impl_->counters.push_back({&family.Add(labels), std::move(read)});
}

void Metrics::gauges(const std::string& name, const std::string& help,
                     std::function<Samples()> read) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  std::lock_guard lock(impl_->mutex);
  impl_->varying.push_back({&family, std::move(read), {}});
}

std::string Metrics::render() const {
  std::lock_guard lock(impl_->mutex);
  impl_->refresh();
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace halcyon::runtime
