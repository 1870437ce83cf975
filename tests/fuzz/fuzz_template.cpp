// LINK: room_core room_text
// A chat template from a hostile model folder, rendered with a fixed conversation: a text or an error, within its
// bounds.
#include <cstdlib>
#include <string>

#include "text/chat_template.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kOutput = 65536;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto compiled = moe::text::compile_chat_template(source, {{"bos_token", "<s>"}}, kOutput);
  if (!compiled.ok()) {
    if (compiled.status().message().empty()) std::abort();
    return 0;
  }
  static const moe::text::ChatRequest request = [] {
    moe::text::ChatRequest out;
    out.messages =
        *moe::json::parse(R"([{"role":"system","content":"<s>é"},{"role":"user","content":["a",{"b":1.5}]}])");
    out.tools = *moe::json::parse(R"([{"type":"function","function":{"name":"f","parameters":{"x":[1,null,true]}}}])");
    return out;
  }();
  const auto parts = (*compiled)->render(request);
  if (parts.ok() && moe::text::join(*parts).size() > kOutput) std::abort();
  return 0;
}
