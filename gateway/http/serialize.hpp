// Bytes of an HTTP/1.x answer's head and of chunks. Header names and values that hold CR, LF or NUL are left out, so
// that nothing a client sent can become a header. Pure, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace moegate::http {

std::string_view reason_phrase(int status);
// 1xx, 204 and 304 have neither body nor Content-Length.
bool status_has_body(int status);
bool is_safe_header(const Header& header);

enum class Framing { none, content_length, chunked, until_close };

struct ResponseHead {
  int status = 200;
  std::string_view content_type;  // empty: left out
  Framing framing = Framing::content_length;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool is_http_1_0 = false;
  std::string_view date;  // empty: left out
};
// Header lines named content-length, transfer-encoding or connection in the lists are left out: framing is ours.
std::string serialize_head(const ResponseHead& head, std::span<const Header> first, std::span<const Header> second);
std::string http_date(std::int64_t unix_seconds);  // "Wed, 25 Nov 2026 10:08:12 GMT"
// "1a\r\n...\r\n"; precondition: not empty (an empty chunk ends the body).
std::string chunk(std::string_view piece);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace moegate::http
