// CPU, memory and descriptors of this process, under the names that Prometheus' own client
// libraries use (process_cpu_seconds_total, ...), so that ready-made dashboards know them.
//
//   show_process(metrics);     // once; read from /proc each time the metrics are rendered
//
// Thread rule: as Metrics.
#pragma once

#include "runtime/metrics.h"

namespace halcyon::runtime {

void show_process(Metrics& metrics);

}  // namespace halcyon::runtime
