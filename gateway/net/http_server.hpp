// One listener (TCP, TLS or unix socket) and its connections: HTTP/1.1 with keep-alive and pipelining, strict framing,
// limits and deadlines on everything a peer can send or refuse to take. Each complete request is given to the handler
// as an http::Exchange, one at a time a connection. Owned by the program; destroyed before its IoRuntime. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"
#include "http/message.hpp"
#include "http/raw_head.hpp"
#include "net/io_runtime.hpp"

namespace moegate::net {

// Called from io threads; must not block. Empty ones are not called.
struct ServerHooks {
  std::function<void()> on_connection_opened;
  std::function<void(std::uint64_t bytes_in, std::uint64_t bytes_out)> on_connection_closed;
  std::function<void(std::string_view version, bool ok)> on_tls_handshake;  // "TLSv1.3"; "" if it failed
  std::function<void(int status)> on_refused;                               // answers that no handler saw
  std::function<std::string()> make_request_id;                             // of such answers; a random one if empty
  std::function<void(std::string_view message)> on_error;  // for the log: accept failures, exceptions of handlers
};

struct ServerOptions {
  std::string address = "127.0.0.1";        // literal IPv4 or IPv6
  std::uint16_t port = 0;                   // 0: any free one, see HttpServer::port()
  std::string unix_path;                    // if set, a unix socket (mode 0600) in place of TCP
  std::string tls_cert_file, tls_key_file;  // PEM; both or none

  http::HeadLimits head;
  std::size_t max_body_bytes = std::size_t{16} << 20;
  std::size_t max_connections = 4096;
  std::size_t max_requests_per_connection = 10'000;
  std::size_t max_queued_stream_bytes = std::size_t{8} << 20;  // a stream that queues more is cut

  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds head_timeout{15'000};   // from the first byte of a request to the end of its head
  std::chrono::milliseconds body_timeout{60'000};   // from there to the end of its body
  std::chrono::milliseconds idle_timeout{75'000};   // between requests; above the usual 60 s of balancers
  std::chrono::milliseconds write_timeout{30'000};  // a write that makes no progress
  std::chrono::milliseconds linger_timeout{2'000};  // after our FIN, for what the peer still sends
  // A peer that shut its sending side while its answer is pending may be gone: it is probed after the first, and then
  // every second of these.
  std::chrono::milliseconds first_probe_delay{20};
  std::chrono::milliseconds probe_interval{5'000};
  std::chrono::milliseconds accept_pause{100};  // when the process is out of descriptors

  // Answer 421 unless Host is a loopback name, a literal address or one of the names (against DNS rebinding).
  bool check_host = false;
  std::vector<std::string> allowed_hosts;

  ServerHooks hooks;
};

struct ServerStats {
  std::uint64_t accepted = 0;
  std::uint64_t accept_failures = 0;
  std::size_t open_connections = 0;
};

class HttpServer {
 public:
  // Listens and accepts from now on. Errors: INVALID_ARGUMENT (address, certificate), UNAVAILABLE (port in use).
  static moe::Result<std::unique_ptr<HttpServer>> open(IoRuntime& runtime, ServerOptions options,
                                                       http::Handler handler);
  ~HttpServer();  // as stop(0)
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;  // 0 on a unix socket
  ServerStats stats() const;

  // Reads certificate and key again; a pair that is broken or does not match keeps the old one and says why.
  // Connections keep what they began with.
  moe::Status reload_tls();
  // End of validity of the certificate in use, seconds since 1970; 0 without TLS.
  std::int64_t tls_not_after() const;

  // From now on every answer carries `Connection: close` and idle connections are closed; new connections are still
  // taken, so that probes and refusals are answered. Returns at once.
  void begin_drain();
  bool is_draining() const;
  // Also stops accepting, waits up to `bound` for the requests in work, then cuts the rest. Returns whether none was
  // cut. After it no handler and no callback of an exchange runs. Not from an io thread.
  bool stop(std::chrono::milliseconds bound);

  struct Impl;

 private:
  explicit HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

}  // namespace moegate::net
