// Every metric of the gateway by name: the one place that knows them. Made once at start from the configured models, so
// that every known series exists before the first scrape. Thread-safe; an update never affects a request.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "telemetry/registry.hpp"

namespace moegate::telemetry {

struct MetricsOptions {
  std::vector<std::string> models;  // served ids
  std::vector<std::string> routes;  // names of the route table
  std::size_t max_series = 20'000;
  std::string version, build_id;
};

// A client's string never becomes a label: an unknown model is this.
inline constexpr std::string_view kUnknownModel = "__unknown__";

class Metrics {
 public:
  explicit Metrics(const MetricsOptions& options);

  Registry registry;

  // HTTP
  Counter<4> http_requests;    // route, method, status, tenant_class
  Histogram<2> http_duration;  // route, status_class
  Gauge<1> http_inflight;      // route
  Gauge<2> http_connections;   // listener, tls
  Counter<2> http_bytes;       // listener, direction
  Counter<3> tls_handshakes;   // listener, version, result
  Histogram<2> overhead;       // route, phase

  // Requests for tokens
  Counter<4> requests;                                            // model, api, mode, outcome
  Histogram<3> request_duration;                                  // model, mode, outcome_class
  Histogram<1> ttft;                                              // model
  Histogram<1> inter_token;                                       // model
  Histogram<1> per_output_token;                                  // model
  Histogram<1> queue_seconds;                                     // model
  Gauge<1> queue_depth;                                           // model: waiting to be prepared
  Counter<2> prompt_tokens;                                       // model, source
  Counter<2> generation_tokens;                                   // model, kind
  Histogram<1> request_prompt_tokens, request_generation_tokens;  // model
  Counter<2> cancelled_tokens;                                    // model, reason
  Histogram<1> backpressure;                                      // model
  Counter<2> auth;                                                // method, result
  Counter<2> limit_rejections;                                    // scope, kind

  // Metering
  Counter<1> meter_records;  // kind
  Histogram<0> meter_fsync;
  Histogram<0> meter_group_commit;
  Gauge<0> meter_unsynced_records, meter_unsynced_tokens;
  Counter<0> meter_recovered;
  Counter<1> meter_unrecorded;  // reason; must stay 0
  Gauge<1> reconcile_delta;     // check
  Counter<2> ledger_tokens;     // model, tier
  Gauge<1> ledger_state;        // state

  // Engine
  Gauge<1> engine_running, engine_waiting, engine_kv_usage, engine_batch_size;      // model
  Gauge<2> engine_kv_blocks;                                                        // model, state
  Histogram<2> engine_step_seconds;                                                 // model, phase
  Histogram<1> engine_step_tokens;                                                  // model
  Counter<1> engine_steps;                                                          // model
  Counter<1> engine_prompt_tokens, engine_cached_tokens, engine_completion_tokens;  // model, as the engine counts
  Gauge<1> engine_weights_bytes, engine_kv_cache_bytes, engine_load_seconds, engine_up, engine_threads;  // model
  Counter<2> engine_faults;                                                                              // model, kind
  Histogram<1> engine_abort_latency;                                                                     // model
  Counter<1> engine_holds;                                                                               // model

  // Routing
  Gauge<4> moe_info;                                               // model, layers, experts, experts_per_token
  Counter<2> moe_routed, moe_assignments;                          // model, phase
  Counter<2> moe_dropped;                                          // model, reason
  Histogram<1> moe_load_ratio;                                     // model
  Gauge<2> moe_balancedness, moe_active_ratio, moe_entropy_ratio;  // model, stat
  Gauge<1> moe_window_seconds;                                     // model
  Gauge<2> layer_max_load, layer_entropy, layer_active, layer_hot_expert, layer_hot_share;  // model, layer
  Counter<2> layer_dropped;                                                                 // model, layer

  // Process
  Gauge<2> build_info;   // version, build
  Gauge<0> drain_state;  // 0 serving, 1 draining, 2 drained
  Gauge<0> start_time, resident_bytes, open_fds, series;
  Counter<0> cpu_seconds, failed_updates;
  Histogram<0> scrape_seconds;
};

// "2xx".
std::string_view status_class(int status);
// completed | cut | failed | rejected, of an outcome.
std::string_view outcome_class(std::string_view outcome);
// Reads process_* numbers from /proc.
void update_process(Metrics& metrics);

}  // namespace moegate::telemetry
