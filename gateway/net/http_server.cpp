#include "net/http_server.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/strand.hpp>

#include "net/listener.hpp"
#include "net/runtime_impl.hpp"
#include "net/server_state.hpp"
#include "net/session.hpp"
#include "net/tls_context.hpp"

namespace moegate::net {

namespace asio = boost::asio;

struct HttpServer::Impl {
  std::shared_ptr<ServerState> state;
  std::shared_ptr<Listener> listener;
  std::shared_ptr<TlsContext> tls;
};

namespace {

void start_session(const std::shared_ptr<ServerState>& state, const std::shared_ptr<TlsContext>& tls, int fd,
                   int family, std::string peer) {
  Session::Strand strand = asio::make_strand(*state->context);
  Stream::Socket socket(strand);
  boost::system::error_code error;
  socket.assign(asio::generic::stream_protocol(family, 0), fd, error);
  if (error) {
    ::close(fd);
    return state->report("taking a connection: " + error.message());
  }
  ++state->accepted;
  auto stream = tls ? make_tls_stream(std::move(socket), tls->current()) : make_plain_stream(std::move(socket));
  std::make_shared<Session>(state, strand, std::move(stream), std::move(peer))->start();
}

Listener::Callbacks make_callbacks(const std::shared_ptr<ServerState>& state, const std::shared_ptr<TlsContext>& tls) {
  Listener::Callbacks callbacks;
  callbacks.on_accept = [state, tls](int fd, int family, std::string peer) {
    try {
      start_session(state, tls, fd, family, std::move(peer));
    } catch (const std::exception& error) {
      state->report(std::string("taking a connection: ") + error.what());
    }
  };
  callbacks.has_room = [state] { return state->open_sessions() < state->options.max_connections; };
  callbacks.on_failure = [state](std::string_view why) {
    ++state->accept_failures;
    state->report(why);
  };
  callbacks.on_closed = [state] { state->mark_listener_closed(); };
  return callbacks;
}

}  // namespace

moe::Result<std::unique_ptr<HttpServer>> HttpServer::open(IoRuntime& runtime, ServerOptions options,
                                                          http::Handler handler) {
  auto impl = std::make_shared<Impl>();
  if (options.tls_cert_file.empty() != options.tls_key_file.empty()) {
    return moe::invalid("tls: certificate and key belong together");
  }
  if (!options.tls_cert_file.empty()) {
    impl->tls = std::make_shared<TlsContext>(options.tls_cert_file, options.tls_key_file);
    if (auto status = impl->tls->load(); !status.ok()) return status;
  }
  auto& context = *runtime.impl().context;
  auto listener = options.unix_path.empty() ? Listener::open_tcp(context, options.address, options.port)
                                            : Listener::open_unix(context, options.unix_path);
  if (!listener) return listener.status();
  impl->listener = std::move(*listener);
  impl->state = std::make_shared<ServerState>(runtime.impl().context, std::move(options), std::move(handler));
  impl->state->on_room = [listener = std::weak_ptr(impl->listener)] {
    if (auto open = listener.lock()) open->resume();
  };
  impl->listener->start(make_callbacks(impl->state, impl->tls), impl->state->options.accept_pause);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() { stop(std::chrono::milliseconds(0)); }

std::uint16_t HttpServer::port() const { return impl_->listener->port(); }

ServerStats HttpServer::stats() const {
  return {impl_->state->accepted, impl_->state->accept_failures, impl_->state->open_sessions()};
}

moe::Status HttpServer::reload_tls() {
  if (!impl_->tls) return moe::invalid("tls: this listener has none");
  return impl_->tls->load();
}

std::int64_t HttpServer::tls_not_after() const { return impl_->tls ? impl_->tls->not_after() : 0; }

void HttpServer::begin_drain() {
  impl_->state->draining = true;
  for (const auto& session : impl_->state->sessions()) session->begin_drain();
}

bool HttpServer::is_draining() const { return impl_->state->draining; }

bool HttpServer::stop(std::chrono::milliseconds bound) {
  using Clock = std::chrono::steady_clock;
  ServerState& state = *impl_->state;
  const auto deadline = Clock::now() + bound;
  state.draining = true;
  state.stopping = true;
  impl_->listener->close();
  state.wait_until_listener_closed();  // no session begins any more
  begin_drain();
  const bool is_clean = state.wait_until_not_busy(deadline);
  // Peers that have their answer get a moment to close by themselves.
  if (is_clean && bound.count() > 0) {
    state.wait_until_empty(Clock::now() + std::min<std::chrono::milliseconds>(state.options.linger_timeout,
                                                                              std::chrono::milliseconds(500)));
  }
  for (const auto& session : state.sessions()) session->abort();
  state.wait_until_empty(Clock::time_point::max());
  state.stopped = true;
  return is_clean;
}

}  // namespace moegate::net
