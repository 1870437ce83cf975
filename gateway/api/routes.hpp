// The one table of routes of the data listener: method, path, metric label, role, handler.
#pragma once

#include "api/services.hpp"
#include "http/router.hpp"

namespace moegate::api {

// `services` must outlive the router.
void add_data_routes(http::Router& router, const Services& services);
// Probes and version: on every listener.
void add_health_routes(http::Router& router, const Services& services);

}  // namespace moegate::api
