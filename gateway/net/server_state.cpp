#include "net/server_state.hpp"

#include <array>

#include "core/digest.hpp"
#include "net/session.hpp"

namespace moegate::net {

void ServerState::add(const std::shared_ptr<Session>& session) {
  const std::lock_guard lock(mutex_);
  sessions_.emplace(session.get(), Entry{session, false});
  ++busy_;
}

void ServerState::mark_lingering(const Session* session) {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || found->second.is_lingering) return;
  found->second.is_lingering = true;
  --busy_;
  changed_.notify_all();
}

void ServerState::remove(const Session* session) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    if (!found->second.is_lingering) --busy_;
    sessions_.erase(found);
    changed_.notify_all();
  }
  if (on_room) on_room();
}

std::size_t ServerState::open_sessions() const {
  const std::lock_guard lock(mutex_);
  return sessions_.size();
}

std::vector<std::shared_ptr<Session>> ServerState::sessions() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Session>> result;
  for (const auto& [key, entry] : sessions_) {
    if (auto session = entry.session.lock()) result.push_back(std::move(session));
  }
  return result;
}

bool ServerState::wait_until_not_busy(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return busy_ == 0; });
}

bool ServerState::wait_until_empty(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return sessions_.empty(); });
}

void ServerState::mark_listener_closed() {
  const std::lock_guard lock(mutex_);
  listener_closed_ = true;
  changed_.notify_all();
}

void ServerState::wait_until_listener_closed() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return listener_closed_; });
}

void ServerState::report(std::string_view message) const {
  if (options.hooks.on_error) options.hooks.on_error(message);
}

std::string ServerState::make_request_id() const {
  if (options.hooks.make_request_id) return options.hooks.make_request_id();
  std::array<std::uint8_t, 12> bytes{};
  moe::random_bytes(bytes);
  return "req_" + moe::to_hex(bytes);
}

}  // namespace moegate::net
