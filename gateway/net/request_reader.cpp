#include "net/request_reader.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <limits>

#include "http/path.hpp"

namespace moegate::net {

namespace beast = boost::beast;
using boost::system::error_code;

namespace {

// Of one chunk header with its extensions, or of the trailers.
constexpr std::size_t kMaxChunkHeaderBytes = std::size_t{16} << 10;

// Beast asserts that five bytes are there when it is called again for an empty last chunk. Without them it can be
// neither complete nor wrong, so they are waited for here.
bool is_short_last_chunk(std::string_view rest) { return rest.size() < 5 && rest.starts_with("0\r\n"); }

// Beast's string_body reserves Content-Length bytes before the first of them has come; this one grows with them.
struct GrowingBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(beast::http::header<isRequest, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<std::uint64_t>&, error_code& error) { error = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, error_code& error) {
      error = {};
      std::size_t size = 0;
      for (auto it = boost::asio::buffer_sequence_begin(buffers); it != boost::asio::buffer_sequence_end(buffers);
           ++it) {
        const boost::asio::const_buffer piece(*it);
        body_.append(static_cast<const char*>(piece.data()), piece.size());
        size += piece.size();
      }
      return size;
    }
    void finish(error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};

std::string to_string(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct RequestReader::Parser {
  beast::http::request_parser<GrowingBody> http;
};

RequestReader::RequestReader(const ReadLimits& limits) : limits_(limits) {}
RequestReader::~RequestReader() = default;

std::size_t RequestReader::feed(std::string_view bytes) {
  std::size_t used = 0;
  if (state_ == State::head) used = feed_head(bytes);
  if (state_ == State::body) used += feed_body(bytes.substr(used));
  return used;
}

std::size_t RequestReader::feed_head(std::string_view bytes) {
  auto scan = http::find_head_end(bytes, scanned_, limits_.head);
  if (!scan.refusal && scan.size > 0) scan.refusal = http::check_raw_head(bytes.substr(0, scan.size), limits_.head);
  if (scan.refusal) {
    refuse(scan.refusal->status, std::move(scan.refusal->message));
    return 0;
  }
  if (scan.size == 0) return 0;

  parser_ = std::make_unique<Parser>();
  auto& parser = parser_->http;
  parser.eager(false);
  parser.header_limit(std::numeric_limits<std::uint32_t>::max());  // our own limits were checked above
  parser.body_limit(limits_.max_body_bytes);
  error_code error;
  const std::size_t used = parser.put(boost::asio::const_buffer(bytes.data(), scan.size), error);
  if (error == beast::http::error::body_limit) {
    refuse(413, "request body: larger than the limit");
  } else if (error || !parser.is_header_done() || used != scan.size) {
    refuse(400, "request head: " + (error ? error.message() : std::string("cannot be parsed")));
  } else {
    begin_request();
  }
  return used;
}

// Headers are copied before the body is read: Beast would merge trailers into them.
void RequestReader::begin_request() {
  auto& parser = parser_->http;
  const auto& message = parser.get();
  request_ = {};
  request_.method = to_string(message.method_string());
  for (const auto& field : message) {
    request_.headers.push_back({http::to_lower(to_string(field.name_string())), to_string(field.value())});
  }
  is_http_1_0_ = message.version() == 10;
  keep_alive_ = parser.keep_alive();
  expects_continue_ = false;
  auto target = http::parse_target(to_string(message.target()));
  if (!target) return refuse(400, target.status().message());
  request_.path = std::move(target->path);
  request_.query = std::move(target->query);
  if (!check_request()) return;
  state_ = parser.is_done() ? State::complete : State::body;
  parser.eager(true);
}

bool RequestReader::check_request() {
  const auto length = parser_->http.content_length();
  if (length && *length > limits_.max_body_bytes) {
    refuse(413, "header Content-Length: larger than the limit of " + std::to_string(limits_.max_body_bytes) + " bytes");
    return false;
  }
  const auto encoding = request_.header("content-encoding");
  if (!encoding.empty() && !http::equal_ignoring_case(encoding, "identity")) {
    refuse(415, "header Content-Encoding: encoded bodies are not accepted");
    return false;
  }
  if (request_.has_header("expect") && !is_http_1_0_) {
    expects_continue_ = http::equal_ignoring_case(request_.header("expect"), "100-continue");
    if (!expects_continue_) refuse(417, "header Expect: only 100-continue is known");
    return expects_continue_;
  }
  return true;
}

std::size_t RequestReader::feed_body(std::string_view bytes) {
  auto& parser = parser_->http;
  std::size_t used = 0;
  while (used < bytes.size() && !parser.is_done()) {
    if (parser.chunked() && is_short_last_chunk(bytes.substr(used))) break;
    error_code error;
    const std::size_t count = parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
    used += count;
    if (error == beast::http::error::body_limit) {
      refuse(413, "request body: larger than the limit of " + std::to_string(limits_.max_body_bytes) + " bytes");
      return used;
    }
    if (error && error != beast::http::error::need_more) {
      refuse(400, "request body: " + error.message());
      return used;
    }
    if (error || count == 0) break;
  }
  if (parser.is_done()) {
    request_.body = std::move(parser.get().body());
    state_ = State::complete;
  } else if (bytes.size() - used > kMaxChunkHeaderBytes) {
    refuse(400, "request body: chunk header or trailers larger than the limit");
  }
  return used;
}

http::Request RequestReader::take_request() {
  parser_.reset();
  scanned_ = 0;
  expects_continue_ = false;
  state_ = State::head;
  return std::move(request_);
}

void RequestReader::refuse(int status, std::string message) {
  refusal_ = {status, std::move(message)};
  state_ = State::refused;
}

}  // namespace moegate::net
