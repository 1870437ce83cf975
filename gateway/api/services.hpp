// What the endpoints need of the rest of the program. Owned by it; constant after start.
#pragma once

#include <cstdint>
#include <functional>

#include "backend/backend.hpp"
#include "config/config.hpp"
#include "ledger/ledger.hpp"
#include "limits/limits.hpp"
#include "middleware/observed_exchange.hpp"
#include "telemetry/metrics.hpp"
#include "tenancy/tenancy.hpp"

namespace moegate::api {

struct Services {
  const config::Config* config = nullptr;
  backend::Backend* backend = nullptr;  // set before is_ready
  const ledger::Ledger* ledger = nullptr;
  tenancy::Directory* directory = nullptr;
  limits::Limiter* limiter = nullptr;
  telemetry::Metrics* metrics = nullptr;
  middleware::Lifecycle* lifecycle = nullptr;
  std::function<std::int64_t()> wall_us;
};

using Shared = std::shared_ptr<middleware::ObservedExchange>;

}  // namespace moegate::api
