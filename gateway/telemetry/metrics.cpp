#include "telemetry/metrics.hpp"

#include <dirent.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <fstream>

namespace moegate::telemetry {
namespace {

using Strings = std::vector<std::string>;

const std::vector<double> kTtft = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                   1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
const std::vector<double> kItl = {.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3,
                                  .4,   .5,    .75,  1,   2.5,  5,   10,   20, 40,  80};
const std::vector<double> kE2e = {.05, .1, .2, .3, .5, .8, 1,   1.5, 2,   2.5, 5,    10,
                                  15,  20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const std::vector<double> kTok = {1,    2,    5,    10,     20,     50,     100,     200,    500,
                                  1000, 2000, 5000, 10'000, 20'000, 50'000, 100'000, 200'000};
const std::vector<double> kOverhead = {10e-6,  25e-6, 50e-6, 75e-6, 100e-6, 150e-6, 250e-6,
                                       500e-6, .001,  .0025, .005,  .01,    .05,    .25};
const std::vector<double> kQueue = {.0001, .0005, .001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300};
const std::vector<double> kStep = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
const std::vector<double> kFsync = {50e-6, 100e-6, 250e-6, 500e-6, .001, .0025, .005, .01, .025, .05, .1, .25, 1};
const std::vector<double> kGroup = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
const std::vector<double> kMoe = {0, .1, .25, .5, .75, 1, 1.25, 1.5, 2, 3, 4, 8, 16, 32};

const Strings kOutcomes = {"completed",     "length",         "cancelled",         "disconnected",     "deadline",
                           "shed",          "engine_error",   "interrupted",       "rejected_invalid", "rejected_auth",
                           "rejected_rate", "rejected_quota", "rejected_overload", "rejected_draining"};
const Strings kMethods = {"GET", "POST", "DELETE", "PATCH", "PUT", "HEAD", "OPTIONS"};

Registry::Family& counter(Registry& registry, const char* name, const char* help, std::vector<Label> labels,
                          bool create_all = true) {
  return registry.add({.kind = Kind::counter,
                       .name = name,
                       .help = help,
                       .labels = std::move(labels),
                       .buckets = {},
                       .create_all = create_all});
}
Registry::Family& gauge(Registry& registry, const char* name, const char* help, std::vector<Label> labels) {
  return registry.add({.kind = Kind::gauge, .name = name, .help = help, .labels = std::move(labels), .buckets = {}});
}
Registry::Family& histogram(Registry& registry, const char* name, const char* help, std::vector<Label> labels,
                            const std::vector<double>& buckets) {
  return registry.add(
      {.kind = Kind::histogram, .name = name, .help = help, .labels = std::move(labels), .buckets = buckets});
}

Label model(const MetricsOptions& o) { return {"model", o.models}; }
Label asked_model(const MetricsOptions& o) {
  auto models = o.models;
  models.emplace_back(kUnknownModel);
  return {"model", models};
}
Label route(const MetricsOptions& o) {
  auto routes = o.routes;
  routes.emplace_back("unknown");
  return {"route", routes};
}
const Label kPhase = {"phase", {"prefill", "decode"}};
const Label kLayer = {"layer", {}};
const Label kMode = {"mode", {"oneshot", "stream"}};
const Label kListener = {"listener", {"data", "admin", "socket"}};

}  // namespace

Metrics::Metrics(const MetricsOptions& o)
    : registry(o.max_series),
      http_requests(
          counter(registry, "moegate_http_requests_total", "Answers by route, method and exact status.",
                  {route(o), {"method", kMethods}, {"status", {}}, {"tenant_class", {"tenant", "admin", "none"}}})),
      http_duration(histogram(registry, "moegate_http_request_duration_seconds",
                              "From the last byte of the request to the end of the answer.",
                              {route(o), {"status_class", {"2xx", "4xx", "5xx"}}}, kE2e)),
      http_inflight(gauge(registry, "moegate_http_inflight", "Requests being answered.", {route(o)})),
      http_connections(
          gauge(registry, "moegate_http_connections", "Open connections.", {kListener, {"tls", {"0", "1"}}})),
      http_bytes(counter(registry, "moegate_http_bytes_total", "Bytes of closed connections.",
                         {kListener, {"direction", {"in", "out"}}})),
      tls_handshakes(counter(registry, "moegate_tls_handshakes_total", "TLS handshakes.",
                             {kListener, {"version", {"TLSv1.2", "TLSv1.3", "none"}}, {"result", {"ok", "failed"}}})),
      overhead(histogram(
          registry, "moegate_gateway_overhead_seconds", "Time of the gateway itself, the engine left out.",
          {{"route", {"chat_completions", "completions"}}, {"phase", {"parse", "auth", "admit", "submit", "total"}}},
          kOverhead)),
      requests(counter(registry, "moegate_requests_total", "Requests for tokens by how they ended.",
                       {asked_model(o), {"api", {"chat", "completions"}}, kMode, {"outcome", kOutcomes}})),
      request_duration(histogram(registry, "moegate_request_duration_seconds",
                                 "From the last byte of the request to its durable end.",
                                 {model(o), kMode, {"outcome_class", {"completed", "cut", "failed"}}}, kE2e)),
      ttft(histogram(registry, "moegate_time_to_first_token_seconds",
                     "From the last byte of the request to the first token.", {model(o)}, kTtft)),
      inter_token(histogram(registry, "moegate_inter_token_latency_seconds",
                            "Between events of one request that carry tokens.", {model(o)}, kItl)),
      per_output_token(histogram(registry, "moegate_time_per_output_token_seconds",
                                 "(end - first token) / (tokens - 1) of a request.", {model(o)}, kItl)),
      queue_seconds(
          histogram(registry, "moegate_queue_seconds", "From start to the first prompt chunk.", {model(o)}, kQueue)),
      queue_depth(gauge(registry, "moegate_queue_depth", "Requests waiting to be prepared.", {model(o)})),
      prompt_tokens(counter(registry, "moegate_prompt_tokens_total", "Durable prompt tokens.",
                            {model(o), {"source", {"computed", "cached", "recomputed"}}})),
      generation_tokens(counter(registry, "moegate_generation_tokens_total", "Durable generated tokens.",
                                {model(o), {"kind", {"text", "reasoning", "tool"}}})),
      request_prompt_tokens(
          histogram(registry, "moegate_request_prompt_tokens", "Prompt tokens of a request.", {model(o)}, kTok)),
      request_generation_tokens(
          histogram(registry, "moegate_request_generation_tokens", "Generated tokens of a request.", {model(o)}, kTok)),
      cancelled_tokens(
          counter(registry, "moegate_cancelled_tokens_total", "Tokens of requests that did not reach their own end.",
                  {model(o), {"reason", {"cancelled", "disconnected", "deadline", "shed", "engine_error"}}})),
      backpressure(histogram(registry, "moegate_sse_backpressure_seconds",
                             "How long a slow reader held its own sequence.", {model(o)}, kQueue)),
      auth(counter(registry, "moegate_auth_total", "Checks of keys.",
                   {{"method", {"key", "admin"}},
                    {"result", {"ok", "missing", "unknown", "expired", "revoked", "conflict", "model"}}})),
      limit_rejections(
          counter(registry, "moegate_limit_rejections_total", "Refusals by limits.",
                  {{"scope", {"org", "project", "key", "global"}}, {"kind", {"rpm", "concurrency", "queue"}}})),
      meter_records(counter(registry, "moegate_meter_records_total", "Terminal records written.",
                            {{"kind", {"usage", "recovered"}}})),
      meter_fsync(histogram(registry, "moegate_meter_fsync_seconds", "Duration of a commit.", {}, kFsync)),
      meter_group_commit(histogram(registry, "moegate_meter_group_commit_size", "Steps in one commit.", {}, kGroup)),
      meter_unsynced_records(
          gauge(registry, "moegate_meter_unsynced_records", "Steps handed over and not yet durable.", {})),
      meter_unsynced_tokens(
          gauge(registry, "moegate_meter_unsynced_tokens", "Tokens handed over and not yet durable.", {})),
      meter_recovered(counter(registry, "moegate_meter_recovered_records_total",
                              "Requests that ended with an earlier process.", {})),
      meter_unrecorded(counter(registry, "moegate_meter_unrecorded_total", "Tokens that no record holds; must stay 0.",
                               {{"reason", {"failed_commit", "second_settle", "unknown_tag"}}})),
      reconcile_delta(gauge(registry, "moegate_meter_reconcile_delta_tokens",
                            "Records minus engine, of ended requests; 0 is the invariant when idle.",
                            {{"check", {"prompt", "generation"}}})),
      ledger_tokens(counter(registry, "moegate_ledger_tokens_total", "Tokens of all durable records, over restarts.",
                            {{"model", {}}, {"tier", {"input", "cache_read", "cache_write", "output", "reasoning"}}})),
      ledger_state(gauge(registry, "moegate_ledger_state", "1 for the state the ledger is in.",
                         {{"state", {"serving", "disk_full", "failed"}}})),
      engine_running(gauge(registry, "moegate_engine_requests_running", "Sequences in the batch.", {model(o)})),
      engine_waiting(
          gauge(registry, "moegate_engine_requests_waiting", "Sequences in the engine's queue.", {model(o)})),
      engine_kv_usage(
          gauge(registry, "moegate_engine_kv_cache_usage_ratio", "Used share of the KV blocks.", {model(o)})),
      engine_batch_size(
          gauge(registry, "moegate_engine_batch_size", "Sequences decoded in the last step.", {model(o)})),
      engine_kv_blocks(
          gauge(registry, "moegate_engine_kv_blocks", "KV blocks.", {model(o), {"state", {"used", "free"}}})),
      engine_step_seconds(histogram(registry, "moegate_engine_step_seconds", "Duration of a step.",
                                    {model(o), {"phase", {"prefill", "decode", "mixed"}}}, kItl)),
      engine_step_tokens(histogram(registry, "moegate_engine_step_tokens", "Tokens in a step.", {model(o)}, kStep)),
      engine_steps(counter(registry, "moegate_engine_steps_total", "Steps.", {model(o)})),
      engine_prompt_tokens(counter(registry, "moegate_engine_prompt_tokens_total",
                                   "Prompt tokens computed, as the engine counts.", {model(o)})),
      engine_cached_tokens(counter(registry, "moegate_engine_prefix_cache_hits_tokens_total",
                                   "Prompt tokens restored, as the engine counts.", {model(o)})),
      engine_completion_tokens(counter(registry, "moegate_engine_generation_tokens_total",
                                       "Tokens sampled, as the engine counts.", {model(o)})),
      engine_weights_bytes(gauge(registry, "moegate_engine_weights_bytes", "Memory of the weights.", {model(o)})),
      engine_kv_cache_bytes(gauge(registry, "moegate_engine_kv_cache_bytes", "Memory of the KV pool.", {model(o)})),
      engine_load_seconds(gauge(registry, "moegate_engine_load_seconds", "Duration of the load.", {model(o)})),
      engine_up(gauge(registry, "moegate_engine_up", "1 if the model is served.", {model(o)})),
      engine_threads(gauge(registry, "moegate_engine_threads", "Worker threads.", {model(o)})),
      engine_faults(counter(registry, "moegate_engine_faults_total", "Sequences that the engine ended with an error.",
                            {model(o), {"kind", {"sequence", "start"}}})),
      engine_abort_latency(histogram(registry, "moegate_engine_abort_latency_seconds",
                                     "From the wish to cancel to the end of the sequence.", {model(o)}, kQueue)),
      engine_holds(counter(registry, "moegate_engine_holds_total",
                           "Steps after which the engine had to wait for the ledger.", {model(o)})),
      moe_info(gauge(registry, "moegate_moe_info", "Shape of the routing.",
                     {model(o), {"layers", {}}, {"experts", {}}, {"experts_per_token", {}}})),
      moe_routed(counter(registry, "moegate_moe_routed_tokens_total", "Routing decisions: tokens times layers.",
                         {model(o), kPhase})),
      moe_assignments(counter(registry, "moegate_moe_assignments_total",
                              "Assignments: routed tokens times experts per token.", {model(o), kPhase})),
      moe_dropped(counter(registry, "moegate_moe_dropped_assignments_total", "Assignments dropped.",
                          {model(o), {"reason", {"capacity"}}})),
      moe_load_ratio(histogram(registry, "moegate_moe_expert_load_ratio",
                               "Load of an expert over the mean of its layer, once a window for each.", {model(o)},
                               kMoe)),
      moe_balancedness(gauge(registry, "moegate_moe_balancedness", "Mean over maximum load of a layer.",
                             {model(o), {"stat", {"min", "p50", "mean"}}})),
      moe_active_ratio(gauge(registry, "moegate_moe_experts_active_ratio",
                             "Share of experts with a token in the window.", {model(o), {"stat", {"min", "mean"}}})),
      moe_entropy_ratio(gauge(registry, "moegate_moe_router_entropy_ratio", "Entropy of the load over its maximum.",
                              {model(o), {"stat", {"min", "mean"}}})),
      moe_window_seconds(gauge(registry, "moegate_moe_window_seconds", "Window that the gauges describe.", {model(o)})),
      layer_max_load(gauge(registry, "moegate_moe_layer_max_load_ratio", "Highest load over the mean of the layer.",
                           {model(o), kLayer})),
      layer_entropy(gauge(registry, "moegate_moe_layer_entropy_ratio", "Entropy of the layer's load over its maximum.",
                          {model(o), kLayer})),
      layer_active(gauge(registry, "moegate_moe_layer_active_experts", "Experts with a token in the window.",
                         {model(o), kLayer})),
      layer_hot_expert(
          gauge(registry, "moegate_moe_layer_hot_expert", "Id of the most loaded expert.", {model(o), kLayer})),
      layer_hot_share(
          gauge(registry, "moegate_moe_layer_hot_share", "Its share of the layer's assignments.", {model(o), kLayer})),
      layer_dropped(counter(registry, "moegate_moe_layer_dropped_total", "Assignments dropped in the layer.",
                            {model(o), kLayer})),
      build_info(
          gauge(registry, "moegate_build_info", "1, labelled with the build.", {{"version", {}}, {"build", {}}})),
      drain_state(gauge(registry, "moegate_drain_state", "0 serving, 1 draining, 2 drained.", {})),
      start_time(gauge(registry, "process_start_time_seconds", "Start of the process, seconds since 1970.", {})),
      resident_bytes(gauge(registry, "process_resident_memory_bytes", "Resident memory.", {})),
      open_fds(gauge(registry, "process_open_fds", "Open descriptors.", {})),
      series(gauge(registry, "moegate_metrics_series", "Series in this registry.", {})),
      cpu_seconds(counter(registry, "process_cpu_seconds_total", "Processor time of the process.", {})),
      failed_updates(counter(registry, "moegate_metrics_failed_updates_total",
                             "Updates of metrics that failed and were dropped.", {})),
      scrape_seconds(histogram(registry, "moegate_scrape_seconds", "Duration of a scrape.", {}, kOverhead)) {
  build_info.set(1, o.version, o.build_id);
  start_time.set(static_cast<double>(std::time(nullptr)));
  for (const auto& id : o.models) engine_up.set(0, id);
}

std::string_view status_class(int status) {
  if (status < 400) return "2xx";
  return status < 500 ? "4xx" : "5xx";
}

std::string_view outcome_class(std::string_view outcome) {
  if (outcome == "completed" || outcome == "length") return "completed";
  if (outcome == "engine_error" || outcome == "interrupted") return "failed";
  return outcome.starts_with("rejected") ? "rejected" : "cut";
}

void update_process(Metrics& metrics) {
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  if (statm >> total >> resident) metrics.resident_bytes.set(resident * static_cast<double>(sysconf(_SC_PAGESIZE)));
  timespec cpu{};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
    metrics.cpu_seconds.rise_to(static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) * 1e-9);
  }
  if (DIR* folder = opendir("/proc/self/fd")) {
    int count = -3;  // ".", ".." and this very descriptor
    while (readdir(folder) != nullptr) ++count;
    closedir(folder);
    metrics.open_fds.set(count);
  }
  metrics.series.set(static_cast<double>(metrics.registry.series()));
  metrics.failed_updates.rise_to(static_cast<double>(metrics.registry.failed_updates()));
}

}  // namespace moegate::telemetry
