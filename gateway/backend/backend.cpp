#include "backend/backend.hpp"

#include <algorithm>
#include <chrono>

#include "core/digest.hpp"
#include "telemetry/log.hpp"

namespace moegate::backend {
namespace {

using moe::json::Value;

std::int32_t host_on_step(void* context, const moe_plugin_step* step) {
  return static_cast<Backend*>(context)->receiver().on_step(*step);
}

void host_log(void*, std::int32_t level, moe_str text) {
  const std::string_view line(text.data, text.size);
  switch (level) {
    case MOE_LOG_ERROR:
      return telemetry::log::error(line);
    case MOE_LOG_WARNING:
      return telemetry::log::warning(line);
    case MOE_LOG_INFO:
      return telemetry::log::info(line);
    default:
      return telemetry::log::debug(line);
  }
}

std::int64_t host_now(void*) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Value model_config(const config::Model& model) {
  Value json = Value::object();
  json.set("id", Value::string(model.id));
  if (!model.path.empty()) json.set("path", Value::string(model.path.string()));
  json.set("weights", Value::string(model.weights));
  json.set("max_sequences", Value::integer(model.max_sequences));
  json.set("kv_cache_bytes", Value::integer(static_cast<std::int64_t>(model.kv_cache_bytes)));
  json.set("prefill_chunk", Value::integer(model.prefill_chunk));
  json.set("weight", Value::integer(model.weight));
  for (const auto& [name, value] : model.options.members()) json.set(name, value);
  return json;
}

std::string plugin_config(const config::Config& config, const std::string& plugin) {
  Value models = Value::array();
  for (const auto& model : config.models) {
    if (model.plugin == plugin) models.push(model_config(model));
  }
  Value json = Value::object();
  json.set("threads", Value::integer(config.engine.threads));
  json.set("pin_threads", Value::boolean(config.engine.pin_threads));
  json.set("models", std::move(models));
  return moe::json::write(json);
}

bool is_complete(const Table& t) {
  return t.models && t.facts && t.prepare && t.start && t.discard && t.release && t.pause && t.resume && t.cancel &&
         t.tokenize && t.detokenize && t.counters && t.expert_counts;
}

std::uint64_t number(const Value& object, std::string_view name) {
  const auto* member = object.find(name);
  if (member == nullptr || !member->is_integer()) return 0;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(member->as_int64().value_or(0), 0));
}

}  // namespace

Backend::Backend(const Options& options)
    : config_(options.config),
      plugins_(options.plugins),
      receiver_(*options.ledger, *options.metrics, options.wall_us),
      pool_(2, options.config->server.max_queued_requests, options.config->server.max_queued_bytes),
      wall_us_(options.wall_us),
      metrics_(options.metrics) {
  host_.struct_size = sizeof(moe_host);
  host_.abi_major = MOE_PLUGIN_ABI_MAJOR;
  host_.abi_minor = MOE_PLUGIN_ABI_MINOR;
  host_.context = this;
  host_.on_step = host_on_step;
  host_.log = host_log;
  host_.now_us = host_now;
}

Backend::~Backend() { close(); }

moe::Result<std::unique_ptr<Backend>> Backend::open(const Options& options) {
  std::unique_ptr<Backend> backend(new Backend(options));
  if (auto status = backend->load(options); !status.ok()) return status;
  return backend;
}

moe::Status Backend::load(const Options& options) {
  std::vector<std::string> names;
  for (const auto& model : config_->models) {
    if (std::find(names.begin(), names.end(), model.plugin) == names.end()) names.push_back(model.plugin);
  }
  for (const auto& name : names) {
    if (auto status = load_plugin(name); !status.ok()) return status;
  }
  for (const auto& configured : config_->models) {
    const bool served =
        std::any_of(models_.begin(), models_.end(), [&](const Model& m) { return m.id == configured.id; });
    if (!served) return {moe::Code::internal, "plugin " + configured.plugin + " does not serve model " + configured.id};
    options.metrics->engine_up.set(1, configured.id);
  }
  return {};
}

