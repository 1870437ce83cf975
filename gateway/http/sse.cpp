#include "http/sse.hpp"

namespace moegate::http {
namespace {

// Every line of `text` behind `prefix`. CR, LF and CRLF all end a line for a client, so each starts a new one here.
void append_lines(std::string& out, std::string_view prefix, std::string_view text) {
  for (;;) {
    const auto end = text.find_first_of("\r\n");
    out.append(prefix).append(text.substr(0, end)).append("\n");
    if (end == std::string_view::npos) return;
    const bool is_crlf = text[end] == '\r' && end + 1 < text.size() && text[end + 1] == '\n';
    text.remove_prefix(end + (is_crlf ? 2 : 1));
  }
}

}  // namespace

std::string sse_data(std::string_view data) {
  std::string out;
  out.reserve(data.size() + 8);
  append_lines(out, "data: ", data);
  return out += '\n';
}

std::string sse_event(std::string_view event, std::string_view data) {
  std::string out = "event: ";
  out.append(event.substr(0, event.find_first_of("\r\n"))).append("\n");
  append_lines(out, "data: ", data);
  return out += '\n';
}

std::string sse_comment(std::string_view text) {
  std::string out;
  append_lines(out, ": ", text);
  return out += '\n';
}

}  // namespace moegate::http
