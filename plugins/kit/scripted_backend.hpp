// moe.backend/1 over a Player: what null and playback share. One per process and plugin; init and deinit from main.
#pragma once

#include <functional>

#include "core/json.hpp"
#include "kit/boundary.hpp"
#include "kit/script.hpp"

namespace moegate::plugins {

// Gives the script of one model of the configuration; the errors' param is below models[i].
using ScriptSource = std::function<moe::Result<Script>(const moe::json::Value& config, const moe::json::Value& model)>;

moe_status scripted_init(const moe_host* host, moe_str config, moe_plugin_error* error, const ScriptSource& source);
void scripted_deinit();
const moe_plugin_backend_1& scripted_backend();

}  // namespace moegate::plugins
