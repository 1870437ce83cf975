#include "config/config.hpp"

#include <algorithm>
#include <fstream>
#include <set>

#include "config/scan.hpp"
#include "config/section.hpp"

namespace moegate::config {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 50;

struct Reading {
  Config config;
  fs::path folder;

  fs::path absolute(const std::string& text) const { return (folder / text).lexically_normal(); }

  void read_data(Section data) {
    std::string dir;
    if (data.read("dir", dir) && !dir.empty()) {
      config.data_dir = absolute(dir);
    } else if (!data.present() || dir.empty()) {
      data.fail("dir", "missing: the data directory, for example dir = \"/var/lib/moegate\"");
    }
    data.finish();
  }

  void read_tls(Section tls, Tls& out) {
    if (!tls.present()) return;
    for (auto [key, path] : {std::pair{"cert", &out.cert}, std::pair{"key", &out.key}}) {
      std::string text;
      if (!tls.read(key, text)) {
        tls.fail(key, "missing: a PEM file");
        continue;
      }
      *path = absolute(text);
      std::error_code error;
      if (!fs::is_regular_file(*path, error)) tls.fail(key, "no such file: " + path->string());
    }
    tls.finish();
  }

  void read_server(Section server) {
    auto& out = config.server;
    server.read_endpoint("listen", out.listen);
    read_tls(server.section("tls"), out.tls);
    server.read("threads", out.threads, 0, 64);
    server.read("max_body_bytes", out.max_body_bytes, 1024, std::uint64_t{1} << 30);
    server.read("max_connections", out.max_connections, 1, 1'000'000);
    server.read_seconds("header_timeout", out.header_timeout, 0.1, 600);
    server.read_seconds("body_timeout", out.body_timeout, 0.1, 3600);
    server.read_seconds("write_timeout", out.write_timeout, 0.1, 3600);
    server.read_seconds("keep_alive", out.keep_alive, 0.1, 3600);
    server.read_seconds("request_timeout", out.request_timeout, 0.1, 86'400);
    server.read_seconds("drain", out.drain, 0, 86'400);
    server.read_seconds("heartbeat", out.heartbeat, 0, 3600);
    server.read("max_queued_requests", out.max_queued_requests, 1, 1'000'000);
    server.read("max_queued_bytes", out.max_queued_bytes, 1024, kMaxBytes);
    server.finish();
  }

  void read_admin(Section admin) {
    admin.read_endpoint("listen", config.admin.listen);
    admin.read("socket", config.admin.socket);
    admin.read("allow_hosts", config.admin.allow_hosts);
    admin.finish();
  }

  void read_engine(Section engine) {
    engine.read("plugin", config.engine.plugin);
    if (config.engine.plugin.empty()) engine.fail("plugin", "must not be empty");
    engine.read("threads", config.engine.threads, 0, 1024);
    engine.read("deterministic", config.engine.deterministic);
    if (!config.engine.deterministic) engine.fail("deterministic", "this release has only the deterministic engine");
    engine.read("pin_threads", config.engine.pin_threads);
    engine.finish();
  }

  void read_metering(Section metering) {
    std::string durability = "token";
    metering.read_choice("durability", durability, {"token", "request"});
    config.metering.durable_per_request = durability == "request";
    metering.read("max_unsynced_steps", config.metering.max_unsynced_steps, 1, 64);
    metering.read("bill_failed", config.metering.bill_failed);
    metering.finish();
  }

  void read_metrics(Section metrics) {
    std::string level = "layer";
    metrics.read_choice("moe_level", level, {"off", "model", "layer"});
    config.metrics.moe_level = level == "off" ? MoeLevel::off : level == "model" ? MoeLevel::model : MoeLevel::layer;
    metrics.read("public_on_loopback", config.metrics.public_on_loopback);
    metrics.read("max_series", config.metrics.max_series, 100, 10'000'000);
    std::chrono::milliseconds window{config.metrics.moe_window};
    metrics.read_seconds("moe_window", window, 1, 3600);
    config.metrics.moe_window = std::chrono::duration_cast<std::chrono::seconds>(window);
    metrics.finish();
  }

  void read_log(Section log) {
    log.read_choice("level", config.log.level, {"error", "warning", "info", "debug"});
    log.read("access", config.log.access);
    log.finish();
  }

  void read_model(Section section) {
    Model model;
    if (!section.read("id", model.id)) section.fail("id", "missing: the name that clients use");
    std::string path;
    if (section.read("path", path)) model.path = absolute(path);
    section.read("plugin", model.plugin);
    if (model.plugin.empty()) model.plugin = config.engine.plugin;
    section.read_choice("weights", model.weights, {"native", "f32"});
    section.read("max_sequences", model.max_sequences, 0, 4096);
    section.read("kv_cache_bytes", model.kv_cache_bytes, 0, kMaxBytes);
    section.read("prefill_chunk", model.prefill_chunk, 0, 65'536);
    section.read("weight", model.weight, 1, 1000);
    section.read("aliases", model.aliases);
    model.options = section.read_json("options");
    section.finish();
    check_model(section, model);
    config.models.push_back(std::move(model));
  }

  void check_model(Section& section, const Model& model) {
    check_name(section, "id", model.id);
    for (const auto& alias : model.aliases) check_name(section, "aliases", alias);
    std::error_code error;
    if (model.path.empty()) {
      if (model.plugin == "moe-engine") section.fail("path", "missing: the folder of the model");
    } else if (!fs::exists(model.path, error)) {
      section.fail("path", "no such file or folder: " + model.path.string());
    }
    if (model.plugin.find('/') != std::string::npos && model.plugin.front() != '/') {
      section.fail("plugin", "must be a name or an absolute path");
    }
  }

  void check_name(Section& section, std::string_view key, const std::string& name) {
    const bool printable =
        std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
    if (name.size() > 256 || !printable) return section.fail(key, "must be at most 256 printable characters");
    if (name.empty()) return;
    if (!names.insert(name).second) section.fail(key, "\"" + name + "\" is used twice");
  }

  void read_root(Section root) {
    read_data(root.section("data"));
    read_server(root.section("server"));
    read_admin(root.section("admin"));
    read_engine(root.section("engine"));
    read_metering(root.section("metering"));
    read_metrics(root.section("metrics"));
    read_log(root.section("log"));
    auto models = root.sections("model");
    if (models.empty()) root.fail("model", "missing: at least one [[model]] with id and path");
    for (auto& model : models) read_model(model);
    check_listeners(root);
    root.finish();
  }

  void check_listeners(Section& root) {
    const auto& data = config.server.listen;
    const auto& admin = config.admin.listen;
    if (data.port != 0 && data.port == admin.port && data.host == admin.host) {
      root.fail("admin", "listen is the address of [server] listen as well");
    }
  }

  std::set<std::string> names;
};

}  // namespace

moe::Result<Config> parse(std::string_view text, const fs::path& file) {
  const std::string name = file.string();
  if (auto status = scan_toml(text, name); !status.ok()) return status;
  Findings findings(name);
  Reading reading;
  std::error_code error;
  reading.folder = fs::absolute(file, error).parent_path();
  reading.config.file = file;
  const auto use = [](Section root, void* context) { static_cast<Reading*>(context)->read_root(std::move(root)); };
  if (auto status = with_toml(text, name, findings, use, &reading); !status.ok()) return status;
  if (!findings.empty()) return moe::invalid(findings.text());
  return std::move(reading.config);
}

moe::Result<Config> load(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::error_code error;
  if (!in || fs::is_directory(file, error))
    return moe::Status(moe::Code::not_found, file.string() + ": cannot be read");
  std::string text(kMaxConfigBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return parse(text, file);
}

}  // namespace moegate::config
