#include "libmoe.hpp"

namespace moegate::plugins {
namespace {

// Asks with what fits most answers, and again with the size that was wanted.
template <typename T, typename Call>
moe_status fill(std::vector<T>& out, std::size_t guess, Call&& call) {
  out.resize(guess);
  std::uint64_t size = 0;
  moe_status status = call(out.data(), out.size(), &size);
  if (status == MOE_E_OUT_OF_RANGE && size > out.size()) {
    out.resize(size);
    status = call(out.data(), out.size(), &size);
  }
  out.resize(status == MOE_OK ? size : 0);
  return status;
}

template <typename Call>
moe::Result<std::string> text_of(std::size_t guess, Call&& call) {
  std::vector<char> buffer;
  const moe_status status = fill(buffer, guess, call);
  if (status != MOE_OK) return library_error(status);
  return std::string(buffer.begin(), buffer.end());
}

template <typename T, typename Call>
moe::Result<std::vector<T>> list_of(std::size_t guess, Call&& call) {
  std::vector<T> buffer;
  const moe_status status = fill(buffer, guess, call);
  if (status != MOE_OK) return library_error(status);
  return buffer;
}

}  // namespace

moe::Status library_error(moe_status status) {
  const char* text = moe_last_error();
  return {static_cast<moe::Code>(status), text == nullptr || *text == '\0' ? "libmoe gave no reason" : text};
}

moe::Result<std::string> model_facts(const moe_model* model) {
  return text_of(16384, [&](char* data, std::uint64_t capacity, std::uint64_t* size) {
    return moe_model_facts(model, data, capacity, size);
  });
}

moe::Result<std::vector<std::int32_t>> tokenize(const moe_model* model, std::string_view text, std::uint32_t flags) {
  return list_of<std::int32_t>(text.size() + 8, [&](std::int32_t* data, std::uint64_t capacity, std::uint64_t* size) {
    return moe_model_tokenize(model, str(text), flags, data, capacity, size);
  });
}

moe::Result<std::vector<std::int32_t>> tokenize_chat(const moe_model* model, std::string_view request) {
  return list_of<std::int32_t>(request.size(), [&](std::int32_t* data, std::uint64_t capacity, std::uint64_t* size) {
    return moe_model_tokenize_chat(model, str(request), data, capacity, size);
  });
}

moe::Result<std::string> render_chat(const moe_model* model, std::string_view request) {
  return text_of(request.size() + 4096, [&](char* data, std::uint64_t capacity, std::uint64_t* size) {
    return moe_model_render_chat(model, str(request), data, capacity, size);
  });
}

moe::Result<std::string> detokenize(const moe_model* model, const std::vector<std::int32_t>& tokens,
                                    std::uint32_t flags) {
  return text_of(tokens.size() * 8 + 16, [&](char* data, std::uint64_t capacity, std::uint64_t* size) {
    return moe_model_detokenize(model, tokens.data(), tokens.size(), flags, data, capacity, size);
  });
}

moe::Result<std::string> token_bytes(const moe_model* model, std::int32_t token) {
  return text_of(64, [&](char* data, std::uint64_t capacity, std::uint64_t* size) {
    return moe_model_token_bytes(model, token, data, capacity, size);
  });
}

bool is_token(const moe_model* model, std::int32_t token) {
  std::uint64_t size = 0;
  char byte = 0;
  const moe_status status = moe_model_token_bytes(model, token, &byte, 1, &size);
  return status == MOE_OK || status == MOE_E_OUT_OF_RANGE || status == MOE_E_UNSUPPORTED;
}

moe::Result<std::vector<std::uint64_t>> expert_counts(const moe_engine* engine, std::uint64_t& epoch) {
  return list_of<std::uint64_t>(4096, [&](std::uint64_t* data, std::uint64_t capacity, std::uint64_t* count) {
    return moe_engine_expert_counts(engine, data, capacity, count, &epoch);
  });
}

}  // namespace moegate::plugins
