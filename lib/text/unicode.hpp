// UTF-8 and the few Unicode properties that tokenizers and templates need. Stateless, independent of any locale.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace moe::text {

// Offset of the first byte that is not part of valid UTF-8 (surrogates and overlong forms are invalid); npos if none.
std::size_t find_invalid_utf8(std::string_view text);

// The code point at `pos` and its length in bytes. Precondition: valid UTF-8, pos < text.size().
struct CodePoint {
  char32_t value;
  std::size_t size;
};
CodePoint decode_utf8(std::string_view text, std::size_t pos);
// The last code point before `end`; size 0 at the beginning.
CodePoint decode_utf8_before(std::string_view text, std::size_t end);
void append_utf8(std::string& out, char32_t point);

// How much of `bytes` at `pos` is one code point: `size` bytes. If not `valid`, the maximal part that can only become
// one U+FFFD (WHATWG); `incomplete` says that the text ended inside a code point that was right so far.
struct Utf8Part {
  std::size_t size;
  bool valid;
  bool incomplete;
};
Utf8Part utf8_part(std::string_view bytes, std::size_t pos);

bool is_white_space(char32_t point);  // Unicode White_Space
bool is_word(char32_t point);         // \w of a Unicode regex: letters, marks, decimal digits, connectors
bool is_numeric(char32_t point);      // any number category

// Canonical composition (NFC); linear, also on long runs of combining marks. Precondition: valid UTF-8.
std::string normalize_nfc(std::string_view text);
// NFKC, NFD, NFKD by flags of the same machine.
std::string normalize(std::string_view text, bool compatibility, bool compose);
std::string to_lower(std::string_view text);

}  // namespace moe::text
