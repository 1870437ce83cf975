// LINK: room_core room_text
// tokenizer.json from a hostile model folder, then a text for it behind the first NUL byte. Every id must be inside the
// vocabulary, and every id must decode.
#include <cstdlib>
#include <string>

#include "text/tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = input.find('\0');
  const std::string_view text = cut == std::string_view::npos ? std::string_view("aA 1\n") : input.substr(cut + 1);
  const auto tokenizer = moe::text::parse_tokenizer(input.substr(0, cut), "");
  if (!tokenizer.ok()) {
    if (tokenizer.status().message().empty()) std::abort();
    return 0;
  }
  for (const bool flag : {false, true}) {
    moe::text::EncodeOptions options;
    options.add_special = options.parse_special = flag;
    const auto ids = (*tokenizer)->encode(text, options);
    if (!ids.ok()) continue;
    for (std::int32_t id : *ids) {
      if (id < 0 || id >= (*tokenizer)->vocab_size() || !(*tokenizer)->has_token(id)) std::abort();
    }
    (*tokenizer)->decode(*ids, flag);
  }
  return 0;
}
