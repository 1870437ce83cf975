#include "net/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>

namespace moegate::net {

namespace asio = boost::asio;

namespace {

constexpr int kBacklog = 1024;
constexpr int kAcceptsPerWakeup = 64;  // other work of this thread gets its turn between

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family = AF_UNSPEC;
};

std::string system_error(const std::string& what) { return what + ": " + std::strerror(errno); }

moe::Result<Address> parse_address(const std::string& text, std::uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof(sockaddr_in);
  } else if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.size = sizeof(sockaddr_in6);
  } else {
    return moe::invalid("listen address " + text + ": expected a literal IPv4 or IPv6 address");
  }
  address.family = address.storage.ss_family;
  return address;
}

std::string peer_of_tcp(const sockaddr_storage& storage) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    return std::string(text.data()) + ":" + std::to_string(ntohs(v4->sin_port));
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
  inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
  return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(v6->sin6_port));
}

std::string peer_of_unix(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
  return "unix:" + std::to_string(credentials.uid);
}

// Small answers go out at once; a peer that vanished without a word is noticed within half a minute.
void set_tcp_options(int fd) {
  const auto set = [fd](int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

bool is_out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// A socket file that nobody listens on is left from a process that died; anything else stays.
moe::Status remove_stale_socket(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) return moe::invalid("unix socket " + path + ": a file of another kind is there");
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool in_use = fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (fd >= 0) ::close(fd);
  if (in_use) return {moe::Code::unavailable, "unix socket " + path + ": another process listens on it"};
  if (unlink(path.c_str()) != 0) return {moe::Code::unavailable, system_error("unix socket " + path)};
  return {};
}

}  // namespace

moe::Result<std::shared_ptr<Listener>> Listener::open_tcp(asio::io_context& context, const std::string& text,
                                                          std::uint16_t port) {
  const auto address = parse_address(text, port);
  if (!address) return address.status();
  const std::string name = "listening on " + text + " port " + std::to_string(port);
  const int fd = socket(address->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return moe::Status(moe::Code::unavailable, system_error(name));
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address->storage), address->size) != 0 || listen(fd, kBacklog) != 0) {
    const std::string why = system_error(name);
    ::close(fd);
    return moe::Status(moe::Code::unavailable, why);
  }
  auto listener = std::make_shared<Listener>(context, fd, address->family, std::string());
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  listener->port_ = ntohs(bound.ss_family == AF_INET ? reinterpret_cast<sockaddr_in*>(&bound)->sin_port
                                                     : reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port);
  return listener;
}

moe::Result<std::shared_ptr<Listener>> Listener::open_unix(asio::io_context& context, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return moe::invalid("unix socket " + path + ": path too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (auto status = remove_stale_socket(path, address); !status.ok()) return status;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  // Linux gives the file the mode of the socket's own inode: there is no moment at which others could connect.
  if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(fd, kBacklog) != 0) {
    const std::string why = system_error("unix socket " + path);
    if (fd >= 0) ::close(fd);
    return moe::Status(moe::Code::unavailable, why);
  }
  return std::make_shared<Listener>(context, fd, AF_UNIX, path);
}

Listener::Listener(asio::io_context& context, int fd, int family, std::string unix_path)
    : strand_(asio::make_strand(context)),
      socket_(strand_, fd),
      timer_(strand_),
      family_(family),
      unix_path_(std::move(unix_path)) {}

Listener::~Listener() {
  if (socket_.is_open() && !unix_path_.empty()) unlink(unix_path_.c_str());
}

void Listener::start(Callbacks callbacks, std::chrono::milliseconds pause) {
  asio::post(strand_, [self = shared_from_this(), callbacks = std::move(callbacks), pause]() mutable {
    self->callbacks_ = std::move(callbacks);
    self->pause_ = pause;
    self->wait();
  });
}

void Listener::resume() {
  asio::post(strand_, [self = shared_from_this()] { self->wait(); });
}

void Listener::close() {
  asio::post(strand_, [self = shared_from_this()] {
    if (!self->socket_.is_open()) return;
    boost::system::error_code ignored;
    self->socket_.close(ignored);
    self->timer_.cancel();
    if (!self->unix_path_.empty()) unlink(self->unix_path_.c_str());
    const auto callbacks = std::exchange(self->callbacks_, {});  // they hold the server's state
    if (callbacks.on_closed) callbacks.on_closed();
  });
}

void Listener::wait() {
  if (is_waiting_ || !socket_.is_open() || !callbacks_.has_room || !callbacks_.has_room()) return;
  is_waiting_ = true;
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](boost::system::error_code error) {
                       self->is_waiting_ = false;
                       if (!error) self->accept_some();
                     });
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerWakeup && socket_.is_open() && callbacks_.has_room(); ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int fd =
        accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      if (family_ != AF_UNIX) set_tcp_options(fd);
      callbacks_.on_accept(fd, family_, family_ == AF_UNIX ? peer_of_unix(fd) : peer_of_tcp(peer));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (is_out_of_resources(errno)) {
      callbacks_.on_failure(system_error("accepting a connection"));
      return pause_accepting();
    }
    // Anything else concerns the one connection that was about to be accepted (accept(2), "Error handling").
  }
  wait();
}

void Listener::pause_accepting() {
  is_waiting_ = true;  // resume() must not end the pause
  timer_.expires_after(pause_);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code) {
    self->is_waiting_ = false;
    self->wait();
  });
}

}  // namespace moegate::net
