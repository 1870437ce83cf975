// moe.backend/1 over libmoe: the models of one configuration, one worker pool, one engine a model.
#pragma once

#include "kit/boundary.hpp"

namespace moegate::plugins {

moe_status backend_init(const moe_host* host, moe_str config, moe_plugin_error* error);  // [main]
void backend_deinit();                                                                   // [main]
const moe_plugin_backend_1& backend_table();

}  // namespace moegate::plugins
