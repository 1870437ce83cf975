#include "kit/scripted_backend.hpp"

#include <algorithm>
#include <memory>
#include <thread>

#include "kit/field_reader.hpp"
#include "kit/player.hpp"
#include "kit/prepare_request.hpp"

namespace moegate::plugins {
namespace {

using moe::Code;
using moe::Status;
using moe::json::Value;

std::unique_ptr<Player> g_player;  // set by init, cleared by deinit; calls in between only

Status not_served(std::string_view model) {
  return Status(Code::not_found, "model " + std::string(model) + " is not served").with_param("model");
}

// The scripted tokenizer: a byte is a token. A chat is its roles and contents, a line each.
void append_bytes(std::string_view text, std::vector<std::int32_t>& out) {
  for (const char byte : text) out.push_back(static_cast<unsigned char>(byte));
}

std::vector<std::int32_t> prompt_ids(const PrepareRequest& request) {
  if (request.has_ids) return request.prompt_ids;
  std::vector<std::int32_t> ids;
  if (!request.is_chat) {
    append_bytes(request.prompt_text, ids);
    return ids;
  }
  for (const Value& message : request.body.find("messages")->items()) {
    append_bytes(message.find("role")->as_string() + ": " + content_text(message) + "\n", ids);
  }
  return ids;
}

// What entries are matched with: the last user message or the prompt; prompt ids as the bytes that they stand for.
std::string match_text(const PrepareRequest& request) {
  if (!request.has_ids) return request.last_user_text();
  std::string text;
  for (const std::int32_t id : request.prompt_ids) {
    if (id < 256) text += static_cast<char>(id);
  }
  return text;
}

struct Matched {
  PrepareRequest request;
  std::unique_ptr<PreparedScript> prepared;
};

moe::Result<Matched> match(std::string_view model, std::string_view text) {
  auto request = read_prepare_request(text);
  if (!request.ok()) return request.status();
  const auto& models = g_player->models();
  const auto served = std::ranges::find(models, model, &ScriptedModel::id);
  if (served == models.end()) return not_served(model);
  auto prepared = std::make_unique<PreparedScript>();
  prepared->model = served->id;
  prepared->script = served->script;
  prepared->entry = served->script->find(match_text(*request));
  if (prepared->entry == nullptr) {
    return moe::invalid("no entry of the script matches this prompt").with_param(request->prompt_field());
  }
  prepared->prompt = prompt_ids(*request);
  if (prepared->entry->prompt_tokens) prepared->prompt.resize(*prepared->entry->prompt_tokens, 0);
  if (prepared->prompt.empty()) return moe::invalid("the prompt has no tokens").with_param(request->prompt_field());
  return Matched{std::move(request).value(), std::move(prepared)};
}

// Prompt and what may be generated against the context.
Status check_context(const Matched& matched, std::string& code) {
  const std::uint64_t context = matched.prepared->script->max_context_tokens;
  const std::uint64_t prompt = matched.prepared->prompt.size();
  if (prompt < context && prompt + matched.request.max_tokens.value_or(1) <= context) {
    matched.prepared->max_tokens = matched.request.max_tokens.value_or(context - prompt);
    return {};
  }
  code = "context_length_exceeded";
  return Status(Code::out_of_range, "this model's context is " + std::to_string(context) + " tokens; the prompt has " +
                                        std::to_string(prompt) + " and " +
                                        std::to_string(matched.request.max_tokens.value_or(1)) + " more are asked for")
      .with_param(matched.request.prompt_field());
}

moe_status prepare(moe_str model, moe_str request, moe_plugin_prepared** out_prepared,
                   moe_plugin_prepared_info* out_info, moe_plugin_error* error) {
  if (out_prepared != nullptr) *out_prepared = nullptr;
  std::string code;
  const moe_status status = guarded(nullptr, [&]() -> Status {
    const auto refuse = [&](Status problem) {
      fail(error, problem, code);
      return problem;
    };
    if (g_player == nullptr || out_prepared == nullptr) return refuse(moe::invalid("no init, or an argument is NULL"));
    auto matched = match(view(model), view(request));
    if (!matched.ok()) return refuse(matched.status());
    const ScriptEntry& entry = *matched->prepared->entry;
    if (entry.prepare_delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(entry.prepare_delay_ms));
    if (entry.prepare_fault) {
      code = entry.prepare_fault->code;
      return refuse(entry.prepare_fault->status);
    }
    if (Status problem = check_context(*matched, code); !problem.ok()) return refuse(std::move(problem));
    PreparedScript& prepared = *matched->prepared;
    prepared.stop = std::move(matched->request.stop);
    prepared.stop_tokens = std::move(matched->request.stop_tokens);
    moe_plugin_prepared_info info = MOE_PLUGIN_PREPARED_INFO_INIT;
    info.prompt_tokens = prepared.prompt.size();
    info.max_context_tokens = prepared.script->max_context_tokens;
    info.max_tokens = prepared.max_tokens;
    if (Status problem = copy_out(info, out_info, "prepared_info"); !problem.ok()) return refuse(std::move(problem));
    *out_prepared = reinterpret_cast<moe_plugin_prepared*>(matched->prepared.release());
    return {};
  });
  return status;
}

moe_status start(moe_plugin_prepared* handle, const moe_plugin_start_options* options, moe_plugin_error* error) {
  std::unique_ptr<PreparedScript> prepared(reinterpret_cast<PreparedScript*>(handle));
  std::string code;
  const moe_status status = guarded(error, [&]() -> Status {
    if (prepared == nullptr || g_player == nullptr) return moe::invalid("prepared is NULL, or no init");
    moe_plugin_start_options copy{};
    if (Status problem = copy_in(options, copy, "start_options"); !problem.ok()) return problem;
    if (copy.kind != MOE_PLUGIN_KIND_GENERATE) return {Code::unsupported, "this kind of request is not served"};
    if (copy.num_choices > 128) return moe::invalid("at most 128 choices").with_param("n");
    if (copy.logprobs > 21) return moe::invalid("at most 20 alternatives").with_param("top_logprobs");
    if (prepared->entry->start_fault) {
      code = prepared->entry->start_fault->code;
      return prepared->entry->start_fault->status;
    }
    return g_player->start(std::move(prepared), copy);
  });
  if (status != MOE_OK && error != nullptr && !code.empty()) {
    std::copy_n(code.c_str(), std::min(code.size() + 1, sizeof(error->code) - 1), error->code);
  }
  return status;
}

void discard(moe_plugin_prepared* prepared) { delete reinterpret_cast<PreparedScript*>(prepared); }

void release() {
  if (g_player != nullptr) g_player->release();
}
void pause(std::uint64_t tag) {
  if (g_player != nullptr) g_player->set_paused(tag, true);
}
void resume(std::uint64_t tag) {
  if (g_player != nullptr) g_player->set_paused(tag, false);
}
void cancel(std::uint64_t tag) {
  if (g_player != nullptr) g_player->cancel(tag);
}

moe_status models(const moe_plugin_sink* out) {
  return guarded(nullptr, [&]() -> Status {
    if (g_player == nullptr) return {Code::unavailable, "no init"};
    Value list = Value::array();
    for (const ScriptedModel& model : g_player->models()) {
      Value item = Value::object();
      item.set("id", Value::string(model.id));
      item.set("max_context_tokens", Value::integer(static_cast<std::int64_t>(model.script->max_context_tokens)));
      item.set("counts", Value::string(model.script->counts));
      item.set("ready", Value::boolean(true));
      item.set("created", Value::integer(0));
      item.set("vocab_size", Value::integer(256));
      list.push(std::move(item));
    }
    emit(out, moe::json::write(list));
    return {};
  });
}

moe_status facts(moe_str model, const moe_plugin_sink* out) {
  return guarded(nullptr, [&]() -> Status {
    const Script* script = g_player == nullptr ? nullptr : g_player->find(view(model));
    if (script == nullptr) return not_served(view(model));
    Value facts = Value::object();
    facts.set("family", Value::string("scripted"));
    facts.set("max_context_tokens", Value::integer(static_cast<std::int64_t>(script->max_context_tokens)));
    facts.set("vocab_size", Value::integer(256));
    facts.set("moe_layers", Value::integer(script->experts == 0 ? 0 : script->layers));
    facts.set("num_experts", Value::integer(script->experts));
    facts.set("experts_per_token", Value::integer(script->experts_per_token));
    for (const auto& [name, value] : script->facts.members()) facts.set(name, value);
    emit(out, moe::json::write(facts));
    return {};
  });
}

Value piece_of(std::int32_t id) {
  if (id < 128) return Value::string(std::string(1, static_cast<char>(id)));
  Value bytes = Value::array();
  if (id < 256) bytes.push(Value::integer(id));
  return bytes;
}

// A text by its bytes; a chat as prepare would count it, so that both answers agree.
moe::Result<std::vector<std::int32_t>> tokenize_ids(std::string_view model, std::string_view request) {
  auto body = moe::json::parse(request);
  if (!body.ok()) return body.status();
  std::vector<std::int32_t> ids;
  if (const Value* text = body->find("text")) {
    if (!text->is_string()) return moe::invalid("text must be a string").with_param("text");
    append_bytes(text->as_string(), ids);
    return ids;
  }
  auto matched = match(model, request);
  if (!matched.ok()) return matched.status();
  return std::move(matched->prepared->prompt);
}

moe_status tokenize(moe_str model, moe_str request, const moe_plugin_sink* out, moe_plugin_error* error) {
  return guarded(error, [&]() -> Status {
    if (g_player == nullptr || g_player->find(view(model)) == nullptr) return not_served(view(model));
    auto ids = tokenize_ids(view(model), view(request));
    if (!ids.ok()) return ids.status();
    Value tokens = Value::array(), pieces = Value::array();
    for (const std::int32_t id : *ids) {
      tokens.push(Value::integer(id));
      pieces.push(piece_of(id));
    }
    Value answer = Value::object();
    answer.set("tokens", std::move(tokens)).set("pieces", std::move(pieces));
    emit(out, moe::json::write(answer));
    return {};
  });
}

moe_status detokenize(moe_str model, moe_str request, const moe_plugin_sink* out, moe_plugin_error* error) {
  return guarded(error, [&]() -> Status {
    if (g_player == nullptr || g_player->find(view(model)) == nullptr) return not_served(view(model));
    auto body = moe::json::parse(view(request));
    if (!body.ok()) return body.status();
    FieldReader fields(*body, "");
    const Value* tokens = fields.array("tokens");
    if (tokens == nullptr) fields.fail("tokens", "must be an array of token ids");
    if (Status problem = fields.finish(false); !problem.ok()) return problem;
    std::string text;
    for (std::size_t i = 0; i < tokens->items().size(); ++i) {
      const auto id = tokens->items()[i].is_integer() ? tokens->items()[i].as_int64() : std::nullopt;
      if (!id || *id < 0 || *id > 255) {
        const std::string path = "tokens[" + std::to_string(i) + "]";
        return moe::invalid(path + " is no token of this model").with_param(path);
      }
      text += *id < 128 ? std::string(1, static_cast<char>(*id)) : std::string("\xEF\xBF\xBD");
    }
    Value answer = Value::object();
    answer.set("text", Value::string(std::move(text)));
    emit(out, moe::json::write(answer));
    return {};
  });
}

moe_status counters(moe_str model, moe_plugin_counters* out_counters) {
  return guarded(nullptr, [&]() -> Status {
    moe_plugin_counters counters = MOE_PLUGIN_COUNTERS_INIT;
    if (g_player == nullptr) return {Code::unavailable, "no init"};
    if (Status problem = g_player->counters(view(model), counters); !problem.ok()) return problem;
    return copy_out(counters, out_counters, "counters");
  });
}

moe_status expert_counts(moe_str model, std::uint64_t* counts, std::uint64_t capacity, std::uint64_t* out_count,
                         std::uint64_t* out_epoch, std::uint32_t* out_layers, std::uint32_t* out_experts) {
  return guarded(nullptr, [&]() -> Status {
    if (out_count == nullptr || out_epoch == nullptr || out_layers == nullptr || out_experts == nullptr) {
      return moe::invalid("an output is NULL");
    }
    *out_count = 0;
    const Script* script = g_player == nullptr ? nullptr : g_player->find(view(model));
    if (script == nullptr) return not_served(view(model));
    if (script->experts == 0) return {Code::unsupported, "the model has no experts"};
    std::vector<std::uint64_t> values;
    if (Status problem = g_player->expert_counts(view(model), values, *out_epoch); !problem.ok()) return problem;
    *out_count = values.size();
    *out_layers = script->layers;
    *out_experts = script->experts;
    if (capacity < values.size() || counts == nullptr) return {Code::out_of_range, "the buffer is too small"};
    std::copy(values.begin(), values.end(), counts);
    return {};
  });
}

constexpr moe_plugin_backend_1 kBackend = {sizeof(moe_plugin_backend_1),
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
                                           tokenize,
                                           detokenize,
                                           counters,
                                           expert_counts};

moe::Result<std::vector<ScriptedModel>> read_models(const Value& config, const ScriptSource& source) {
  const Value* list = config.find("models");
  if (list == nullptr || !list->is_array()) return moe::invalid("models must be an array").with_param("models");
  std::vector<ScriptedModel> models;
  for (std::size_t i = 0; i < list->items().size(); ++i) {
    const std::string path = "models[" + std::to_string(i) + "]";
    const Value* id = list->items()[i].find("id");
    if (id == nullptr || !id->is_string() || id->as_string().empty()) {
      return moe::invalid(path + ".id must be a string").with_param(path + ".id");
    }
    const auto same = [&](const ScriptedModel& model) { return model.id == id->as_string(); };
    if (std::ranges::any_of(models, same)) return moe::invalid(path + ".id is served already").with_param(path + ".id");
    auto script = source(config, list->items()[i]);
    if (!script.ok()) {
      const std::string below = script.status().param();
      return script.status().with_context(path).with_param(below.empty() ? path : path + "." + below);
    }
    models.push_back({id->as_string(), std::make_shared<const Script>(std::move(script).value())});
  }
  return models;
}

}  // namespace

moe_status scripted_init(const moe_host* host, moe_str config, moe_plugin_error* error, const ScriptSource& source) {
  return guarded(error, [&]() -> Status {
    if (g_player != nullptr) return moe::invalid("init was called before, without deinit");
    moe_host copy{};
    if (Status problem = copy_in(host, copy, "host"); !problem.ok()) return problem;
    if (copy.abi_major != MOE_PLUGIN_ABI_MAJOR) return {Code::abi_mismatch, "the host speaks another major version"};
    if (copy.on_step == nullptr) return moe::invalid("host.on_step is NULL");
    auto parsed = moe::json::parse(view(config));
    if (!parsed.ok()) return parsed.status().with_context("config");
    auto models = read_models(*parsed, source);
    if (!models.ok()) return models.status();
    FieldReader fields(*parsed, "");
    const std::int64_t step_ms = fields.integer("step_ms", 0, 0, 60000);
    if (Status problem = fields.finish(false); !problem.ok()) return problem;
    g_player = std::make_unique<Player>(copy, std::move(models).value(), step_ms);
    return {};
  });
}

void scripted_deinit() {
  if (g_player != nullptr) g_player->stop();  // while the host can still call back from the last steps
  g_player.reset();
}

const moe_plugin_backend_1& scripted_backend() { return kBackend; }

}  // namespace moegate::plugins
