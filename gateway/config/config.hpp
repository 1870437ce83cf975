// The gateway's configuration: one TOML file read into one typed value. Immutable after load, shared by all threads.
// A syntax error is reported with its line; otherwise every wrong key at once, each "file:line: key: what".
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "core/status.hpp"

namespace moegate::config {

struct Endpoint {
  std::string host;  // literal address or name; IPv6 without brackets
  std::uint16_t port = 0;
};

struct Tls {
  std::filesystem::path cert, key;
  bool enabled() const { return !cert.empty(); }
};

struct Server {
  Endpoint listen{"127.0.0.1", 8080};
  Tls tls;
  std::uint32_t threads = 0;  // 0 = 1 up to four cores, else 2
  std::uint64_t max_body_bytes = std::uint64_t{8} << 20;
  std::uint32_t max_connections = 4096;
  std::chrono::milliseconds header_timeout{10'000}, body_timeout{30'000}, keep_alive{90'000}, write_timeout{60'000};
  std::chrono::milliseconds request_timeout{600'000};  // the deadline of a request, from its last byte
  std::chrono::milliseconds drain{30'000};
  std::chrono::milliseconds heartbeat{15'000};  // 0 = none
  std::uint32_t max_queued_requests = 256;      // waiting to be prepared
  std::uint64_t max_queued_bytes = std::uint64_t{64} << 20;
};

struct Admin {
  Endpoint listen{"127.0.0.1", 9090};
  bool socket = true;                    // <data>/admin.sock
  std::vector<std::string> allow_hosts;  // names beside loopback and literal addresses
};

struct Engine {
  std::string plugin = "moe-engine";
  std::uint32_t threads = 0;  // 0 = all allowed
  bool deterministic = true;
  bool pin_threads = true;
};

struct Model {
  std::string id;
  std::filesystem::path path;  // absolute, or empty if the plugin needs none
  std::string plugin;          // never empty after load
  std::string weights = "native";
  std::uint32_t max_sequences = 0, prefill_chunk = 0, weight = 1;
  std::uint64_t kv_cache_bytes = 0;
  std::vector<std::string> aliases;
  moe::json::Value options;  // [model.options], handed to the plugin as it is; null if absent
};

struct Metering {
  bool durable_per_request = false;  // durability = "request"
  std::uint32_t max_unsynced_steps = 4;
  bool bill_failed = false;
};

enum class MoeLevel : std::uint8_t { off, model, layer };

struct Metrics {
  MoeLevel moe_level = MoeLevel::layer;
  bool public_on_loopback = true;
  std::uint32_t max_series = 20'000;
  std::chrono::seconds moe_window{60};
};

struct Log {
  std::string level = "info";  // error | warning | info | debug
  bool access = true;
};

struct Config {
  std::filesystem::path file;
  std::filesystem::path data_dir;
  Server server;
  Admin admin;
  Engine engine;
  std::vector<Model> models;
  Metering metering;
  Metrics metrics;
  Log log;
};

// Errors: NOT_FOUND (no such file), INVALID_ARGUMENT (the text holds one line a finding). Relative paths count from the
// folder of the file.
moe::Result<Config> load(const std::filesystem::path& file);
// As load, from text; `file` names it in messages and anchors relative paths. Looks at the disk only for [[model]] path
// and [server.tls] files.
moe::Result<Config> parse(std::string_view text, const std::filesystem::path& file);

inline constexpr std::size_t kMaxConfigBytes = std::size_t{256} << 10;

}  // namespace moegate::config
