// Built where the engine is not: model folders are refused by name.
#include "conformance.hpp"

namespace moe::conformance {

void run_model_folder(const std::filesystem::path& folder, const Options&, Report& report) {
  report.fail("model", folder.string(), "this build of moe-conformance has no engine");
}

}  // namespace moe::conformance
