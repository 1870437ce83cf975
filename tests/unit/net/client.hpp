// What the tests of this room share: a server on loopback with a handler given by the test, and a blocking client that
// shows raw bytes and how a connection ended. Every receive has a generous time limit, so that a hang is a failure.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/http_server.hpp"

namespace moegate::net::test {

enum class End { open, closed, reset };

class Client {
 public:
  explicit Client(std::uint16_t port);
  explicit Client(const std::string& unix_path);
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool send(std::string_view bytes);
  // One more piece into buffer(); false at the end of the connection.
  bool receive();
  std::string read_to_end();                      // everything up to the end
  std::string read_until(std::string_view mark);  // up to and with mark, removed from the buffer; "" if it never comes
  // One answer with Content-Length or chunks: status and body; status 0 if the connection ended before.
  struct Answer {
    int status = 0;
    std::string head, body;
  };
  Answer read_answer(bool has_body = true);
  void shutdown_send();
  void close();
  void reset();  // close with a reset
  void set_receive_buffer(int bytes);
  End end() const { return end_; }
  int fd() const { return fd_; }

 private:
  std::string read_chunks();

  int fd_ = -1;
  std::string buffer_;
  End end_ = End::open;
};

// Set from callbacks, waited for by the test.
class Flag {
 public:
  void set();
  bool wait();  // false after a long time
  int count() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

struct Server {
  explicit Server(http::Handler handler, ServerOptions options = {}, unsigned threads = 2);

  std::uint16_t port() const { return http->port(); }

  IoRuntime runtime;
  std::unique_ptr<HttpServer> http;
};

// {"method":...,"path":...,"query":...,"body":...} as plain text lines.
void echo(const std::shared_ptr<http::Exchange>& exchange);
std::string get(std::string_view target, std::string_view more_headers = "");
std::string post(std::string_view target, std::string_view body);

}  // namespace moegate::net::test
