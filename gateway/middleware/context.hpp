// What the pipeline found out about a request, for its handler. Written on the strand before the handler runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/router.hpp"
#include "tenancy/tenancy.hpp"

namespace moegate::middleware {

// The state that probes and refusals read.
struct Lifecycle {
  std::atomic<bool> is_ready{false};  // models are loaded
  std::atomic<bool> is_draining{false};
  std::atomic<bool> is_ledger_ok{true};   // false: disk full or failed
  std::atomic<std::uint64_t> refused{0};  // requests for tokens that were not started
};

struct Context {
  std::string request_id;   // ULID
  std::int64_t now_us = 0;  // the request's one clock reading, UTC
  std::string route = "unknown";
  std::optional<tenancy::Principal> principal;  // routes of role "key"
  std::string actor;                            // admin routes: "unix:<uid>", "admin", "page"
  // For the access log; set by handlers.
  std::string model, outcome;
  std::uint64_t prompt_tokens = 0, completion_tokens = 0;
};

}  // namespace moegate::middleware
