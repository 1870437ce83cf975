#include "text/tokenizer.hpp"
#include "text/unicode.hpp"

namespace moe::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

std::string StreamDecoder::push(std::int32_t id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  held_ += tokenizer_->token_bytes(id);
  std::string out;
  std::size_t pos = 0;
  while (pos < held_.size()) {
    const Utf8Part part = utf8_part(held_, pos);
    if (part.incomplete) break;
    if (part.valid) {
      out.append(held_, pos, part.size);
    } else {
      out += kReplacement;
    }
    pos += part.size;
  }
  held_.erase(0, pos);
  return out;
}

std::string StreamDecoder::flush() {
  const std::string out(held_.empty() ? std::string_view() : kReplacement);  // what is held is one incomplete part
  held_.clear();
  return out;
}

}  // namespace moe::text
