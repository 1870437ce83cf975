// The way of every request of one listener to its handler: id and clock, route, drain, who is asking. One pipeline a
// listener; immutable after start, any io thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "http/router.hpp"
#include "middleware/context.hpp"
#include "middleware/observed_exchange.hpp"
#include "telemetry/metrics.hpp"
#include "tenancy/tenancy.hpp"
#include "usage/ulid.hpp"

namespace moegate::middleware {

class Pipeline {
 public:
  struct Options {
    std::string listener;  // data | admin | socket
    const http::Router* router = nullptr;
    telemetry::Metrics* metrics = nullptr;
    const Lifecycle* lifecycle = nullptr;
    usage::UlidSource* ids = nullptr;
    const tenancy::Directory* directory = nullptr;
    std::function<std::int64_t()> wall_us;
    // Who may call an admin route: fills context.actor, or answers and returns false. Empty: there are none.
    std::function<bool(ObservedExchange&, const http::Route&)> admit_admin;
  };
  explicit Pipeline(Options options) : options_(std::move(options)) {}
  void run(std::shared_ptr<http::Exchange> exchange) const;

 private:
  bool admit(ObservedExchange& exchange, const http::Route& route) const;
  bool authenticate(ObservedExchange& exchange) const;

  Options options_;
};

}  // namespace moegate::middleware
