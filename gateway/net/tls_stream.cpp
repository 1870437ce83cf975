#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "net/stream.hpp"

namespace moegate::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

class TlsStream final : public Stream {
 public:
  TlsStream(Socket socket, std::shared_ptr<asio::ssl::context> context)
      : context_(std::move(context)), stream_(std::move(socket), *context_) {}

  bool is_tls() const override { return true; }
  void handshake(Done done) override { stream_.async_handshake(asio::ssl::stream_base::server, std::move(done)); }
  std::string tls_version() const override {
    return SSL_get_version(const_cast<asio::ssl::stream<Socket>&>(stream_).native_handle());
  }
  void read_some(asio::mutable_buffer buffer, Transferred done) override {
    stream_.async_read_some(buffer, std::move(done));
  }
  void write_some(asio::const_buffer buffer, Transferred done) override {
    stream_.async_write_some(buffer, std::move(done));
  }
  // Asio's shutdown sends close_notify and waits for the peer's; the caller's linger deadline bounds that wait.
  void shutdown_send(Done done) override {
    stream_.async_shutdown([this, done = std::move(done)](error_code error) {
      cut_send();
      done(error);
    });
  }

 protected:
  Socket& socket() override { return stream_.next_layer(); }
  const Socket& socket() const override { return stream_.next_layer(); }

 private:
  std::shared_ptr<asio::ssl::context> context_;  // outlives a reload, for as long as this connection
  asio::ssl::stream<Socket> stream_;
};

}  // namespace

std::unique_ptr<Stream> make_tls_stream(Stream::Socket socket, std::shared_ptr<asio::ssl::context> context) {
  return std::make_unique<TlsStream>(std::move(socket), std::move(context));
}

}  // namespace moegate::net
