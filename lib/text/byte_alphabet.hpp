// The alphabet in which byte-level vocabularies write bytes: 256 printable code points, one for each byte.
#pragma once

#include <string>
#include <string_view>

namespace moe::text {

// The code point that stands for a byte, as UTF-8.
std::string_view byte_symbol(unsigned char byte);
// The bytes a vocabulary entry stands for; an entry with any code point outside the alphabet stands for its own UTF-8.
// `*in_alphabet` says which.
std::string symbol_bytes(std::string_view token, bool* in_alphabet = nullptr);

}  // namespace moe::text
