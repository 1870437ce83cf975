#include "cli/admin_client.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>

#include "ledger/data_dir.hpp"

namespace moegate::cli {
namespace {

constexpr std::size_t kMaxAnswerBytes = std::size_t{256} << 20;
constexpr time_t kAnswerSeconds = 120;  // verify of a large ledger

// ---- in this process ---------------------------------------------------------------------------------------------

class LocalClient final : public AdminClient {
 public:
  static moe::Result<std::unique_ptr<AdminClient>> open(const std::filesystem::path& data_dir) {
    auto client = std::make_unique<LocalClient>();
    auto dir = ledger::DataDir::open(data_dir);
    if (!dir) return dir.status();
    client->dir_ = std::move(*dir);
    ledger::Options options;
    options.dir = data_dir;
    options.mac_key = client->dir_->derive(ledger::kLedgerMacLabel);
    auto ledger = ledger::Ledger::open(std::move(options));
    if (!ledger) return ledger.status();
    client->ledger_ = std::move(*ledger);
    auto directory = tenancy::Directory::open(*client->ledger_, client->dir_->pepper());
    if (!directory) return directory.status();
    client->directory_ = std::move(*directory);
    client->service_.emplace(*client->ledger_, *client->directory_);
    return std::unique_ptr<AdminClient>(std::move(client));
  }
  moe::Result<admin::Answer> call(const admin::Call& call) override { return service_->handle(call); }
  bool is_remote() const override { return false; }

 private:
  std::optional<ledger::DataDir> dir_;  // released last
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<tenancy::Directory> directory_;
  std::optional<admin::Service> service_;
};

// ---- over the socket ---------------------------------------------------------------------------------------------

// The folder is opened first, so that a long path does not meet the limit of a socket address.
moe::Result<ledger::File> connect_to(const std::filesystem::path& socket_path) {
  const ledger::File folder(::open(socket_path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return ledger::system_error(socket_path.parent_path(), errno);
  ledger::File socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return ledger::system_error(socket_path, errno);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder.get(),
                socket_path.filename().c_str());
  const timeval limit{kAnswerSeconds, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return moe::Status(moe::Code::unavailable,
                       "a process holds the data directory, but " + socket_path.string() +
                           " does not answer: the server may be starting or stopping, or [admin] socket is off");
  }
  return socket;
}

moe::Status send_all(const ledger::File& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return ledger::system_error("admin.sock", errno);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

moe::Result<std::string> receive_all(const ledger::File& socket) {
  std::string bytes;
  char piece[65536];
  while (true) {
    const ssize_t got = ::recv(socket.get(), piece, sizeof piece, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ledger::system_error("admin.sock", errno);
    if (got == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(got) > kMaxAnswerBytes) {
      return moe::Status(moe::Code::out_of_range, "admin.sock: the answer is too large");
    }
    bytes.append(piece, static_cast<std::size_t>(got));
  }
}

bool parse_number(std::string_view text, int base, std::size_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return error == std::errc() && end != text.data();
}

std::optional<std::string> join_chunks(std::string_view body) {
  std::string joined;
  while (true) {
    const std::size_t line_end = body.find("\r\n");
    std::size_t size = 0;
    if (line_end == std::string_view::npos || !parse_number(body.substr(0, line_end), 16, &size)) return std::nullopt;
    body.remove_prefix(line_end + 2);
    if (size == 0) return joined;
    if (size > body.size() || body.size() - size < 2) return std::nullopt;
    joined += body.substr(0, size);
    body.remove_prefix(size + 2);
  }
}

// The answer of a connection that was asked to close behind it.
moe::Result<admin::Answer> parse_answer(const std::string& bytes) {
  const auto broken = moe::Status(moe::Code::unavailable, "admin.sock: the answer was cut or is no HTTP");
  const std::size_t head_end = bytes.find("\r\n\r\n");
  std::size_t status = 0;
  if (head_end == std::string::npos || !bytes.starts_with("HTTP/1.1 ") ||
      !parse_number(std::string_view(bytes).substr(9, 3), 10, &status)) {
    return broken;
  }
  std::string head = bytes.substr(0, head_end + 2);
  std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string body = bytes.substr(head_end + 4);
  const std::size_t length_at = head.find("\r\ncontent-length:");
  if (head.find("\r\ntransfer-encoding: chunked") != std::string::npos) {
    auto joined = join_chunks(body);
    if (!joined) return broken;
    body = std::move(*joined);
  } else if (length_at != std::string::npos) {
    std::size_t digits = length_at + 17, length = 0;
    while (digits < head.size() && head[digits] == ' ') ++digits;
    if (!parse_number(std::string_view(head).substr(digits), 10, &length) || length != body.size()) return broken;
  }
  admin::Answer answer;
  answer.status = static_cast<int>(status);
  if (auto value = moe::json::parse(body); value.ok()) {
    answer.body = std::move(*value);
  } else {
    answer.text = std::move(body);
  }
  return answer;
}

class RemoteClient final : public AdminClient {
 public:
  explicit RemoteClient(std::filesystem::path socket) : socket_(std::move(socket)) {}

  moe::Result<admin::Answer> call(const admin::Call& call) override {
    auto socket = connect_to(socket_);
    if (!socket) return socket.status();
    const std::string body = call.body.is_null() ? std::string() : moe::json::write(call.body);
    std::string request = call.method + " " + call.path + (call.query.empty() ? "" : "?" + call.query) +
                          " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/json\r\n";
    if (!body.empty()) request += "Content-Type: application/json\r\n";
    if (call.method != "GET") request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    if (auto status = send_all(*socket, request + "\r\n" + body); !status.ok()) return status;
    auto bytes = receive_all(*socket);
    if (!bytes) return bytes.status();
    return parse_answer(*bytes);
  }
  bool is_remote() const override { return true; }

 private:
  std::filesystem::path socket_;
};

}  // namespace

moe::Result<std::unique_ptr<AdminClient>> AdminClient::open(const std::filesystem::path& data_dir, bool may_create) {
  if (ledger::DataDir::is_held(data_dir)) {
    return std::unique_ptr<AdminClient>(std::make_unique<RemoteClient>(data_dir / "admin.sock"));
  }
  if (!may_create && !std::filesystem::exists(data_dir / "ledger.db")) {
    return moe::Status(moe::Code::not_found, "there is no ledger in " + data_dir.string() + " yet");
  }
  return LocalClient::open(data_dir);
}

}  // namespace moegate::cli
