#include "net/stream.hpp"

#include <poll.h>

#include <boost/asio/post.hpp>

namespace moegate::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

short poll_now(int fd, short events) {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, 0) > 0 ? entry.revents : short{0};
}

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Socket socket) : socket_(std::move(socket)) {}

  bool is_tls() const override { return false; }
  void handshake(Done done) override {
    asio::post(socket_.get_executor(), [done = std::move(done)] { done({}); });
  }
  std::string tls_version() const override { return {}; }
  void read_some(asio::mutable_buffer buffer, Transferred done) override {
    socket_.async_read_some(buffer, std::move(done));
  }
  void write_some(asio::const_buffer buffer, Transferred done) override {
    socket_.async_write_some(buffer, std::move(done));
  }
  void shutdown_send(Done done) override {
    error_code error;
    socket_.shutdown(asio::socket_base::shutdown_send, error);
    asio::post(socket_.get_executor(), [done = std::move(done), error] { done(error); });
  }

 protected:
  Socket& socket() override { return socket_; }
  const Socket& socket() const override { return socket_; }

 private:
  Socket socket_;
};

}  // namespace

void Stream::read_raw(asio::mutable_buffer buffer, Transferred done) {
  socket().async_read_some(buffer, std::move(done));
}

void Stream::wait_for_error(Done done) { socket().async_wait(asio::socket_base::wait_error, std::move(done)); }

bool Stream::was_reset() const {
  auto& open = const_cast<Socket&>(socket());  // native_handle() is not const in Asio
  return !open.is_open() || (poll_now(open.native_handle(), 0) & (POLLERR | POLLHUP)) != 0;
}

bool Stream::has_bytes_to_read() const {
  error_code error;
  return socket().available(error) > 0 && !error;
}

void Stream::cut_send() {
  error_code ignored;
  socket().shutdown(asio::socket_base::shutdown_send, ignored);
}

void Stream::close() {
  error_code ignored;
  socket().close(ignored);
}

void Stream::abort() {
  error_code ignored;
  socket().set_option(asio::socket_base::linger(true, 0), ignored);
  socket().close(ignored);
}

std::unique_ptr<Stream> make_plain_stream(Stream::Socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace moegate::net
