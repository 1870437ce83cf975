// All backends of the process: the plugins that serve the configured models, their models, and the way of a request
// into them. Made at start, destroyed after every request ended. Thread-safe after open().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/call.hpp"
#include "backend/prepare_pool.hpp"
#include "backend/running.hpp"
#include "backend/step_receiver.hpp"
#include "config/config.hpp"
#include "plugin_host/plugin_host.hpp"

namespace moegate::backend {

struct Model {
  std::string id;
  std::vector<std::string> aliases;
  std::uint64_t max_context_tokens = 0;
  std::uint64_t vocab_size = 0;
  std::int64_t created = 0;
  std::string counts = "exact";
  moe::json::Value facts;
  std::string fingerprint;  // "fp_..." of the build and the model
  const Table* table = nullptr;
};

struct ExpertCounts {
  std::uint64_t epoch = 0;
  std::uint32_t layers = 0, experts = 0;
  std::vector<std::uint64_t> counts;
};

class Backend {
 public:
  struct Options {
    const config::Config* config = nullptr;
    plugin_host::PluginHost* plugins = nullptr;
    ledger::Ledger* ledger = nullptr;
    telemetry::Metrics* metrics = nullptr;
    std::function<std::int64_t()> wall_us;
  };
  // Loads the plugins and their models; takes as long as that takes. Errors: of the plugins, with their name.
  static moe::Result<std::unique_ptr<Backend>> open(const Options& options);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  const std::vector<Model>& models() const { return models_; }
  // By id or alias; nullptr if neither.
  const Model* find(std::string_view name) const;

  // [prepare]
  Outcome<Prepared> prepare(const Model& model, std::string_view request) const;
  Outcome<moe::json::Value> text(TextCall which, const Model& model, std::string_view request) const;
  PreparePool& pool() { return pool_; }

  // Gives the request its tags and expects its events. Then start() each sequence.
  void expect(const std::shared_ptr<Running>& running, std::size_t sequences);
  // Any failure is the end of the sequence; `others_run` if one of the request was started before.
  std::optional<Refusal> start(const std::shared_ptr<Running>& running, std::size_t sequence, Prepared prepared,
                               moe_plugin_start_options options, bool others_run);
  void cancel(const Running& running) const;
  void pause(const Running& running) const;
  void resume(const Running& running) const;

  std::optional<moe_plugin_counters> counters(const Model& model) const;
  std::optional<ExpertCounts> expert_counts(const Model& model) const;

  StepReceiver& receiver() { return receiver_; }
  // The ledger has room: ends a HOLD. Also harmless when there is none.
  void release();
  // Ends what runs (every request gets its last event), then takes the plugins down. Before the ledger closes.
  void close();

 private:
  explicit Backend(const Options& options);
  moe::Status load(const Options& options);
  moe::Status load_plugin(const std::string& name);
  const Table* table_of(std::string_view model) const;

  const config::Config* config_;
  plugin_host::PluginHost* plugins_;
  StepReceiver receiver_;
  PreparePool pool_;
  std::function<std::int64_t()> wall_us_;
  telemetry::Metrics* metrics_;
  moe_host host_{};
  std::vector<const Table*> tables_;
  std::vector<Model> models_;
  std::atomic<std::uint64_t> next_tag_{1};
};

}  // namespace moegate::backend
