// Counting and tokenising without generation. Two dialects live on /tokenize and /detokenize: `content` asks as
// llama-server's clients do, `prompt` or `messages` as vLLM's do.
#include "api/endpoints.hpp"
#include "core/json.hpp"

namespace moegate::api {
namespace {

using http::Problem;
using moe::json::Value;

// Runs `work` on the prepare threads, `answer` back on the strand.
template <typename Work>
void off_strand(const Services& services, const Shared& exchange, std::uint64_t bytes, Work work) {
  const auto& principal = *exchange->context.principal;
  const auto ticket = services.backend->pool().submit(
      principal.org + "/" + principal.project, bytes, [exchange, work = std::move(work)] {
        auto response = std::make_shared<http::Response>(work());
        exchange->post([exchange, response] { exchange->respond(std::move(*response)); });
      });
  if (ticket != 0) return;
  exchange->respond(to_response({Problem::engine_overloaded, "Too many requests are waiting.", {}, {}}));
}

http::Response refused(const backend::Refusal& refusal) {
  const auto problem = http::problem_of(refusal.status.code()).value_or(Problem::internal_error);
  if (http::error_info(problem).status >= 500)
    return to_response({problem, "The model cannot take this request now.", {}, {}});
  return to_response({problem, refusal.status.message(), refusal.status.param(), refusal.code});
}

http::Response json_response(const Value& value) {
  http::Response response;
  response.body = moe::json::write(value);
  return response;
}

// Model named in the body, or the only one that the caller may use.
const backend::Model* model_of(const Services& services, middleware::ObservedExchange& exchange, Fields& fields,
                               std::optional<ApiError>& error) {
  if (const auto name = fields.text("model", 256)) return resolve_model(services, exchange, *name, error);
  if (services.lifecycle->is_ready) {
    for (const auto& model : services.backend->models()) {
      if (exchange.context.principal->may_use(model.id)) return resolve_model(services, exchange, model.id, error);
    }
  }
  return resolve_model(services, exchange, "", error);
}

struct TokenizeCall {
  bool is_llama = false, with_pieces = false;
  Value request = Value::object();
};

TokenizeCall read_tokenize(Fields& fields) {
  TokenizeCall call;
  call.is_llama = fields.get("content") != nullptr;
  const bool is_chat = fields.get("messages") != nullptr;
  if (call.is_llama) {
    call.request.set("text", Value::string(fields.text("content", std::size_t{1} << 30).value_or("")));
    call.with_pieces = fields.boolean("with_pieces").value_or(false);
  } else if (is_chat) {
    call.request = read_chat_prompt(fields);
    call.with_pieces = fields.boolean("return_token_strs").value_or(false);
  } else if (const auto text = fields.text("prompt", std::size_t{1} << 30)) {
    call.request.set("text", Value::string(*text));
    call.with_pieces = fields.boolean("return_token_strs").value_or(false);
  } else {
    fields.fail(Problem::missing_required_parameter, "prompt", "is missing.");
  }
  const char* name = call.is_llama ? "add_special" : "add_special_tokens";
  if (!is_chat) {
    call.request.set("add_special", Value::boolean(fields.boolean(name).value_or(!call.is_llama)));
    call.request.set("parse_special", Value::boolean(fields.boolean("parse_special").value_or(true)));
  }
  return call;
}

Value tokenize_answer(const TokenizeCall& call, const backend::Model& model, const Value& found) {
  const auto* tokens = found.find("tokens");
  const auto* pieces = found.find("pieces");
  Value list = Value::array();
  Value names = Value::array();
  const std::size_t count = tokens != nullptr ? tokens->items().size() : 0;
  for (std::size_t i = 0; i < count; ++i) {
    const bool has_piece = call.with_pieces && pieces != nullptr && i < pieces->items().size();
    if (!has_piece) continue;
    names.push(pieces->items()[i]);
    list.push(Value::object().set("id", tokens->items()[i]).set("piece", pieces->items()[i]));
  }
  Value answer = Value::object();
  if (call.is_llama) return answer.set("tokens", call.with_pieces ? std::move(list) : *tokens);
  answer.set("count", Value::integer(static_cast<std::int64_t>(count)));
  answer.set("max_model_len", Value::integer(static_cast<std::int64_t>(model.max_context_tokens)));
  answer.set("tokens", *tokens);
  return answer.set("token_strs", call.with_pieces ? std::move(names) : Value());
}

// Reads the body and the model; answers itself and gives null on an error.
template <typename Read>
const backend::Model* open_call(const Services& services, const Shared& exchange, Read read) {
  std::optional<ApiError> error;
  const auto body = parse_body(exchange->request().body, error);
  if (!error) {
    Fields fields(body);
    read(fields);
    const auto* model = fields.error() ? nullptr : model_of(services, *exchange, fields, error);
    if (fields.error()) error = fields.error();
    if (model != nullptr && !error) return model;
  }
  exchange->respond(to_response(*error));
  return nullptr;
}

}  // namespace

void tokenize(const Services& services, Shared exchange) {
  TokenizeCall call;
  const auto* model = open_call(services, exchange, [&](Fields& fields) { call = read_tokenize(fields); });
  if (model == nullptr) return;
  off_strand(services, exchange, exchange->request().body.size(), [&services, call = std::move(call), model] {
    auto found = services.backend->text(backend::TextCall::tokenize, *model, moe::json::write(call.request));
    if (const auto* refusal = std::get_if<backend::Refusal>(&found)) return refused(*refusal);
    const auto& value = std::get<Value>(found);
    if (value.find("tokens") == nullptr) return refused({{moe::Code::internal, "no tokens"}, {}});
    return json_response(tokenize_answer(call, *model, value));
  });
}

void detokenize(const Services& services, Shared exchange) {
  Value request = Value::object();
  const auto* model = open_call(services, exchange, [&](Fields& fields) {
    const auto* tokens = fields.array("tokens", std::size_t{1} << 22);
    if (tokens != nullptr) {
      request.set("tokens", *tokens);
    } else {
      fields.fail(Problem::missing_required_parameter, "tokens", "is missing.");
    }
  });
  if (model == nullptr) return;
  off_strand(services, exchange, exchange->request().body.size(), [&services, request = std::move(request), model] {
    auto found = services.backend->text(backend::TextCall::detokenize, *model, moe::json::write(request));
    if (const auto* refusal = std::get_if<backend::Refusal>(&found)) return refused(*refusal);
    const auto* text = std::get<Value>(found).find("text");
    if (text == nullptr || !text->is_string()) return refused({{moe::Code::internal, "no text"}, {}});
    // Both spellings: llama-server's clients read one, vLLM's the other.
    return json_response(Value::object().set("content", *text).set("prompt", *text));
  });
}

// What the same body would be billed as prompt tokens: the same prepare counts it.
void count_chat_tokens(const Services& services, Shared exchange) {
  Value request;
  const auto* model = open_call(services, exchange, [&](Fields& fields) { request = read_chat_prompt(fields); });
  if (model == nullptr) return;
  request.set("now", Value::integer(exchange->context.now_us / 1'000'000));
  off_strand(services, exchange, exchange->request().body.size(), [&services, request = std::move(request), model] {
    auto found = services.backend->prepare(*model, moe::json::write(request));
    if (const auto* refusal = std::get_if<backend::Refusal>(&found)) return refused(*refusal);
    const auto count = std::get<backend::Prepared>(found).prompt_tokens();
    return json_response(Value::object()
                             .set("object", Value::string("response.input_tokens"))
                             .set("input_tokens", Value::integer(static_cast<std::int64_t>(count))));
  });
}

}  // namespace moegate::api