moe::Status Backend::load_plugin(const std::string& name) {
  auto plugin = plugins_->load(name);
  if (!plugin) return plugin.status();
  const auto* table = plugin_host::extension<Table>(**plugin, MOE_PLUGIN_BACKEND_1);
  if (table == nullptr || !is_complete(*table)) {
    return {moe::Code::abi_mismatch, "plugin " + name + ": offers no " MOE_PLUGIN_BACKEND_1};
  }
  const auto begin = std::chrono::steady_clock::now();
  if (auto status = plugins_->init(**plugin, host_, plugin_config(*config_, name)); !status.ok()) return status;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  tables_.push_back(table);
  auto list = call_models(*table);
  if (!list) return list.status().with_context("plugin " + name + ": models");
  for (const auto& entry : list->items()) {
    const auto* id = entry.find("id");
    if (id == nullptr || !id->is_string()) continue;
    const auto configured = std::find_if(config_->models.begin(), config_->models.end(), [&](const config::Model& m) {
      return m.id == id->as_string() && m.plugin == name;
    });
    if (configured == config_->models.end()) continue;
    Model model;
    model.id = id->as_string();
    model.aliases = configured->aliases;
    model.max_context_tokens = number(entry, "max_context_tokens");
    model.vocab_size = number(entry, "vocab_size");
    model.created = static_cast<std::int64_t>(number(entry, "created"));
    if (model.created == 0) model.created = wall_us_() / 1'000'000;
    if (const auto* counts = entry.find("counts"); counts != nullptr && counts->is_string())
      model.counts = counts->as_string();
    if (auto facts = call_facts(*table, model.id)) model.facts = std::move(*facts);
    const auto digest = moe::sha256(std::string((*plugin)->table->version) + "\n" + moe::json::write(model.facts));
    model.fingerprint = "fp_" + moe::to_hex({digest.data(), 8});
    model.table = table;
    metrics_->engine_load_seconds.set(seconds, model.id);
    models_.push_back(std::move(model));
  }
  return {};
}

const Model* Backend::find(std::string_view name) const {
  for (const auto& model : models_) {
    if (model.id == name || std::find(model.aliases.begin(), model.aliases.end(), name) != model.aliases.end())
      return &model;
  }
  return nullptr;
}

Outcome<Prepared> Backend::prepare(const Model& model, std::string_view request) const {
  return call_prepare(*model.table, model.id, request);
}

Outcome<Value> Backend::text(TextCall which, const Model& model, std::string_view request) const {
  return call_text(*model.table, which, model.id, request);
}

void Backend::expect(const std::shared_ptr<Running>& running, std::size_t sequences) {
  for (std::size_t i = 0; i < sequences; ++i) running->tags.push_back(next_tag_.fetch_add(1));
  receiver_.add(running);
}

std::optional<Refusal> Backend::start(const std::shared_ptr<Running>& running, std::size_t sequence, Prepared prepared,
                                      moe_plugin_start_options options, bool others_run) {
  const auto* table = table_of(running->model);
  options.tag = running->tags[sequence];
  moe_plugin_error error = MOE_PLUGIN_ERROR_INIT;
  const moe_status status = table->start(prepared.take(), &options, &error);
  if (status == MOE_OK) return std::nullopt;
  receiver_.forget(running, sequence, others_run);
  return refusal(status, error);
}

const Table* Backend::table_of(std::string_view model) const {
  for (const auto& entry : models_) {
    if (entry.id == model) return entry.table;
  }
  return nullptr;
}

void Backend::cancel(const Running& running) const {
  for (const auto tag : running.tags) table_of(running.model)->cancel(tag);
}
void Backend::pause(const Running& running) const {
  for (const auto tag : running.tags) table_of(running.model)->pause(tag);
}
void Backend::resume(const Running& running) const {
  for (const auto tag : running.tags) table_of(running.model)->resume(tag);
}

std::optional<moe_plugin_counters> Backend::counters(const Model& model) const {
  moe_plugin_counters counters = MOE_PLUGIN_COUNTERS_INIT;
  if (model.table->counters(str(model.id), &counters) != MOE_OK) return std::nullopt;
  return counters;
}

std::optional<ExpertCounts> Backend::expert_counts(const Model& model) const {
  ExpertCounts found;
  std::uint64_t count = 0;
  auto status =
      model.table->expert_counts(str(model.id), nullptr, 0, &count, &found.epoch, &found.layers, &found.experts);
  if (status != MOE_OK && status != MOE_E_OUT_OF_RANGE) return std::nullopt;
  if (count == 0 || count > (std::uint64_t{1} << 24)) return std::nullopt;
  found.counts.resize(count);
  status = model.table->expert_counts(str(model.id), found.counts.data(), count, &count, &found.epoch, &found.layers,
                                      &found.experts);
  if (status != MOE_OK || std::uint64_t{found.layers} * found.experts * 2 != found.counts.size()) return std::nullopt;
  return found;
}

void Backend::release() {
  receiver_.end_hold();
  for (const auto* table : tables_) table->release();
}

void Backend::close() {
  pool_.stop();
  plugins_->deinit_all();
  tables_.clear();
}

}  // namespace moegate::backend
