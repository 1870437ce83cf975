// Strict check of the raw bytes of a request head, before any parser sees them: what two readers could take for two
// different requests is refused here (RFC 9112 11.2, request smuggling). Pure functions without state, thread-safe,
// fuzzed. The messages name the place (request line, header number and name) and never repeat a header's value.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace moegate::http {

struct Refusal {
  int status = 400;
  std::string message;
};

struct HeadLimits {
  std::size_t max_bytes = std::size_t{64} << 10;        // whole head with its final empty line: beyond it 431
  std::size_t max_target_bytes = std::size_t{8} << 10;  // 414
  std::size_t max_headers = 200;                        // 431
};

// `head` ends with the empty line ("\r\n\r\n" are its last four bytes). Nothing = accepted.
std::optional<Refusal> check_raw_head(std::string_view head, const HeadLimits& limits = {});

// Looks for the end of a head in bytes that arrive in pieces; `scanned` is kept by the caller, 0 at first. Refuses as
// soon as a byte can be in no head (control characters, bare CR or LF), so that a TLS hello or a binary protocol on a
// plain port is answered at once and not at a deadline.
struct HeadScan {
  std::size_t size = 0;  // of the head, when complete; else 0
  std::optional<Refusal> refusal;
};
HeadScan find_head_end(std::string_view bytes, std::size_t& scanned, const HeadLimits& limits = {});

bool is_token_char(char c);                                        // RFC 9110 5.6.2
bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII only
std::string to_lower(std::string_view text);                       // ASCII only

}  // namespace moegate::http
