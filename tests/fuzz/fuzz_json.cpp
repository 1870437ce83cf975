// LINK: room_core
// JSON from outside: parse, write, parse again; the second text must equal the first.
#include <cstdlib>
#include <string>

#include "core/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = moe::json::parse(text);
  if (!value.ok()) {
    if (value.status().message().empty()) std::abort();
    return 0;
  }
  const std::string once = moe::json::write(*value);
  const auto again = moe::json::parse(once);
  if (!again.ok() || moe::json::write(*again) != once) std::abort();
  moe::json::WriteOptions ascii;
  ascii.ascii_only = true;
  const auto escaped = moe::json::parse(moe::json::write(*value, ascii));
  if (!escaped.ok() || moe::json::write(*escaped) != once) std::abort();
  return 0;
}
