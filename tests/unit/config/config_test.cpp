#include "config/config.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace moegate::config {
namespace {

const std::string kGood = "[data]\ndir = \"d\"\n[[model]]\nid = \"m\"\nplugin = \"null\"\n";

moe::Result<Config> read(const std::string& text) { return parse(text, "/etc/moegate/m.toml"); }

TEST(Config, smallest_file_gets_every_default) {
  const auto config = read(kGood);
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->data_dir, "/etc/moegate/d");
  EXPECT_EQ(config->server.listen.port, 8080);
  EXPECT_EQ(config->admin.listen.host, "127.0.0.1");
  EXPECT_GE(config->server.keep_alive.count(), 75'000);  // F-036
  EXPECT_EQ(config->server.heartbeat.count(), 15'000);
  EXPECT_EQ(config->metering.max_unsynced_steps, 4U);
  EXPECT_FALSE(config->metering.durable_per_request);
  EXPECT_EQ(config->metrics.moe_level, MoeLevel::layer);
  ASSERT_EQ(config->models.size(), 1U);
  EXPECT_EQ(config->models[0].plugin, "null");
}

TEST(Config, every_key_is_read) {
  const auto config = read(R"([data]
dir = "/var/lib/m"
[server]
listen = "[::1]:1"
threads = 2
max_body_bytes = 4096
max_connections = 7
header_timeout = 1
body_timeout = 2.5
write_timeout = 3
keep_alive = 4
request_timeout = 5
drain = 0
heartbeat = 0
max_queued_requests = 8
max_queued_bytes = 2048
[admin]
listen = "0.0.0.0:2"
socket = false
allow_hosts = ["ops.example"]
[engine]
plugin = "null"
threads = 3
deterministic = true
pin_threads = false
[metering]
durability = "request"
max_unsynced_steps = 2
bill_failed = true
[metrics]
moe_level = "off"
public_on_loopback = false
max_series = 500
moe_window = 10
[log]
level = "debug"
access = false
[[model]]
id = "a/b"
weights = "f32"
max_sequences = 4
kv_cache_bytes = 1048576
prefill_chunk = 64
weight = 3
aliases = ["x", "y"]
[model.options]
tokens = 5
deep = { a = [1, 2.5, true, "s"] }
)");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->server.listen.host, "::1");
  EXPECT_EQ(config->server.body_timeout.count(), 2500);
  EXPECT_EQ(config->server.drain.count(), 0);
  EXPECT_FALSE(config->admin.socket);
  EXPECT_EQ(config->admin.allow_hosts, std::vector<std::string>{"ops.example"});
  EXPECT_TRUE(config->metering.durable_per_request);
  EXPECT_TRUE(config->metering.bill_failed);
  EXPECT_EQ(config->metrics.moe_level, MoeLevel::off);
  EXPECT_EQ(config->models[0].aliases.size(), 2U);
  EXPECT_EQ(config->models[0].options.find("tokens")->as_int64(), 5);
  EXPECT_EQ(config->models[0].options.find("deep")->find("a")->items().size(), 4U);
}

TEST(Config, all_semantic_errors_come_at_once_with_their_lines) {
  const auto config = read(R"([data]
dir = "d"
[server]
listen = "nowhere"
threads = "two"
max_conections = 5
[[model]]
plugin = "null"
weight = 0
)");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().message(),
            "/etc/moegate/m.toml:4: server.listen: must be \"address:port\" (an IPv6 address in brackets), found "
            "\"nowhere\"\n"
            "/etc/moegate/m.toml:5: server.threads: must be a whole number\n"
            "/etc/moegate/m.toml:6: server.max_conections: unknown key, did you mean \"max_connections\"?\n"
            "/etc/moegate/m.toml:7: model.id: missing: the name that clients use\n"
            "/etc/moegate/m.toml:9: model.weight: must lie in 1..1000, found 0");
}

struct Hostile {
  const char* name;
  std::string text;
  const char* line;  // ":N:" of the message
};

std::string repeated(const std::string& part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

const std::vector<Hostile>& hostile_files() {
  static const std::vector<Hostile> cases = {
      {"unclosed_string", "[data]\ndir = \"x", ":2:"},
      {"unclosed_table", "[data\ndir = 1", ":1:"},
      {"no_value", "[data]\ndir =\n", ":2:"},
      {"key_twice", "[data]\ndir = \"a\"\ndir = \"b\"\n", ":3:"},
      {"table_twice", "[data]\ndir = \"a\"\n[data]\n", ":3:"},
      {"bare_word", "[data]\ndir = yes\n", ":2:"},
      {"nul_byte", std::string("[data]\ndir = \"a\"\n") + '\0', ":3:"},
      {"invalid_utf8", "[data]\ndir = \"\xff\xfe\"\n", ":2:"},
      {"overlong_utf8", "[data]\ndir = \"\xc0\xaf\"\n", ":2:"},
      {"lone_surrogate", "[data]\ndir = \"\\ud800\"\n", ":2:"},
      {"bad_escape", "[data]\ndir = \"\\q\"\n", ":2:"},
      {"deep_arrays", "[data]\nx = " + repeated("[", 200000), ":2:"},
      {"deep_inline_tables", "[data]\nx = " + repeated("{a=", 50000), ":2:"},
      {"dotted_key_of_200000_parts", "x" + repeated(".x", 100000) + " = 1\n", ":1:"},
      {"dotted_header_of_100000_parts", "\n[x" + repeated(".x", 100000) + "]\n", ":2:"},
      {"deep_after_a_comment_with_a_quote", "# it's\nx = " + repeated("[", 200), ":2:"},
      {"deep_after_a_long_string", "x = '''a\n''b'''\ny = " + repeated("[", 200), ":3:"},
      {"larger_than_256_kib", "# " + std::string(256 * 1024, 'a'), ":1:"},
      {"huge_integer", "[server]\nmax_body_bytes = 99999999999999999999\n", ":2:"},
      {"negative_integer", kGood + "[server]\nthreads = -1\n", ":7:"},
      {"integer_over_the_top", kGood + "[server]\nthreads = 9223372036854775807\n", ":7:"},
      {"infinite_seconds", kGood + "[server]\ndrain = inf\n", ":7:"},
      {"nan_seconds", kGood + "[server]\nheartbeat = nan\n", ":7:"},
      {"negative_seconds", kGood + "[server]\nkeep_alive = -0.5\n", ":7:"},
      {"wrong_type", kGood + "[metrics]\nmoe_level = 5\n", ":7:"},
      {"unknown_choice", kGood + "[metrics]\nmoe_level = \"expert\"\n", ":7:"},
      {"unknown_table", kGood + "[metering2]\n", ":6:"},
      {"table_as_value", kGood + "server = 1\n", ":6:"},
      {"array_as_table", kGood + "[[server]]\n", ":6:"},
      {"model_as_table", "[data]\ndir = \"d\"\n[model]\nid = \"x\"\n", ":3:"},
      {"port_out_of_range", kGood + "[server]\nlisten = \"127.0.0.1:65536\"\n", ":7:"},
      {"port_missing", kGood + "[server]\nlisten = \"127.0.0.1\"\n", ":7:"},
      {"address_with_path", kGood + "[server]\nlisten = \"host/x:1\"\n", ":7:"},
      {"ipv6_without_brackets", kGood + "[server]\nlisten = \"::1:80\"\n", ":7:"},
      {"nul_in_a_string", "[data]\ndir = \"a\\u0000b\"\n", ":2:"},
      {"control_in_an_id", "[data]\ndir = \"d\"\n[[model]]\nid = \"a\\nb\"\nplugin = \"null\"\n", ":4:"},
      {"id_twice", kGood + "[[model]]\nid = \"m\"\nplugin = \"null\"\n", ":7:"},
      {"alias_of_another", kGood + "[[model]]\nid = \"n\"\nplugin = \"null\"\naliases = [\"m\"]\n", ":9:"},
      {"aliases_of_numbers", kGood + "aliases = [1]\n", ":6:"},
      {"date_in_options", kGood + "[model.options]\nday = 2026-11-25\n", ":7:"},
      {"relative_plugin", "[data]\ndir = \"d\"\n[[model]]\nid = \"m\"\nplugin = \"../evil\"\n", ":5:"},
      {"path_that_is_not_there", kGood + "path = \"/nowhere/at/all\"\n", ":6:"},
      {"tls_without_key", kGood + "[server]\ntls = { cert = \"/nowhere.pem\" }\n", ":7:"},
      {"no_models", "[data]\ndir = \"d\"\n", ":1:"},
      {"empty_file", "", ":1:"},
      {"both_listeners_on_one_port",
       kGood + "[server]\nlisten = \"127.0.0.1:9090\"\n[admin]\nlisten = \"127.0.0.1:9090\"\n", ":8:"},
  };
  return cases;
}

TEST(Config, hostile_files_are_refused_with_file_and_line) {
  ASSERT_GE(hostile_files().size(), 30U);
  for (const auto& hostile : hostile_files()) {
    const auto config = read(hostile.text);
    ASSERT_FALSE(config.ok()) << hostile.name;
    EXPECT_EQ(config.status().code(), moe::Code::invalid_argument) << hostile.name;
    EXPECT_NE(config.status().message().find(std::string("/etc/moegate/m.toml") + hostile.line), std::string::npos)
        << hostile.name << ": " << config.status().message().substr(0, 300);
  }
}

TEST(Config, floats_in_one_line_are_no_dotted_key) {
  const auto config = read(kGood + "[model.options]\nx = [" + repeated("0.5, ", 100) + "1.5]\n");
  EXPECT_TRUE(config.ok()) << config.status().message();
}

TEST(Config, a_file_that_is_not_there_or_a_folder_is_named) {
  EXPECT_EQ(load("/nowhere.toml").status().code(), moe::Code::not_found);
  EXPECT_EQ(load("/tmp").status().code(), moe::Code::not_found);
}

TEST(Config, every_prefix_of_a_good_file_is_read_or_refused) {
  const std::string text = kGood + "[server]\nlisten = \"127.0.0.1:1\"\n[model2]\na.b = { c = [1, \"x\"] }\n";
  int refused = 0;
  for (std::size_t size = 0; size < text.size(); ++size) refused += read(text.substr(0, size)).ok() ? 0 : 1;
  EXPECT_GT(refused, 60);
}

}  // namespace
}  // namespace moegate::config
