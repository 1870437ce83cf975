// Plain HTTP types, testable without a socket. Requests are complete (head checked, body read) before a handler sees
// one.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moegate::http {

struct Header {
  std::string name;  // lower-case in requests
  std::string value;
};

struct Request {
  std::string method;
  std::string path;   // percent-decoded once, absolute, no dot or empty segments: the one path for auth and dispatch
  std::string query;  // raw, without '?'
  std::vector<Header> headers;
  std::string body;
  std::string peer;  // "127.0.0.1:4711", or "unix:<uid>" on a unix socket
  bool is_tls = false;
  std::chrono::steady_clock::time_point received;  // last byte of the request

  // Value of the first header of that lower-case name, empty if absent.
  std::string_view header(std::string_view name) const;
  bool has_header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<Header> headers;
};

// One request and its answer. Every function may be called from any thread; what they do happens in order on the
// connection's strand. Callbacks run on that strand, and none runs after the exchange ended.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;

  // Header that every answer of this exchange carries (x-request-id), set before respond / begin_stream.
  virtual void add_header(std::string name, std::string value) = 0;
  // The whole answer. Once, and not together with begin_stream.
  virtual void respond(Response response) = 0;

  // An answer in pieces (SSE): headers at once, chunked on HTTP/1.1, each write() flushed by itself.
  virtual void begin_stream(int status, std::string content_type, std::vector<Header> headers) = 0;
  virtual void write(std::string piece) = 0;
  // clean = ended as it should; otherwise the connection is cut without the last chunk, so that a client sees an error.
  virtual void end_stream(bool clean) = 0;
  // Bytes handed over and not yet taken by the socket.
  virtual std::size_t queued_bytes() const = 0;

  // The client went away before the answer was handed over in full (reset, or close: a half-close whose peer still
  // takes data is none). At most once.
  virtual void on_closed(std::function<void()> callback) = 0;
  // queued_bytes() fell to half of `low_mark` or less after having been above it.
  virtual void on_drained(std::size_t low_mark, std::function<void()> callback) = 0;
  // One timer; setting it again replaces it; a null callback stops it.
  virtual void set_timer(std::chrono::milliseconds after, std::function<void()> callback) = 0;
  virtual void post(std::function<void()> work) = 0;
};

using Handler = std::function<void(std::shared_ptr<Exchange>)>;

}  // namespace moegate::http
