#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "client.hpp"

namespace moegate::net::test {
namespace {

namespace fs = std::filesystem;

struct TemporaryFolder {
  TemporaryFolder() : path((fs::temp_directory_path() / "moegate-net-XXXXXX").string()) {
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
  }
  ~TemporaryFolder() { fs::remove_all(path); }
  std::string path;
};

void answer_peer(const std::shared_ptr<http::Exchange>& exchange) {
  http::Response response;
  response.body = exchange->request().peer;
  exchange->respond(std::move(response));
}

TEST(Listener, a_unix_socket_is_private_and_knows_its_peer) {
  const TemporaryFolder folder;
  ServerOptions options;
  options.unix_path = folder.path + "/admin.sock";
  {
    Server server(answer_peer, options);
    struct stat info {};
    ASSERT_EQ(lstat(options.unix_path.c_str(), &info), 0);
    EXPECT_TRUE(S_ISSOCK(info.st_mode));
    EXPECT_EQ(info.st_mode & 0777U, 0600U);
    Client client(options.unix_path);
    client.send(get("/"));
    EXPECT_EQ(client.read_answer().body, "unix:" + std::to_string(getuid()));
    IoRuntime runtime(1);
    const auto second = HttpServer::open(runtime, options, echo);
    EXPECT_EQ(second.status().code(), moe::Code::unavailable);
  }
  EXPECT_FALSE(fs::exists(options.unix_path));
}

TEST(Listener, a_socket_left_by_a_dead_process_is_replaced_and_a_file_is_not) {
  const TemporaryFolder folder;
  ServerOptions options;
  options.unix_path = folder.path + "/admin.sock";
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  options.unix_path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(fd);
  { Server server(answer_peer, options); }
  std::ofstream(options.unix_path) << "precious";
  IoRuntime runtime(1);
  EXPECT_EQ(HttpServer::open(runtime, options, echo).status().code(), moe::Code::invalid_argument);
  EXPECT_TRUE(fs::exists(options.unix_path));
}

TEST(Listener, F066_a_client_of_the_unix_socket_that_leaves_is_noticed) {
  const TemporaryFolder folder;
  ServerOptions options;
  options.unix_path = folder.path + "/s";
  Flag arrived, closed;
  std::shared_ptr<http::Exchange> held;
  Server server(
      [&](auto exchange) {
        exchange->on_closed([&] { closed.set(); });
        held = exchange;
        arrived.set();
      },
      options);
  Client client(options.unix_path);
  client.send(get("/"));
  ASSERT_TRUE(arrived.wait());
  client.close();
  EXPECT_TRUE(closed.wait());
}

TEST(Listener, addresses_and_ports_that_cannot_be_used_are_named) {
  IoRuntime runtime(1);
  ServerOptions options;
  options.address = "localhost";
  EXPECT_EQ(HttpServer::open(runtime, options, echo).status().message(),
            "listen address localhost: expected a literal IPv4 or IPv6 address");
  Server server(answer_peer);
  options.address = "127.0.0.1";
  options.port = server.port();
  const auto status = HttpServer::open(runtime, options, echo).status();
  EXPECT_EQ(status.code(), moe::Code::unavailable);
  EXPECT_NE(status.message().find(std::to_string(options.port)), std::string::npos);
}

TEST(Listener, the_peer_of_a_tcp_connection_is_its_address) {
  Server server(answer_peer);
  Client client(server.port());
  client.send(get("/"));
  EXPECT_TRUE(client.read_answer().body.starts_with("127.0.0.1:"));
}

TEST(Listener, a_full_server_leaves_newcomers_waiting_and_takes_them_later) {
  ServerOptions options;
  options.max_connections = 1;
  Server server(answer_peer, options);
  auto first = std::make_unique<Client>(server.port());
  first->send(get("/"));
  EXPECT_EQ(first->read_answer().status, 200);
  Client second(server.port());
  second.send(get("/"));
  for (int i = 0; i < 20; ++i) {
    first->send(get("/"));
    EXPECT_EQ(first->read_answer().status, 200);
  }
  EXPECT_EQ(server.http->stats().accepted, 1U);
  first.reset();
  EXPECT_EQ(second.read_answer().status, 200);
}

// Lowers the limit of descriptors to what is open now.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = dup(0);
    close(lowest_free);
    const rlimit none{static_cast<rlim_t>(lowest_free), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoMoreDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(Listener, out_of_descriptors_it_pauses_instead_of_spinning) {
  ServerOptions options;
  options.accept_pause = std::chrono::hours(1);
  Flag failed;
  options.hooks.on_error = [&](std::string_view) { failed.set(); };
  Server server(answer_peer, options);
  Client first(server.port());
  first.send(get("/"));
  EXPECT_EQ(first.read_answer().status, 200);
  const int client_socket = socket(AF_INET, SOCK_STREAM, 0);
  {
    const NoMoreDescriptors guard;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(client_socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_TRUE(failed.wait());
    for (int i = 0; i < 200; ++i) {
      first.send(get("/"));
      EXPECT_EQ(first.read_answer().status, 200);
    }
    EXPECT_EQ(server.http->stats().accept_failures, 1U);
  }
  close(client_socket);
}

TEST(Listener, connections_wait_out_the_pause_and_are_served) {
  ServerOptions options;
  options.accept_pause = std::chrono::milliseconds(5);
  Flag failed;
  options.hooks.on_error = [&](std::string_view) { failed.set(); };
  Server server(answer_peer, options);
  const int spare = dup(0);
  const int filler = dup(0);
  close(spare);
  std::unique_ptr<Client> client;
  {
    // The client's socket takes the last one.
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const rlimit one_more{static_cast<rlim_t>(filler), before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &one_more);
    client = std::make_unique<Client>(server.port());
    client->send(get("/"));
    EXPECT_TRUE(failed.wait());
    setrlimit(RLIMIT_NOFILE, &before);
  }
  EXPECT_EQ(client->read_answer().status, 200);
  close(filler);
}

TEST(Listener, hooks_see_every_connection_and_its_bytes) {
  std::atomic<std::uint64_t> opened = 0, bytes_in = 0, bytes_out = 0;
  Flag closed;
  ServerOptions options;
  options.hooks.on_connection_opened = [&] { ++opened; };
  options.hooks.on_connection_closed = [&](std::uint64_t in, std::uint64_t out) {
    bytes_in = in;
    bytes_out = out;
    closed.set();
  };
  Server server(answer_peer, options);
  Client client(server.port());
  client.send(get("/"));
  const auto answer = client.read_answer();
  client.close();
  ASSERT_TRUE(closed.wait());
  EXPECT_EQ(opened, 1U);
  EXPECT_EQ(bytes_in, get("/").size());
  EXPECT_EQ(bytes_out, answer.head.size() + answer.body.size());
}

TEST(Runtime, timers_fire_once_and_can_be_replaced_and_cancelled) {
  Flag fired, never, posted;
  IoRuntime runtime(2, [](std::string_view) {});
  Timer timer(runtime), cancelled(runtime);
  timer.start(std::chrono::hours(1), [&] { never.set(); });
  timer.start(std::chrono::milliseconds(1), [&] { fired.set(); });
  cancelled.start(std::chrono::milliseconds(1), [] {});
  cancelled.start(std::chrono::hours(1), [&] { never.set(); });
  cancelled.cancel();
  EXPECT_TRUE(fired.wait());
  runtime.post([] { throw std::runtime_error("stops here"); });
  runtime.post([&] { posted.set(); });
  EXPECT_TRUE(posted.wait());
  EXPECT_EQ(fired.count(), 1);
  EXPECT_EQ(never.count(), 0);
}

}  // namespace
}  // namespace moegate::net::test
