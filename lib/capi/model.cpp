// moe_model_*.
#include "capi/guarded.hpp"
#include "capi/handles.hpp"
#include "core/json.hpp"

using namespace moe;
using namespace moe::capi;

namespace {

Result<const text::Tokenizer*> tokenizer_of(const moe_model* model) {
  if (model == nullptr) {
    return null_argument("model");
  }
  if (model->model->tokenizer() == nullptr) {
    return Status(Code::unsupported, "the model folder has no tokenizer");
  }
  return model->model->tokenizer();
}

Status read_chat_field(const std::string& key, json::Value& value, text::ChatRequest& request) {
  if (key == "messages" || key == "tools" || key == "documents") {
    if (!value.is_array() && (key == "messages" || !value.is_null())) {
      return invalid("request." + key + ": not an array");
    }
    (key == "messages" ? request.messages : (key == "tools" ? request.tools : request.documents)) = std::move(value);
  } else if (key == "chat_template_kwargs") {
    if (!value.is_object() && !value.is_null()) {
      return invalid("request.chat_template_kwargs: not an object");
    }
    request.template_kwargs = std::move(value);
  } else if (key == "add_generation_prompt") {
    if (!value.is_bool()) {
      return invalid("request.add_generation_prompt: not true or false");
    }
    request.add_generation_prompt = value.as_bool();
  } else if (key == "now") {
    const auto now = value.is_integer() ? value.as_int64() : std::nullopt;
    if (!now) {
      return invalid("request.now: not an integer");
    }
    request.now_seconds = *now;
  } else {
    return invalid("request." + key + ": unknown key");
  }
  return {};
}

Result<std::vector<text::PromptPart>> render(const moe_model* model, moe_str request_text) {
  if (model == nullptr) {
    return null_argument("model");
  }
  if (model->model->chat_template() == nullptr) {
    return Status(Code::unsupported, "the model folder has no chat template");
  }
  auto root = json::parse(view(request_text));
  if (!root.ok()) {
    return root.status().with_context("request");
  }
  if (!root->is_object() || root->find("messages") == nullptr) {
    return invalid("request: not an object with messages");
  }
  text::ChatRequest request;
  for (auto& [key, value] : root->members()) {
    if (Status status = read_chat_field(key, value, request); !status.ok()) {
      return status;
    }
  }
  return model->model->chat_template()->render(request);
}

}  // namespace

