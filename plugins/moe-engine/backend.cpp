#include "backend.hpp"

#include <algorithm>

#include "engine_config.hpp"
#include "sessions.hpp"
#include "text_calls.hpp"

namespace moegate::plugins {
namespace {

using moe::Code;
using moe::Status;
using moe::json::Value;

struct Backend {
  moe_host host{};
  Workers workers;
  std::unique_ptr<Sessions> sessions;
  std::vector<std::unique_ptr<ServedModel>> models;

  // Ends every request and the engines; the host may still call back meanwhile.
  void stop() {
    if (sessions != nullptr) sessions->stop();
    models.clear();
  }
  ~Backend() {
    stop();
    sessions.reset();
    moe_log_set(nullptr, nullptr, 0);
  }
};

std::unique_ptr<Backend> g_backend;  // set by init, cleared by deinit; calls in between only

Status no_init() { return {Code::unavailable, "the plugin is not initialised"}; }

moe::Result<ServedModel*> find(moe_str id) {
  if (g_backend == nullptr) return no_init();
  for (const auto& model : g_backend->models) {
    if (model->id == view(id)) return model.get();
  }
  return Status(Code::not_found, "model " + std::string(view(id)) + " is not served").with_param("model");
}

moe_status models(const moe_plugin_sink* out) {
  return guarded(nullptr, [&]() -> Status {
    if (g_backend == nullptr) return no_init();
    Value list = Value::array();
    for (const auto& model : g_backend->models) {
      Value item = Value::object();
      item.set("id", Value::string(model->id));
      item.set("max_context_tokens", Value::integer(static_cast<std::int64_t>(model->context)));
      item.set("counts", Value::string("exact"));
      item.set("ready", Value::boolean(true));
      item.set("created", Value::integer(model->created));
      item.set("vocab_size", Value::integer(static_cast<std::int64_t>(model->vocab_size)));
      item.set("build_id", Value::string(moe_build_id()));
      list.push(std::move(item));
    }
    emit(out, moe::json::write(list));
    return {};
  });
}

moe_status facts(moe_str id, const moe_plugin_sink* out) {
  return guarded(nullptr, [&]() -> Status {
    auto model = find(id);
    if (!model.ok()) return model.status();
    Value facts = (*model)->facts;
    for (const char* name : {"num_layers", "num_moe_layers", "num_experts", "experts_per_token"}) {
      facts.set(name, Value::integer(static_cast<std::int64_t>(shape_number((*model)->facts, name))));
    }
    facts.set("max_context_tokens", Value::integer(static_cast<std::int64_t>((*model)->context)));
    facts.set("build_id", Value::string(moe_build_id()));
    emit(out, moe::json::write(facts));
    return {};
  });
}

moe_status prepare(moe_str id, moe_str request, moe_plugin_prepared** out_prepared, moe_plugin_prepared_info* out_info,
                   moe_plugin_error* error) {
  if (out_prepared != nullptr) *out_prepared = nullptr;
  std::string code;
  Status problem;
  const moe_status status = guarded(error, [&]() -> Status {
    if (out_prepared == nullptr) return moe::invalid("out_prepared is NULL");
    auto model = find(id);
    if (!model.ok()) return model.status();
    auto prompt = prepare_prompt(**model, view(request), code);
    if (!prompt.ok()) return problem = prompt.status();
    moe_plugin_prepared_info info = MOE_PLUGIN_PREPARED_INFO_INIT;
    info.prompt_tokens = prompt->prompt.size();
    info.max_context_tokens = (*model)->context;
    info.max_tokens = prompt->max_tokens != 0 ? prompt->max_tokens : (*model)->context - prompt->prompt.size();
    if (Status bad = copy_out(info, out_info, "prepared_info"); !bad.ok()) return bad;
    *out_prepared = reinterpret_cast<moe_plugin_prepared*>(new PreparedPrompt(std::move(prompt).value()));
    return {};
  });
  if (status != MOE_OK && !code.empty()) return fail(error, problem, code);
  return status;
}

moe_status start(moe_plugin_prepared* handle, const moe_plugin_start_options* options, moe_plugin_error* error) {
  const std::unique_ptr<PreparedPrompt> prepared(reinterpret_cast<PreparedPrompt*>(handle));
  return guarded(error, [&]() -> Status {
    if (prepared == nullptr) return moe::invalid("prepared is NULL");
    if (g_backend == nullptr) return no_init();
    moe_plugin_start_options copy{};
    if (Status problem = copy_in(options, copy, "start_options"); !problem.ok()) return problem;
    if (copy.kind != MOE_PLUGIN_KIND_GENERATE) return {Code::unsupported, "this kind of request is not served"};
    return g_backend->sessions->start(*prepared, copy);
  });
}

void discard(moe_plugin_prepared* handle) { delete reinterpret_cast<PreparedPrompt*>(handle); }

void release() {
  if (g_backend != nullptr) g_backend->sessions->release();
}
void control(std::uint64_t tag, Sessions::Control what) {
  if (g_backend != nullptr) g_backend->sessions->control(tag, what);
}
void pause(std::uint64_t tag) { control(tag, Sessions::Control::pause); }
void resume(std::uint64_t tag) { control(tag, Sessions::Control::resume); }
void cancel(std::uint64_t tag) { control(tag, Sessions::Control::cancel); }

using TextCall = moe::Result<std::string> (*)(const ServedModel&, std::string_view);

moe_status text_call(TextCall call, moe_str id, moe_str request, const moe_plugin_sink* out, moe_plugin_error* error) {
  return guarded(error, [&]() -> Status {
    auto model = find(id);
    if (!model.ok()) return model.status();
    auto answer = call(**model, view(request));
    if (!answer.ok()) return answer.status();
    emit(out, *answer);
    return {};
  });
}

moe_status tokenize_call(moe_str id, moe_str request, const moe_plugin_sink* out, moe_plugin_error* error) {
  return text_call(tokenize_json, id, request, out, error);
}
moe_status detokenize_call(moe_str id, moe_str request, const moe_plugin_sink* out, moe_plugin_error* error) {
  return text_call(detokenize_json, id, request, out, error);
}

moe_status counters(moe_str id, moe_plugin_counters* out_counters) {
  return guarded(nullptr, [&]() -> Status {
    auto model = find(id);
    if (!model.ok()) return model.status();
    moe_engine_stats stats = MOE_ENGINE_STATS_INIT;
    const moe_status status = moe_engine_stats_get((*model)->engine.get(), &stats);
    if (status != MOE_OK) return library_error(status);
    moe_plugin_counters counters = MOE_PLUGIN_COUNTERS_INIT;
    counters.running = stats.running;
    counters.waiting = stats.waiting;
    counters.num_threads = stats.num_threads;
    counters.kv_blocks_total = stats.kv_blocks_total;
    counters.kv_blocks_used = stats.kv_blocks_used;
    counters.steps = stats.steps;
    counters.step_ns = stats.step_ns;
    counters.prompt_tokens = stats.prompt_tokens;
    counters.cached_tokens = stats.cached_tokens;
    counters.completion_tokens = stats.completion_tokens;
    counters.weights_bytes = stats.weights_bytes;
    counters.kv_cache_bytes = stats.kv_cache_bytes;
    return copy_out(counters, out_counters, "counters");
  });
}

moe_status expert_counts_call(moe_str id, std::uint64_t* counts, std::uint64_t capacity, std::uint64_t* out_count,
                              std::uint64_t* out_epoch, std::uint32_t* out_layers, std::uint32_t* out_experts) {
  return guarded(nullptr, [&]() -> Status {
    if (out_count == nullptr || out_epoch == nullptr || out_layers == nullptr || out_experts == nullptr) {
      return moe::invalid("an output is NULL");
    }
    *out_count = *out_epoch = 0;
    *out_layers = *out_experts = 0;
    auto model = find(id);
    if (!model.ok()) return model.status();
    if ((*model)->num_experts == 0 || (*model)->moe_layers == 0) return {Code::unsupported, "the model has no experts"};
    *out_layers = (*model)->moe_layers;
    *out_experts = (*model)->num_experts;
    const moe_status status = moe_engine_expert_counts((*model)->engine.get(), counts, capacity, out_count, out_epoch);
    return status == MOE_OK ? Status() : library_error(status);
  });
}

constexpr moe_plugin_backend_1 kTable = {sizeof(moe_plugin_backend_1),
                                         0,
                                         models,
                                         facts,
                                         prepare,
                                         start,
                                         discard,
                                         release,
                                         pause,
                                         resume,
                                         cancel,
                                         tokenize_call,
                                         detokenize_call,
                                         counters,
                                         expert_counts_call};

void log_line(void* user, std::int32_t level, moe_str text) {
  const auto& host = *static_cast<const moe_host*>(user);
  if (host.log != nullptr) host.log(host.context, level, text);
}

Status load_models(Backend& backend, const EngineConfig& config) {
  for (std::size_t i = 0; i < config.models.size(); ++i) {
    Sessions::Port* port = backend.sessions->make_port();
    auto model = load_served_model(config.models[i], backend.workers.get(), Sessions::on_step, port);
    if (!model.ok()) return model.status().with_param("models[" + std::to_string(i) + "].path");
    backend.sessions->attach(*port, **model);
    backend.models.push_back(std::move(model).value());
  }
  return {};
}

}  // namespace

moe_status backend_init(const moe_host* host, moe_str text, moe_plugin_error* error) {
  return guarded(error, [&]() -> Status {
    if (g_backend != nullptr) return moe::invalid("init was called before, without deinit");
    auto backend = std::make_unique<Backend>();
    if (Status problem = copy_in(host, backend->host, "host"); !problem.ok()) return problem;
    if (backend->host.abi_major != MOE_PLUGIN_ABI_MAJOR) {
      return {Code::abi_mismatch, "the host speaks another major version"};
    }
    if (backend->host.on_step == nullptr) return moe::invalid("host.on_step is NULL");
    auto config = read_engine_config(view(text));
    if (!config.ok()) return config.status();
    moe_log_set(log_line, &backend->host, MOE_LOG_INFO);
    moe_workers_options options = MOE_WORKERS_OPTIONS_INIT;
    options.num_threads = config->threads;
    options.no_pinning = config->pin_threads ? 0 : 1;
    moe_workers* workers = nullptr;
    if (const moe_status status = moe_workers_create(&options, &workers); status != MOE_OK) {
      return library_error(status).with_param("threads");
    }
    backend->workers.reset(workers);
    backend->sessions = std::make_unique<Sessions>(backend->host);
    if (Status problem = load_models(*backend, *config); !problem.ok()) return problem;
    g_backend = std::move(backend);
    return {};
  });
}

void backend_deinit() {
  if (g_backend != nullptr) g_backend->stop();
  g_backend.reset();
}

const moe_plugin_backend_1& backend_table() { return kTable; }

}  // namespace moegate::plugins
