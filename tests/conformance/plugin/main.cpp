#include <cstdio>
#include <fstream>
#include <iterator>

#include "subject.hpp"

namespace moegate::plugins::testing {

Subject& subject() {
  static Subject the_subject;
  return the_subject;
}

namespace {

// The first model that the plugin serves.
std::string first_model(Host& host) {
  const auto models = host.json([&](const moe_plugin_sink* out) { return host.backend().models(out); });
  const auto* id = models.is_array() && !models.items().empty() ? models.items()[0].find("id") : nullptr;
  return id != nullptr && id->is_string() ? id->as_string() : "";
}

int run(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: plugin-conformance PLUGIN.so CONFIG.json [MODEL]\n");
    return 2;
  }
  std::ifstream file(argv[2], std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot open %s\n", argv[2]);
    return 2;
  }
  subject().plugin = argv[1];
  subject().config.assign(std::istreambuf_iterator<char>(file), {});
  {
    Host host(subject().plugin);
    if (host.init(subject().config) != MOE_OK) {
      std::fprintf(stderr, "init: %s\n", host.error().message);
      return 1;
    }
    subject().model = argc == 4 ? argv[3] : first_model(host);
  }
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace moegate::plugins::testing

int main(int argc, char** argv) {
  try {
    return moegate::plugins::testing::run(argc, argv);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
