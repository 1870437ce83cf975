// Server-sent events (HTML standard 9.2): text of one event, ready for Exchange::write(). Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace moegate::http {

inline constexpr std::string_view kSseContentType = "text/event-stream; charset=utf-8";
inline constexpr std::string_view kSseDone = "data: [DONE]\n\n";

std::string sse_data(std::string_view data);                           // "data: ...\n\n", one data line a line of text
std::string sse_event(std::string_view event, std::string_view data);  // "event: ...\ndata: ...\n\n"
std::string sse_comment(std::string_view text);                        // ": ...\n\n", ignored by every client

}  // namespace moegate::http
