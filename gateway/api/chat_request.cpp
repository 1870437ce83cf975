#include <algorithm>
#include <array>

#include "api/params.hpp"

namespace moegate::api {
namespace {

using http::Problem;
using moe::json::Value;

constexpr std::array<std::string_view, 6> kRoles = {"developer", "system", "user", "assistant", "tool", "function"};

// Content as one string: a string stays, text parts are joined. Other parts are refused with their path.
std::optional<Value> read_content(Fields& message, const Value& content) {
  if (content.is_string()) return content;
  if (!content.is_array()) {
    message.wrong_type("content", "a string or an array of parts");
    return std::nullopt;
  }
  std::string text;
  for (std::size_t i = 0; i < content.items().size(); ++i) {
    const auto& part = content.items()[i];
    const auto place = "content[" + std::to_string(i) + "]";
    const auto* type = part.find("type");
    if (!part.is_object() || type == nullptr || !type->is_string()) {
      message.fail(Problem::invalid_type, place, "must be an object with a type.");
      return std::nullopt;
    }
    const auto& kind = type->as_string();
    const auto* words = part.find(kind == "refusal" ? "refusal" : "text");
    if (kind != "text" && kind != "refusal") {
      message.fail(Problem::unsupported_parameter, place + ".type", "names content that the model cannot read.",
                   "unsupported_content_type");
      return std::nullopt;
    }
    if (words == nullptr || !words->is_string()) {
      message.wrong_type(place + "." + kind, "a string");
      return std::nullopt;
    }
    text += words->as_string();
  }
  return Value::string(std::move(text));
}

// Arguments are JSON text. Templates iterate an object; what is none goes in as the text it is (F-019).
Value read_arguments(const Value* arguments) {
  if (arguments == nullptr || arguments->is_null()) return Value::object();
  if (!arguments->is_string()) return *arguments;
  if (arguments->as_string().empty()) return Value::object();
  auto parsed = moe::json::parse(arguments->as_string());
  return parsed && parsed->is_object() ? std::move(*parsed) : *arguments;
}

void read_tool_calls(Fields& message, const Value& calls, Value& out) {
  Value list = Value::array();
  for (std::size_t i = 0; i < calls.items().size(); ++i) {
    const auto place = "tool_calls[" + std::to_string(i) + "]";
    const auto& call = calls.items()[i];
    const auto* function = call.find("function");
    const auto* name = function != nullptr ? function->find("name") : nullptr;
    if (name == nullptr || !name->is_string()) return message.wrong_type(place + ".function.name", "a string");
    Value copy = call;
    copy.find("function")->set("arguments", read_arguments(function->find("arguments")));
    list.push(std::move(copy));
  }
  out.set("tool_calls", std::move(list));
}

Value read_message(Fields& message, const Value& source) {
  Value out = source;
  const auto role = message.text("role", 64);
  if (!role) {
    if (!message.error()) message.fail(Problem::missing_required_parameter, "role", "is missing.");
    return out;
  }
  if (std::find(kRoles.begin(), kRoles.end(), *role) == kRoles.end()) {
    message.fail(Problem::invalid_value, "role", "must be one of developer, system, user, assistant, tool.");
    return out;
  }
  if (*role == "developer") out.set("role", Value::string("system"));
  const auto* calls = message.array("tool_calls", 256);
  const auto* content = message.get("content");
  if (content != nullptr) {
    if (auto text = read_content(message, *content)) out.set("content", std::move(*text));
  } else if (*role == "assistant" && calls != nullptr && !calls->items().empty()) {
    out.set("content", Value::string(""));
  } else {
    message.fail(Problem::missing_required_parameter, "content", "is missing.");
  }
  if (calls != nullptr) read_tool_calls(message, *calls, out);
  if (*role == "tool" && !message.text("tool_call_id", 512) && !message.error()) {
    message.fail(Problem::missing_required_parameter, "tool_call_id", "is missing.");
  }
  // One spelling for the template (F-023).
  if (const auto* reasoning = message.get("reasoning");
      reasoning != nullptr && message.get("reasoning_content") == nullptr) {
    out.set("reasoning_content", *reasoning);
  }
  return out;
}

void refuse_tools(Fields& fields) {
  const auto* tools = fields.array("tools", 4096);
  if (tools != nullptr && !tools->items().empty()) return fields.unsupported("tools");
  const auto* choice = fields.get("tool_choice");
  const bool is_idle =
      choice == nullptr || (choice->is_string() && (choice->as_string() == "none" || choice->as_string() == "auto"));
  if (!is_idle) fields.unsupported("tool_choice");
}

void refuse_formats(Fields& fields) {
  if (const auto* format = fields.object("response_format")) {
    const auto* type = format->find("type");
    if (type == nullptr || !type->is_string()) return fields.wrong_type("response_format.type", "a string");
    if (type->as_string() != "text") return fields.unsupported("response_format");
  }
  if (const auto* modalities = fields.array("modalities", 16)) {
    for (const auto& item : modalities->items()) {
      if (!item.is_string() || item.as_string() != "text") return fields.unsupported("modalities");
    }
  }
}

}  // namespace

Value read_chat_prompt(Fields& fields) {
  Value prompt = Value::object();
  const auto* messages = fields.array("messages", kMaxMessages);
  if (messages == nullptr) {
    if (!fields.error()) fields.fail(Problem::missing_required_parameter, "messages", "is missing.");
    return prompt;
  }
  if (messages->items().empty()) fields.fail(Problem::invalid_value, "messages", "must not be empty.");
  Value list = Value::array();
  for (std::size_t i = 0; i < messages->items().size() && !fields.error(); ++i) {
    const auto place = "messages[" + std::to_string(i) + "]";
    const auto& source = messages->items()[i];
    if (!source.is_object()) {
      fields.wrong_type(place, "an object");
      break;
    }
    Fields message(source, place);
    list.push(read_message(message, source));
    fields.adopt(message);
  }
  prompt.set("messages", std::move(list));
  if (const auto* kwargs = fields.object("chat_template_kwargs")) prompt.set("chat_template_kwargs", *kwargs);
  if (const auto add = fields.boolean("add_generation_prompt"))
    prompt.set("add_generation_prompt", Value::boolean(*add));
  return prompt;
}

ParamsOrError read_chat(const Value& body) {
  Fields fields(body);
  Params params;
  params.api = Api::chat;
  Value prompt = read_chat_prompt(fields);
  read_common(fields, params, prompt);
  refuse_tools(fields);
  refuse_formats(fields);
  const bool wants = fields.boolean("logprobs").value_or(false);
  const auto top = fields.integer("top_logprobs", 0, 20);
  if (top && *top > 0 && !wants) fields.fail(Problem::invalid_value, "top_logprobs", "needs 'logprobs' to be true.");
  if (wants) params.logprobs = 1 + static_cast<std::uint32_t>(top.value_or(0));
  if (fields.error()) return *fields.error();
  params.prompts.push_back(std::move(prompt));
  return params;
}

}  // namespace moegate::api
