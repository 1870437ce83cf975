// Who may call the admin listener: the owner of the process over the unix socket, admin keys, and the page's session,
// which begins with a one-time address. Sessions and addresses live in memory only. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "http/router.hpp"
#include "middleware/observed_exchange.hpp"
#include "tenancy/tenancy.hpp"

namespace moegate::admin {

// none < metrics < auditor < operator < admin
enum class Role : std::uint8_t { none, metrics, auditor, operator_, admin };
Role role_of(std::string_view name);

class Sessions {
 public:
  using Clock = std::chrono::steady_clock;
  // A token for one login, good for five minutes.
  std::string make_login(Clock::time_point now);
  // Trades it for a session of twelve hours; empty if it is unknown, used or too old.
  std::string begin(std::string_view login, Clock::time_point now);
  bool is_valid(std::string_view session, Clock::time_point now) const;

 private:
  static constexpr std::size_t kMax = 64;
  using Tokens = std::map<std::string, Clock::time_point, std::less<>>;  // SHA-256 of the token -> end
  static void add(Tokens& tokens, const std::string& token, Clock::time_point end, Clock::time_point now);

  mutable std::mutex mutex_;  // guards both
  Tokens logins_, sessions_;
};

class HttpGuard {
 public:
  struct Options {
    const tenancy::Directory* directory = nullptr;
    bool public_metrics_on_loopback = true;
    // Role of the routes that the service owns; "" = no such route.
    std::string_view (*service_role)(std::string_view method, std::string_view path) = nullptr;
  };
  explicit HttpGuard(Options options) : options_(options) {}

  // Fills context.actor and returns true, or answers. `is_socket`: the peer's uid decides.
  bool admit(middleware::ObservedExchange& exchange, const http::Route& route, bool is_socket);
  Sessions& sessions() { return sessions_; }

 private:
  Role caller(middleware::ObservedExchange& exchange, bool is_socket) const;

  const Options options_;
  Sessions sessions_;
};

// Value of a cookie, "" if absent.
std::string_view cookie(std::string_view header, std::string_view name);
inline constexpr std::string_view kSessionCookie = "moegate_session";
// Role of routes whose role the service tells.
inline constexpr std::string_view kServiceRole = "service";

}  // namespace moegate::admin
