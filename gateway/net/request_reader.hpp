// From bytes of a connection to complete requests: finds the head, has it checked (http/raw_head), lets Beast parse it
// and the body, and stops at the first byte of the next request. No socket and no clock in here. One per connection.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.hpp"
#include "http/raw_head.hpp"

namespace moegate::net {

struct ReadLimits {
  http::HeadLimits head;
  std::size_t max_body_bytes = std::size_t{16} << 20;
};

class RequestReader {
 public:
  enum class State { head, body, complete, refused };

  explicit RequestReader(const ReadLimits& limits);
  ~RequestReader();

  // `bytes` are all bytes received and not yet consumed. Returns how many of them are consumed now; bytes that are not
  // come again in front of the next ones. A complete or refused reader consumes nothing.
  std::size_t feed(std::string_view bytes);

  State state() const { return state_; }
  const http::Refusal& refusal() const { return refusal_; }  // when refused
  // The client waits for "100 Continue" before it sends the body; when state() is body.
  bool expects_continue() const { return expects_continue_; }
  bool keep_alive() const { return keep_alive_; }
  bool is_http_1_0() const { return is_http_1_0_; }
  // When complete: the request, and ready for the next one.
  http::Request take_request();

 private:
  struct Parser;  // Beast

  std::size_t feed_head(std::string_view bytes);
  std::size_t feed_body(std::string_view bytes);
  void begin_request();
  bool check_request();
  void refuse(int status, std::string message);

  ReadLimits limits_;
  State state_ = State::head;
  std::size_t scanned_ = 0;
  bool expects_continue_ = false;
  bool keep_alive_ = true;
  bool is_http_1_0_ = false;
  http::Refusal refusal_;
  http::Request request_;
  std::unique_ptr<Parser> parser_;
};

}  // namespace moegate::net
