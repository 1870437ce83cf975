#include "text/byte_alphabet.hpp"

#include <array>

#include "text/unicode.hpp"

namespace moe::text {
namespace {

struct Alphabet {
  std::array<std::string, 256> symbols;
  std::array<int, 512> bytes;  // by code point, -1 if none

  Alphabet() {
    bytes.fill(-1);
    char32_t spare = 256;
    for (unsigned byte = 0; byte < 256; ++byte) {
      // Printable Latin-1 stands for itself; the rest takes the code points from 256 on.
      const bool own = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      const char32_t point = own ? byte : spare++;
      append_utf8(symbols[byte], point);
      bytes[point] = static_cast<int>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet table;
  return table;
}

}  // namespace

std::string_view byte_symbol(unsigned char byte) { return alphabet().symbols[byte]; }

std::string symbol_bytes(std::string_view token, bool* in_alphabet) {
  std::string out;
  if (in_alphabet != nullptr) *in_alphabet = true;
  for (std::size_t pos = 0; pos < token.size();) {
    const CodePoint point = decode_utf8(token, pos);
    pos += point.size;
    const int byte = point.value < 512 ? alphabet().bytes[point.value] : -1;
    if (byte < 0) {
      if (in_alphabet != nullptr) *in_alphabet = false;
      return std::string(token);
    }
    out += static_cast<char>(byte);
  }
  return out;
}

}  // namespace moe::text
