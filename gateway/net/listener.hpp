// A listening socket (TCP or unix) and its accept loop. Out of descriptors it pauses instead of spinning; when the
// server is full it leaves new connections in the kernel's queue. Thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/status.hpp"

namespace moegate::net {

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  struct Callbacks {
    std::function<void(int fd, int family, std::string peer)> on_accept;  // owns fd
    std::function<bool()> has_room;
    std::function<void(std::string_view why)> on_failure;
    std::function<void()> on_closed;  // after close(): the last call
  };

  static moe::Result<std::shared_ptr<Listener>> open_tcp(boost::asio::io_context& context, const std::string& address,
                                                         std::uint16_t port);
  static moe::Result<std::shared_ptr<Listener>> open_unix(boost::asio::io_context& context, const std::string& path);
  Listener(boost::asio::io_context& context, int fd, int family, std::string unix_path);
  ~Listener();

  void start(Callbacks callbacks, std::chrono::milliseconds pause);
  void resume();  // there is room again
  void close();
  std::uint16_t port() const { return port_; }

 private:
  void wait();
  void accept_some();
  void pause_accepting();

  boost::asio::strand<boost::asio::io_context::executor_type> strand_;
  boost::asio::posix::stream_descriptor socket_;  // this and all below: on the strand
  boost::asio::steady_timer timer_;
  const int family_;
  const std::string unix_path_;  // removed at the end
  std::uint16_t port_ = 0;
  Callbacks callbacks_;
  std::chrono::milliseconds pause_{100};
  bool is_waiting_ = false;
};

}  // namespace moegate::net
