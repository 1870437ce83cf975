// LINK: room_http room_net room_core
// The bytes of a connection as a hostile peer sends them: the raw head check, the path parser and the request reader.
// First byte: size of the pieces the rest arrives in. What is accepted must not depend on the pieces; a broken chunk
// header may be refused sooner in one than in the other.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "http/path.hpp"
#include "http/raw_head.hpp"
#include "net/request_reader.hpp"

namespace {

using moegate::net::RequestReader;
using State = RequestReader::State;

void require(bool condition) {
  if (!condition) std::abort();
}

// The requests that are accepted.
std::vector<std::string> read_all(std::string_view bytes, std::size_t piece) {
  RequestReader reader{{.head = {}, .max_body_bytes = 4096}};
  std::vector<std::string> seen;
  std::string buffer;
  while (!bytes.empty() && reader.state() != State::refused) {
    buffer += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      const auto used = reader.feed(buffer);
      require(used <= buffer.size());
      buffer.erase(0, used);
      if (reader.state() != State::complete) break;
      const auto request = reader.take_request();
      require(request.path.front() == '/' && moegate::http::is_valid_utf8(request.path));
      require(request.path.find("//") == std::string::npos && request.path.find('\0') == std::string::npos);
      require(request.body.size() <= 4096);
      seen.push_back(request.method + " " + request.path + "?" + request.query + "\n" + request.body);
    }
  }
  if (reader.state() == State::refused) require(reader.refusal().status >= 400);
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto head = moegate::http::check_raw_head(bytes);
  if (!head) require(bytes.ends_with("\r\n\r\n"));
  const auto target = moegate::http::parse_target(bytes.substr(0, bytes.find('\n')));
  if (target.ok()) require(target->path.front() == '/');
  const std::size_t piece = 1 + data[0] % 64;
  require(read_all(bytes, bytes.size()) == read_all(bytes, piece));
  return 0;
}
