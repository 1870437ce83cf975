// Reads the routing counters of all models: totals for the metrics at each scrape, gauges over a window, and the exact
// matrix between two epochs for the admin API. Owned by the program, before the backend goes. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "backend/backend.hpp"
#include "config/config.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/moe_load.hpp"

namespace moegate::backend {

class MoeSampler {
 public:
  MoeSampler(const Backend& backend, telemetry::Metrics& metrics, const config::Metrics& options);

  // Now and then (some seconds): keeps a snapshot of every model; once a window fills the histogram of loads.
  void sample();
  // Before a scrape: counters and window gauges.
  void publish();
  // A snapshot of this moment, kept for later "since"; null if the model has no experts.
  std::shared_ptr<const telemetry::LoadSnapshot> now(const Model& model);
  const telemetry::LoadHistory* history(const std::string& model) const;
  std::uint64_t experts_per_token(const Model& model) const;

 private:
  void publish_counters(const Model& model, const telemetry::LoadSnapshot& snapshot);
  void publish_window(const Model& model, const telemetry::LoadSnapshot* from, const telemetry::LoadSnapshot& to);

  const Backend* backend_;
  telemetry::Metrics* metrics_;
  const config::Metrics options_;
  std::map<std::string, std::unique_ptr<telemetry::LoadHistory>> histories_;  // constant after the constructor
  std::mutex mutex_;                                                          // guards last_histogram_
  std::map<std::string, std::shared_ptr<const telemetry::LoadSnapshot>> last_histogram_;
};

}  // namespace moegate::backend
