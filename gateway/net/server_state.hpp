// What the sessions of one listener share: options, handler, the list of open sessions and the drain flag. Kept alive
// by sessions; thread-safe.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/http_server.hpp"

namespace moegate::net {

class Session;

struct ServerState {
  ServerState(std::shared_ptr<boost::asio::io_context> context_in, ServerOptions options_in, http::Handler handler_in)
      : context(std::move(context_in)), options(std::move(options_in)), handler(std::move(handler_in)) {}

  const std::shared_ptr<boost::asio::io_context> context;
  const ServerOptions options;
  const http::Handler handler;

  std::atomic<bool> draining = false;
  std::atomic<bool> stopping = false;  // no new connections; idle ones end
  std::atomic<bool> stopped = false;   // no callback runs any more
  std::atomic<std::uint64_t> accepted = 0;
  std::atomic<std::uint64_t> accept_failures = 0;

  void add(const std::shared_ptr<Session>& session);
  // The session has said its last word and only waits for the peer's end.
  void mark_lingering(const Session* session);
  void remove(const Session* session);
  std::size_t open_sessions() const;
  std::vector<std::shared_ptr<Session>> sessions() const;
  // Both wait until `deadline` for the condition and return whether it holds.
  bool wait_until_not_busy(std::chrono::steady_clock::time_point deadline);
  bool wait_until_empty(std::chrono::steady_clock::time_point deadline);
  void mark_listener_closed();
  void wait_until_listener_closed();

  void report(std::string_view message) const;
  std::string make_request_id() const;
  std::function<void()> on_room;  // a session ended: the listener may accept again; set once before the first session

 private:
  struct Entry {
    std::weak_ptr<Session> session;
    bool is_lingering = false;
  };
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::unordered_map<const Session*, Entry> sessions_;
  std::size_t busy_ = 0;  // not lingering
  bool listener_closed_ = false;
};

}  // namespace moegate::net
