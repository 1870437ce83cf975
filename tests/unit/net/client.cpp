#include "client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace moegate::net::test {
namespace {

constexpr int kPatienceSeconds = 60;

std::uint64_t parse_number(std::string_view text, int base) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

}  // namespace

Client::Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
}

Client::Client(const std::string& unix_path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, unix_path.c_str(), sizeof address.sun_path - 1);
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

bool Client::receive() {
  char piece[16384];
  const auto count = ::recv(fd_, piece, sizeof piece, 0);
  if (count > 0) {
    buffer_.append(piece, static_cast<std::size_t>(count));
    return true;
  }
  if (count == 0) end_ = End::closed;
  if (count < 0 && errno == ECONNRESET) end_ = End::reset;
  return false;
}

std::string Client::read_to_end() {
  while (receive()) {
  }
  return std::exchange(buffer_, {});
}

std::string Client::read_until(std::string_view mark) {
  for (;;) {
    if (const auto found = buffer_.find(mark); found != std::string::npos) {
      std::string result = buffer_.substr(0, found + mark.size());
      buffer_.erase(0, result.size());
      return result;
    }
    if (!receive()) return {};
  }
}

Client::Answer Client::read_answer(bool has_body) {
  Answer answer;
  answer.head = read_until("\r\n\r\n");
  if (answer.head.size() < 12) return answer;
  answer.status = static_cast<int>(parse_number(std::string_view(answer.head).substr(9, 3), 10));
  if (!has_body || answer.status < 200) return answer;
  if (answer.head.find("transfer-encoding: chunked") != std::string::npos) {
    answer.body = read_chunks();
    return answer;
  }
  const auto found = answer.head.find("content-length: ");
  const auto size = found == std::string::npos ? 0 : parse_number(std::string_view(answer.head).substr(found + 16), 10);
  while (buffer_.size() < size && receive()) {
  }
  answer.body = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return answer;
}

std::string Client::read_chunks() {
  std::string body;
  for (;;) {
    const auto line = read_until("\r\n");
    const auto size = parse_number(line, 16) + 2;
    while (buffer_.size() < size && receive()) {
    }
    if (line.empty() || buffer_.size() < size) return body + "<cut>";
    body += buffer_.substr(0, size - 2);
    buffer_.erase(0, size);
    if (size == 2) return body;
  }
}

void Client::shutdown_send() { ::shutdown(fd_, SHUT_WR); }

void Client::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Client::reset() {
  const linger hard{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

void Client::set_receive_buffer(int bytes) { setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes); }

void Flag::set() {
  const std::lock_guard lock(mutex_);
  ++count_;
  changed_.notify_all();
}

bool Flag::wait() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(kPatienceSeconds), [this] { return count_ > 0; });
}

int Flag::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

Server::Server(http::Handler handler, ServerOptions options, unsigned threads) : runtime(threads) {
  auto opened = HttpServer::open(runtime, std::move(options), std::move(handler));
  if (!opened) throw std::runtime_error(opened.status().message());
  http = std::move(*opened);
}

void echo(const std::shared_ptr<http::Exchange>& exchange) {
  const auto& request = exchange->request();
  http::Response response;
  response.body = request.method + "\n" + request.path + "\n" + request.query + "\n" + request.body;
  exchange->respond(std::move(response));
}

std::string get(std::string_view target, std::string_view more_headers) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(more_headers) + "\r\n";
}

std::string post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

}  // namespace moegate::net::test
