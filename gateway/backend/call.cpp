#include "backend/call.hpp"

namespace moegate::backend {
namespace {

constexpr std::uint64_t kMaxAnswer = std::uint64_t{256} << 20;

struct Collected {
  std::string text;
  bool is_too_long = false;
};

moe_plugin_sink sink_to(Collected& out) {
  return {&out, [](void* context, const char* data, std::uint64_t size) {
            auto& to = *static_cast<Collected*>(context);
            if (to.is_too_long || size > kMaxAnswer - to.text.size()) {
              to.is_too_long = true;
            } else {
              to.text.append(data, size);
            }
          }};
}

moe::Code code_of(moe_status status) {
  return status > MOE_OK && status <= MOE_E_FORKED ? static_cast<moe::Code>(status) : moe::Code::internal;
}

moe::Result<moe::json::Value> parse(moe_status status, const Collected& answer) {
  if (status != MOE_OK) return moe::Status(code_of(status), "the plugin refused");
  if (answer.is_too_long) return moe::Status(moe::Code::internal, "the plugin's answer is longer than 256 MiB");
  return moe::json::parse(answer.text, {.max_bytes = kMaxAnswer});
}

}  // namespace

Refusal refusal(moe_status status, moe_plugin_error& error) {
  error.code[sizeof(error.code) - 1] = '\0';
  error.param[sizeof(error.param) - 1] = '\0';
  error.message[sizeof(error.message) - 1] = '\0';
  return {moe::Status(code_of(status), error.message).with_param(error.param), error.code};
}

Outcome<Prepared> call_prepare(const Table& table, std::string_view model, std::string_view request) {
  moe_plugin_prepared* handle = nullptr;
  moe_plugin_prepared_info info = MOE_PLUGIN_PREPARED_INFO_INIT;
  moe_plugin_error error = MOE_PLUGIN_ERROR_INIT;
  const moe_status status = table.prepare(str(model), str(request), &handle, &info, &error);
  if (status != MOE_OK) return refusal(status, error);
  if (handle == nullptr) return Refusal{{moe::Code::internal, "prepare gave no handle"}, {}};
  return Prepared(table, handle, info);
}

Outcome<moe::json::Value> call_text(const Table& table, TextCall which, std::string_view model,
                                    std::string_view request) {
  Collected answer;
  const moe_plugin_sink sink = sink_to(answer);
  moe_plugin_error error = MOE_PLUGIN_ERROR_INIT;
  const auto call = which == TextCall::tokenize ? table.tokenize : table.detokenize;
  const moe_status status = call(str(model), str(request), &sink, &error);
  if (status != MOE_OK) return refusal(status, error);
  auto value = parse(status, answer);
  if (!value) return Refusal{{moe::Code::internal, value.status().message()}, {}};
  return std::move(*value);
}

moe::Result<moe::json::Value> call_facts(const Table& table, std::string_view model) {
  Collected answer;
  const moe_plugin_sink sink = sink_to(answer);
  const moe_status status = table.facts(str(model), &sink);
  return parse(status, answer);
}

moe::Result<moe::json::Value> call_models(const Table& table) {
  Collected answer;
  const moe_plugin_sink sink = sink_to(answer);
  const moe_status status = table.models(&sink);
  return parse(status, answer);
}

}  // namespace moegate::backend