extern "C" {

moe_status moe_model_load(moe_str path, const moe_model_options* options, moe_model** out_model) {
  return guarded([&]() -> Status {
    if (out_model == nullptr) {
      return null_argument("out_model");
    }
    *out_model = nullptr;
    moe_model_options in = MOE_MODEL_OPTIONS_INIT;
    if (options != nullptr) {
      if (Status status = copy_in(options, sizeof in, "options", in); !status.ok()) {
        return status;
      }
    }
    if (view(path).empty() || view(path).find('\0') != std::string_view::npos) {
      return invalid("path: empty, or with a zero byte");
    }
    if (in.weights != MOE_WEIGHTS_NATIVE && in.weights != MOE_WEIGHTS_F32) {
      return invalid("options.weights: " + std::to_string(in.weights) + " is no MOE_WEIGHTS_ value");
    }
    model::LoadOptions load;
    load.pool = in.workers == nullptr ? nullptr : in.workers->pool;
    if (in.progress != nullptr) {
      load.progress = [&](std::uint64_t done, std::uint64_t total) {
        return in.progress(in.progress_user, done, total) == 0;
      };
    }
    claim_process();
    auto model = model::Model::load(std::filesystem::path(std::string(view(path))), load);
    if (!model.ok()) {
      return model.status();
    }
    *out_model = new moe_model{std::move(*model)};
    return {};
  });
}

void moe_model_destroy(moe_model* model) { delete model; }

moe_status moe_model_facts(const moe_model* model, char* buffer, uint64_t capacity, uint64_t* out_size) {
  return guarded([&]() -> Status {
    if (out_size == nullptr) {
      return null_argument("out_size");
    }
    *out_size = 0;
    if (model == nullptr) {
      return null_argument("model");
    }
    return copy_buffer<char>(model->model->facts(), buffer, capacity, out_size);
  });
}

moe_status moe_model_tokenize(const moe_model* model, moe_str text, uint32_t flags, int32_t* tokens, uint64_t capacity,
                              uint64_t* out_count) {
  return guarded([&]() -> Status {
    if (out_count == nullptr) {
      return null_argument("out_count");
    }
    *out_count = 0;
    auto tokenizer = tokenizer_of(model);
    if (!tokenizer.ok()) {
      return tokenizer.status();
    }
    if ((flags & ~(MOE_TOKENIZE_ADD_SPECIAL | MOE_TOKENIZE_PARSE_SPECIAL)) != 0) {
      return invalid("flags: unknown bit");
    }
    text::EncodeOptions options;
    options.add_special = (flags & MOE_TOKENIZE_ADD_SPECIAL) != 0;
    options.parse_special = (flags & MOE_TOKENIZE_PARSE_SPECIAL) != 0;
    const auto ids = (*tokenizer)->encode(view(text), options);
    if (!ids.ok()) {
      return ids.status();
    }
    return copy_buffer<std::int32_t>(*ids, tokens, capacity, out_count);
  });
}

moe_status moe_model_detokenize(const moe_model* model, const int32_t* tokens, uint64_t count, uint32_t flags,
                                char* buffer, uint64_t capacity, uint64_t* out_size) {
  return guarded([&]() -> Status {
    if (out_size == nullptr) {
      return null_argument("out_size");
    }
    *out_size = 0;
    auto tokenizer = tokenizer_of(model);
    if (!tokenizer.ok()) {
      return tokenizer.status();
    }
    if (tokens == nullptr && count != 0) {
      return null_argument("tokens");
    }
    if ((flags & ~MOE_DETOKENIZE_SKIP_SPECIAL) != 0) {
      return invalid("flags: unknown bit");
    }
    const std::span<const std::int32_t> ids(tokens, count);
    for (const std::int32_t id : ids) {
      if (!model->model->is_token(id)) {
        return invalid("tokens: " + std::to_string(id) + " is no token of this model");
      }
    }
    return copy_buffer<char>((*tokenizer)->decode(ids, (flags & MOE_DETOKENIZE_SKIP_SPECIAL) != 0), buffer, capacity,
                             out_size);
  });
}

moe_status moe_model_token_bytes(const moe_model* model, int32_t token, char* buffer, uint64_t capacity,
                                 uint64_t* out_size) {
  return guarded([&]() -> Status {
    if (out_size == nullptr) {
      return null_argument("out_size");
    }
    *out_size = 0;
    auto tokenizer = tokenizer_of(model);
    if (!tokenizer.ok()) {
      return tokenizer.status();
    }
    if (!model->model->is_token(token)) {
      return invalid("token: " + std::to_string(token) + " is no token of this model");
    }
    return copy_buffer<char>((*tokenizer)->token_bytes(token), buffer, capacity, out_size);
  });
}

moe_status moe_model_render_chat(const moe_model* model, moe_str request, char* buffer, uint64_t capacity,
                                 uint64_t* out_size) {
  return guarded([&]() -> Status {
    if (out_size == nullptr) {
      return null_argument("out_size");
    }
    *out_size = 0;
    const auto parts = render(model, request);
    return parts.ok() ? copy_buffer<char>(text::join(*parts), buffer, capacity, out_size) : parts.status();
  });
}

moe_status moe_model_tokenize_chat(const moe_model* model, moe_str request, int32_t* tokens, uint64_t capacity,
                                   uint64_t* out_count) {
  return guarded([&]() -> Status {
    if (out_count == nullptr) {
      return null_argument("out_count");
    }
    *out_count = 0;
    auto tokenizer = tokenizer_of(model);
    if (!tokenizer.ok()) {
      return tokenizer.status();
    }
    const auto parts = render(model, request);
    if (!parts.ok()) {
      return parts.status();
    }
    const auto ids = text::encode_prompt(**tokenizer, *parts);
    return ids.ok() ? copy_buffer<std::int32_t>(*ids, tokens, capacity, out_count) : ids.status();
  });
}

}  // extern "C"
