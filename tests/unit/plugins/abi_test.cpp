// What every plugin's table must look like.
#include "host_harness.hpp"

namespace moegate::plugins::testing {
namespace {

class EveryPlugin : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryPlugin, says_its_name_and_version_and_has_a_whole_backend) {
  Host host(GetParam());
  EXPECT_STREQ(host.plugin().name, GetParam());
  EXPECT_EQ(host.plugin().abi_major, MOE_PLUGIN_ABI_MAJOR);
  EXPECT_GE(host.plugin().struct_size, sizeof(moe_plugin));
  EXPECT_EQ(host.plugin().get_extension("moe.unknown/1"), nullptr);
  const auto* backend = &host.backend();
  ASSERT_NE(backend, nullptr);
  EXPECT_GE(backend->struct_size, sizeof(moe_plugin_backend_1));
  const auto* functions = reinterpret_cast<void* const*>(&backend->models);
  for (std::size_t i = 0; i < (sizeof(moe_plugin_backend_1) - 8) / sizeof(void*); ++i)
    EXPECT_NE(functions[i], nullptr) << i;
}

TEST_P(EveryPlugin, deinit_without_init_and_calls_without_init_do_no_harm) {
  Host host(GetParam());
  host.plugin().deinit();
  host.backend().cancel(1);
  host.backend().pause(1);
  host.backend().resume(1);
  host.backend().release();
  host.backend().discard(nullptr);
  EXPECT_EQ(host.prepare("m", Host::chat_json("x")), nullptr);
}

class EveryConfiguredPlugin : public EveryPlugin {};

TEST_P(EveryConfiguredPlugin, bad_configurations_are_refused_and_leave_nothing_behind) {
  Host host(GetParam());
  for (const char* config :
       {"", "{", "[]", "{}", R"({"models":{}})", R"({"models":[{}]})", R"({"models":[{"id":7}]})"}) {
    EXPECT_NE(host.init(config), MOE_OK) << config;
    EXPECT_STRNE(host.error().message, "") << config;
  }
}

TEST_P(EveryPlugin, a_host_of_another_major_version_is_refused) {
  Host host(GetParam());
  moe_host table{};
  table.struct_size = sizeof(table);
  table.abi_major = MOE_PLUGIN_ABI_MAJOR + 1;
  table.on_step = [](void*, const moe_plugin_step*) -> std::int32_t { return 0; };
  moe_plugin_error error = MOE_PLUGIN_ERROR_INIT;
  EXPECT_EQ(host.plugin().init(&table, to_str(R"({"models":[]})"), &error), MOE_E_ABI_MISMATCH);
}

INSTANTIATE_TEST_SUITE_P(All, EveryConfiguredPlugin, ::testing::Values("null", "playback"));
INSTANTIATE_TEST_SUITE_P(All, EveryPlugin, ::testing::Values("null", "playback", "template"));

}  // namespace
}  // namespace moegate::plugins::testing
