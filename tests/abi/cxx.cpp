// moe.h and plugin.h as C++ sees them, in both orders and twice; the INIT macros initialise without a warning.
#include <moe/moe.h>
#include <moe/plugin.h>
// again, on purpose
#include <moe/moe.h>
#include <moe/plugin.h>

#include <cstdio>
#include <cstring>

int main() {
  const moe_workers_options workers = MOE_WORKERS_OPTIONS_INIT;
  const moe_model_options model_options = MOE_MODEL_OPTIONS_INIT;
  const moe_engine_options engine_options = MOE_ENGINE_OPTIONS_INIT;
  const moe_engine_stats stats = MOE_ENGINE_STATS_INIT;
  const moe_request request = MOE_REQUEST_INIT;
  const moe_layer_options layer = MOE_LAYER_OPTIONS_INIT;
  const moe_plugin_error error = MOE_PLUGIN_ERROR_INIT;
  const bool sizes_are_set =
      workers.struct_size == sizeof workers && model_options.struct_size == sizeof model_options &&
      engine_options.struct_size == sizeof engine_options && stats.struct_size == sizeof stats &&
      request.struct_size == sizeof request && layer.struct_size == sizeof layer && error.struct_size == sizeof error;
  moe_model* model = nullptr;
  const moe_str nowhere = {"/nonexistent", 12};
  const bool is_refused = moe_model_load(nowhere, nullptr, &model) == MOE_E_NOT_FOUND && model == nullptr &&
                          std::strlen(moe_last_error()) > 0;
  const bool version_agrees = moe_version() == MOE_VERSION;
  const int passed = sizes_are_set + is_refused + version_agrees;
  std::printf("%d passed, %d failed\n", passed, 3 - passed);
  return passed == 3 ? 0 : 1;
}
