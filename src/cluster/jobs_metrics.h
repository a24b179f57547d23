// What the queue holds, for Prometheus: one statement for all topics, at most every few seconds and
// only while somebody asks for the metrics.
//
// Thread rule: start and stop from any thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "cluster/background.h"
#include "cluster/jobs_worker.h"
#include "runtime/metrics.h"

namespace halcyon::cluster {

class JobsMetrics : public std::enable_shared_from_this<JobsMetrics> {
 public:
  explicit JobsMetrics(std::shared_ptr<Worker> worker);
  void start();
  void stop();

 private:
  struct Gauges {
    runtime::Gauge waiting, running, dead, oldest;
  };
  Task<std::chrono::milliseconds> step();
  Task<Status> refresh();
  Gauges& gauges_of(const std::string& topic);

  std::shared_ptr<Worker> worker_;
  std::shared_ptr<Background> reader_;
  std::map<std::string, Gauges> gauges_;  // only on the io thread
  std::atomic<int64_t> overdue_{0}, asked_at_{0};
  std::atomic<bool> stopped_{false};
};

}  // namespace halcyon::cluster
