// One connected socket, plain or TLS, behind one interface, so that the session is compiled once. Everything runs on
// the executor the socket was made with (the connection's strand); at most one read, one write and one wait at a time.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace boost::asio::ssl {
class context;
}

namespace moegate::net {

class Stream {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;
  using Done = std::function<void(boost::system::error_code)>;
  using Transferred = std::function<void(boost::system::error_code, std::size_t)>;

  virtual ~Stream() = default;
  virtual bool is_tls() const = 0;
  virtual void handshake(Done done) = 0;  // plain: done at once
  virtual std::string tls_version() const = 0;
  virtual void read_some(boost::asio::mutable_buffer buffer, Transferred done) = 0;
  virtual void write_some(boost::asio::const_buffer buffer, Transferred done) = 0;
  // Says that nothing more will come (TLS: close_notify), then closes the sending side.
  virtual void shutdown_send(Done done) = 0;

  // Bytes from the socket itself, to be thrown away after shutdown_send.
  void read_raw(boost::asio::mutable_buffer buffer, Transferred done);
  // Completes without error when the connection was reset or both sides are closed (or on urgent data, see was_reset).
  void wait_for_error(Done done);
  bool was_reset() const;
  bool has_bytes_to_read() const;
  // Closes the sending side at the TCP level only, so that a TLS peer sees a truncation.
  void cut_send();
  void close();
  // Closes with a reset: the peer sees an error and not an end.
  void abort();

 protected:
  virtual Socket& socket() = 0;
  virtual const Socket& socket() const = 0;
};

std::unique_ptr<Stream> make_plain_stream(Stream::Socket socket);
std::unique_ptr<Stream> make_tls_stream(Stream::Socket socket, std::shared_ptr<boost::asio::ssl::context> context);

}  // namespace moegate::net
