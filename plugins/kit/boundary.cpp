#include "kit/boundary.hpp"

namespace moegate::plugins {
namespace {

template <std::size_t N>
void copy_text(char (&to)[N], std::string_view text) {
  std::size_t size = text.size() < N ? text.size() : N - 1;
  if (size < text.size()) {
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;  // not inside a code point
  }
  if (size > 0) std::memcpy(to, text.data(), size);
  to[size] = '\0';
}

}  // namespace

moe_status fail(moe_plugin_error* error, const moe::Status& status, std::string_view code) {
  if (error != nullptr && error->struct_size >= sizeof(moe_plugin_error)) {
    copy_text(error->code, code);
    copy_text(error->param, status.param());
    copy_text(error->message, status.message());
  }
  return static_cast<moe_status>(status.code());
}

}  // namespace moegate::plugins
