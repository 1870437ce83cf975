// moegate chat MODEL [--message TEXT] ...: a chat in the terminal, streamed; with --message one question and its
// answer.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "core/json.hpp"
#include "tools.hpp"

namespace moegate::plugins {
namespace {

using moe::Status;
using moe::json::Value;

constexpr std::string_view kHelp =
    "usage: moegate chat MODEL [--message TEXT] [--system TEXT] [--max-tokens N] [--temperature T] [--seed N]\n"
    "                          [--threads N] [--quiet] [--json]\n"
    "Without --message it reads questions line by line; an empty line or the end of the input ends it.";

struct ChatOptions {
  std::uint64_t max_tokens = 0, seed = 0;
  float temperature = 0;
};

struct Reply {
  std::string text;
  std::uint64_t prompt_tokens = 0, completion_tokens = 0;
  std::int32_t finish = MOE_FINISH_NONE;
  double seconds = 0;
};

Value message(const char* role, std::string content) {
  return Value::object().set("role", Value::string(role)).set("content", Value::string(std::move(content)));
}

// Reads events until FINAL, printing text as it comes if `live`.
Status read_reply(moe_sequence* sequence, const Terminal& terminal, bool live, Reply& reply) {
  while (true) {
    moe_event event{};
    event.struct_size = sizeof(event);
    if (const moe_status status = moe_sequence_read(sequence, UINT64_MAX, &event); status != MOE_OK) {
      return library_error(status);
    }
    const std::string_view text = view(event.text);
    reply.text += text;
    if (live && !text.empty()) terminal.out(text);
    reply.prompt_tokens = event.prompt_tokens + event.cached_tokens;
    reply.completion_tokens = event.completion_tokens;
    if (event.kind != MOE_EVENT_FINAL) continue;
    reply.finish = event.finish_reason;
    reply.seconds = static_cast<double>(event.prefill_ns + event.decode_ns) / 1e9;
    if (event.status == MOE_OK) return {};
    return {static_cast<moe::Code>(event.status), "the engine ended the answer early"};
  }
}

moe::Result<Reply> answer(const moe_model* model, moe_engine* engine, const Value& messages, const ChatOptions& options,
                          const Terminal& terminal, bool live) {
  auto tokens = tokenize_chat(model, moe::json::write(Value::object().set("messages", messages)));
  if (!tokens.ok()) return tokens.status();
  moe_sequence* raw = nullptr;
  if (const moe_status status = moe_sequence_create(engine, &raw); status != MOE_OK) return library_error(status);
  const Sequence sequence(raw);
  moe_request request = MOE_REQUEST_INIT;
  request.prompt = tokens->data();
  request.num_prompt = tokens->size();
  request.max_tokens = options.max_tokens;
  request.temperature = options.temperature;
  request.seed = options.seed;
  if (const moe_status status = moe_sequence_start(raw, &request); status != MOE_OK) return library_error(status);
  Reply reply;
  if (Status status = read_reply(raw, terminal, live, reply); !status.ok()) return status;
  return reply;
}

void print_end(const Terminal& terminal, const Reply& reply, bool is_quiet) {
  terminal.out("\n");
  if (is_quiet) return;
  char line[160];
  const double rate = reply.seconds > 0 ? static_cast<double>(reply.completion_tokens) / reply.seconds : 0;
  std::snprintf(line, sizeof(line), "[%llu prompt + %llu completion tokens, %.1f tokens/s%s]\n",
                static_cast<unsigned long long>(reply.prompt_tokens),
                static_cast<unsigned long long>(reply.completion_tokens), rate,
                reply.finish == MOE_FINISH_LENGTH ? ", cut by the length limit" : "");
  terminal.err(line);
}

void print_json(const Terminal& terminal, const Reply& reply) {
  Value value = Value::object();
  value.set("text", Value::string(reply.text));
  value.set("prompt_tokens", Value::integer(static_cast<std::int64_t>(reply.prompt_tokens)));
  value.set("completion_tokens", Value::integer(static_cast<std::int64_t>(reply.completion_tokens)));
  value.set("finish_reason", Value::string(reply.finish == MOE_FINISH_LENGTH ? "length" : "stop"));
  terminal.out(moe::json::write(value) + "\n");
}

moe::Result<ChatOptions> read_options(const Arguments& arguments) {
  ChatOptions options;
  auto max_tokens = read_number(arguments, "max-tokens", 0, 1, std::uint64_t{1} << 32);
  if (!max_tokens.ok()) return max_tokens.status();
  options.max_tokens = *max_tokens;
  auto seed = read_number(arguments, "seed", 0, 0, UINT64_MAX);
  if (!seed.ok()) return seed.status();
  options.seed = *seed;
  const std::string temperature = arguments.text("temperature", "0");
  auto value = moe::json::parse(temperature);
  if (!value.ok() || !value->is_number() || !(value->as_double() >= 0 && value->as_double() <= 2)) {
    return moe::invalid("--temperature: \"" + temperature + "\" is no number from 0 to 2");
  }
  options.temperature = static_cast<float>(value->as_double());
  return options;
}

moe::Result<Engine> make_engine(moe_model* model, moe_workers* workers) {
  moe_engine_options options = MOE_ENGINE_OPTIONS_INIT;
  options.workers = workers;
  options.max_sequences = 1;
  moe_engine* engine = nullptr;
  if (const moe_status status = moe_engine_create(model, &options, &engine); status != MOE_OK)
    return library_error(status);
  return Engine(engine);
}

std::int32_t converse(const Arguments& arguments, const Terminal& terminal, const moe_model* model, moe_engine* engine,
                      const ChatOptions& options) {
  const bool one_shot = arguments.has("message"), is_json = arguments.has("json"), is_quiet = arguments.has("quiet");
  Value messages = Value::array();
  if (arguments.has("system")) messages.push(message("system", arguments.text("system", "")));
  while (true) {
    std::string question = arguments.text("message", "");
    if (!one_shot) {
      if (!is_quiet) terminal.err("> ");
      if (!terminal.read_line(question) || question.empty()) return kDone;
    }
    messages.push(message("user", question));
    auto reply = answer(model, engine, messages, options, terminal, !is_json);
    if (!reply.ok()) {
      if (one_shot) return terminal.fail(reply.status());
      terminal.err("error: " + reply.status().message() + "\n");
      messages.items().pop_back();
      continue;
    }
    if (is_json) {
      print_json(terminal, *reply);
    } else {
      print_end(terminal, *reply, is_quiet);
    }
    if (one_shot) return kDone;
    messages.push(message("assistant", reply->text));
  }
}

}  // namespace

std::int32_t run_chat(const Arguments& arguments, const Terminal& terminal) {
  if (arguments.positional.size() != 1) return terminal.usage("give one model folder", kHelp);
  auto options = read_options(arguments);
  if (!options.ok()) return terminal.usage(options.status().message(), kHelp);
  auto threads = read_number(arguments, "threads", 0, 1, 4096);
  if (!threads.ok()) return terminal.usage(threads.status().message(), kHelp);
  auto workers = make_workers(static_cast<std::uint32_t>(*threads));
  if (!workers.ok()) return terminal.fail(workers.status());
  const bool is_quiet = arguments.has("quiet") || arguments.has("json");
  auto model = load_with_progress(terminal, arguments.positional[0], workers->get(), is_quiet);
  if (!model.ok()) return terminal.fail(model.status());
  auto engine = make_engine(model->get(), workers->get());
  if (!engine.ok()) return terminal.fail(engine.status());
  return converse(arguments, terminal, model->get(), engine->get(), *options);
}

}  // namespace moegate::plugins
