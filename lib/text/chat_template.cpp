#include "text/chat_template.hpp"

#include <algorithm>

#include "text/jinja/template.hpp"
#include "text/tokenizer_parts.hpp"
#include "text/unicode.hpp"

namespace moe::text {
namespace {

constexpr std::size_t kMaxSource = std::size_t{1} << 20;
constexpr std::size_t kMaxConfig = std::size_t{64} << 20;
constexpr std::string_view kReserved[] = {"messages", "tools", "documents", "add_generation_prompt"};

Status to_status(const jinja::Error& error, std::string_view what) {
  const std::string line = error.line > 0 ? " (line " + std::to_string(error.line) + ")" : "";
  if (error.kind == "raise_exception") return Status(Code::invalid_argument, error.message).with_param("messages");
  // Too long a text is a prompt that cannot fit; the other bounds are the template's work.
  if (error.kind == "size") return Status(Code::out_of_range, "prompt: " + error.message).with_param("messages");
  if (error.kind == "limit") return {Code::resource_exhausted, std::string(what) + ": " + error.message + line};
  return Status(Code::invalid_argument, std::string(what) + ": " + error.kind + ": " + error.message + line)
      .with_param("messages");
}

std::vector<PromptPart> to_parts(const jinja::Str& text) {
  std::vector<PromptPart> parts;
  std::size_t done = 0;
  const auto add = [&](std::size_t end, bool from_request) {
    if (end > done) parts.push_back({text.text().substr(done, end - done), from_request});
    done = end;
  };
  for (const auto& span : text.spans()) {
    add(span.begin, false);
    add(span.end, true);
  }
  add(text.size(), false);
  return parts;
}

class JinjaTemplate final : public ChatTemplate {
 public:
  JinjaTemplate(jinja::Template parsed, std::vector<std::pair<std::string, std::string>> special,
                std::size_t max_output_bytes)
      : parsed_(std::move(parsed)), special_(std::move(special)), max_output_bytes_(max_output_bytes) {}

  Result<std::vector<PromptPart>> render(const ChatRequest& request) const override {
    try {
      std::vector<std::pair<std::string, jinja::Value>> variables;
      for (const auto& [name, text] : special_) variables.emplace_back(name, jinja::Value::string(text));
      for (const auto& [name, value] : request.template_kwargs.members()) {
        if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved)) {
          return invalid("template variable " + name + " is reserved").with_param("chat_template_kwargs." + name);
        }
        variables.emplace_back(name, jinja::Value::from_json(value));
      }
      variables.emplace_back("messages", jinja::Value::from_json(request.messages));
      variables.emplace_back("tools", jinja::Value::from_json(request.tools));
      variables.emplace_back("documents", jinja::Value::from_json(request.documents));
      variables.emplace_back("add_generation_prompt", jinja::Value::boolean(request.add_generation_prompt));
      jinja::Bounds bounds;
      bounds.max_output = max_output_bytes_;
      return to_parts(parsed_.render(variables, bounds, request.now_seconds).text);
    } catch (const jinja::Error& error) {
      return to_status(error, "chat template");
    }
  }

 private:
  jinja::Template parsed_;
  std::vector<std::pair<std::string, std::string>> special_;
  std::size_t max_output_bytes_;
};

// chat_template of tokenizer_config.json: a text, or a list of named ones of which "default" counts.
std::string configured_template(const json::Value& config) {
  const json::Value* found = config.find("chat_template");
  if (found == nullptr) return {};
  if (found->is_string()) return found->as_string();
  for (const json::Value& entry : found->items()) {
    const json::Value* name = entry.find("name");
    const json::Value* source = entry.find("template");
    if (name != nullptr && name->is_string() && name->as_string() == "default" && source != nullptr &&
        source->is_string()) {
      return source->as_string();
    }
  }
  return {};
}

std::vector<std::pair<std::string, std::string>> special_tokens(const json::Value& config) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const char* name :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    std::string spelling = token_spelling(config.find(name));
    if (!spelling.empty()) out.emplace_back(name, std::move(spelling));
  }
  return out;
}

}  // namespace

Result<std::shared_ptr<const ChatTemplate>> compile_chat_template(
    std::string_view source, std::vector<std::pair<std::string, std::string>> special, std::size_t max_output_bytes) {
  if (source.size() > kMaxSource) return invalid("chat template: longer than 1 MiB");
  if (find_invalid_utf8(source) != std::string_view::npos) return invalid("chat template: not UTF-8");
  try {
    return std::shared_ptr<const ChatTemplate>(
        std::make_shared<JinjaTemplate>(jinja::Template::parse(source), std::move(special), max_output_bytes));
  } catch (const jinja::Error& error) {
    return invalid("chat template: line " + std::to_string(error.line) + ": " + error.message);
  }
}

Result<std::shared_ptr<const ChatTemplate>> load_chat_template(const std::filesystem::path& folder,
                                                               std::size_t max_output_bytes) {
  json::Value config = json::Value::object();
  auto read = read_json_file(folder / "tokenizer_config.json", kMaxConfig);
  if (read.ok()) {
    config = std::move(*read);
  } else if (read.status().code() != Code::not_found) {
    return read.status();
  }
  std::string source;
  auto file = read_text_file(folder / "chat_template.jinja", kMaxSource);
  if (file.ok()) {
    source = std::move(*file);
  } else if (file.status().code() != Code::not_found) {
    return file.status();
  } else {
    source = configured_template(config);
  }
  if (source.empty()) return Status(Code::not_found, folder.string() + ": no chat template");
  return compile_chat_template(source, special_tokens(config), max_output_bytes);
}

std::string join(const std::vector<PromptPart>& parts) {
  std::string text;
  for (const PromptPart& part : parts) text += part.text;
  return text;
}

Result<std::vector<std::int32_t>> encode_prompt(const Tokenizer& tokenizer, const std::vector<PromptPart>& parts) {
  return tokenizer.encode_parts(parts);
}

}  // namespace moe::text
