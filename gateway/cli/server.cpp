#include "cli/server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "api/routes.hpp"
#include "http/error_map.hpp"
#include "telemetry/log.hpp"

namespace moegate::cli {
namespace {

namespace log = telemetry::log;

std::int64_t wall_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

unsigned io_threads(std::uint32_t configured) {
  if (configured != 0) return configured;
  return std::thread::hardware_concurrency() > 4 ? 2 : 1;
}

std::vector<std::string> route_names(const http::Router& data, const http::Router& admin) {
  std::vector<std::string> names;
  for (const auto* router : {&data, &admin}) {
    for (const auto& route : router->routes()) {
      if (std::find(names.begin(), names.end(), route->name) == names.end()) names.push_back(route->name);
    }
  }
  return names;
}

std::string url(const config::Endpoint& endpoint, std::uint16_t port, bool is_tls) {
  const bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return std::string(is_tls ? "https://" : "http://") + (is_v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" +
         std::to_string(port);
}

}  // namespace

Server::Server(config::Config config) : config_(std::move(config)) {}
Server::~Server() { close(); }

// A secret that others can read is none.
moe::Status Server::check_secrets() const {
  if (!config_.server.tls.enabled()) return {};
  struct stat info {};
  const auto& key = config_.server.tls.key;
  if (::stat(key.c_str(), &info) != 0) return moe::invalid(key.string() + ": cannot be read");
  if ((info.st_mode & S_IRWXO) != 0) return moe::invalid(key.string() + ": is readable by others: chmod o= it");
  return {};
}

moe::Status Server::open() {
  if (auto status = check_secrets(); !status.ok()) return status;
  auto dir = ledger::DataDir::open(config_.data_dir);
  if (!dir) return dir.status();
  data_dir_ = std::make_unique<ledger::DataDir>(std::move(*dir));
  ledger::Options options;
  options.dir = config_.data_dir;
  options.durable_per_request = config_.metering.durable_per_request;
  options.max_unsynced_steps = config_.metering.max_unsynced_steps;
  options.mac_key = data_dir_->derive(ledger::kLedgerMacLabel);
  auto opened = ledger::Ledger::open(std::move(options));
  if (!opened) return opened.status();
  ledger_ = std::move(*opened);
  auto directory = tenancy::Directory::open(*ledger_, data_dir_->pepper());
  if (!directory) return directory.status();
  directory_ = std::move(*directory);
  limiter_ = limits::Limiter::create([] { return std::chrono::steady_clock::now(); });
  for (const auto& [principal, age_us] : directory_->recent_admissions(wall_us())) limiter_->restore(principal, age_us);
  plugins_ = std::make_unique<plugin_host::PluginHost>(plugin_host::PluginHost::default_folders());
  return open_admin();
}

moe::Status Server::open_admin() {
  service_ = std::make_unique<admin::Service>(*ledger_, *directory_);
  services_.config = &config_;
  services_.ledger = ledger_.get();
  services_.directory = directory_.get();
  services_.limiter = limiter_.get();
  services_.lifecycle = &lifecycle_;
  services_.wall_us = wall_us;
  admin::HttpGuard::Options guard;
  guard.directory = directory_.get();
  guard.public_metrics_on_loopback = config_.metrics.public_on_loopback;
  guard.service_role = &admin::Service::route_role;
  guard_ = std::make_unique<admin::HttpGuard>(guard);
  admin::HttpApi::Options options;
  options.service = service_.get();
  options.services = &services_;
  options.guard = guard_.get();
  options.render_metrics = [this] { return metrics_->registry.render(); };
  options.sampler = [this] { return lifecycle_.is_ready ? sampler_.get() : nullptr; };
  options.address = [this] { return url(config_.admin.listen, admin_ != nullptr ? admin_->port() : 0, false); };
  admin_api_ = std::make_unique<admin::HttpApi>(std::move(options));
  admin_api_->add_routes(admin_routes_);
  api::add_data_routes(data_routes_, services_);
  make_metrics();
  wire_ledger();
  io_ = std::make_unique<net::IoRuntime>(io_threads(config_.server.threads),
                                         [](std::string_view text) { log::error(text); });

  const auto pipeline = [this](const char* name, const http::Router& router) {
    middleware::Pipeline::Options made;
    made.listener = name;
    made.router = &router;
    made.metrics = metrics_.get();
    made.lifecycle = &lifecycle_;
    made.ids = &ids_;
    made.directory = directory_.get();
    made.wall_us = wall_us;
    if (&router == &admin_routes_) {
      const bool is_socket = std::string_view(name) == "socket";
      made.admit_admin = [this, is_socket](middleware::ObservedExchange& exchange, const http::Route& route) {
        return guard_->admit(exchange, route, is_socket);
      };
    }
    return std::make_unique<middleware::Pipeline>(std::move(made));
  };
  data_pipeline_ = pipeline("data", data_routes_);
  admin_pipeline_ = pipeline("admin", admin_routes_);
  socket_pipeline_ = pipeline("socket", admin_routes_);

  auto on_tcp = common_options();
  on_tcp.address = config_.admin.listen.host;
  on_tcp.port = config_.admin.listen.port;
  on_tcp.check_host = true;
  on_tcp.allowed_hosts = config_.admin.allow_hosts;
  auto server = listen(std::move(on_tcp), "admin", *admin_pipeline_);
  if (!server) return server.status().with_context("[admin] listen");
  admin_ = std::move(*server);
  log::info("admin listener " + url(config_.admin.listen, admin_->port(), false));
  if (!config_.admin.socket) return {};
  auto on_socket = common_options();
  on_socket.unix_path = data_dir_->admin_socket().string();
  auto socket = listen(std::move(on_socket), "socket", *socket_pipeline_);
  if (!socket) return socket.status().with_context("admin.sock");
  socket_ = std::move(*socket);
  return {};
}

void Server::make_metrics() {
  telemetry::MetricsOptions options;
  for (const auto& model : config_.models) options.models.push_back(model.id);
  options.routes = route_names(data_routes_, admin_routes_);
  options.max_series = config_.metrics.max_series;
  options.version = MOEGATE_VERSION;
  options.build_id = "plugin-abi-" + std::to_string(MOE_PLUGIN_ABI_MAJOR) + "." + std::to_string(MOE_PLUGIN_ABI_MINOR);
  metrics_ = std::make_unique<telemetry::Metrics>(options);
  metrics_->registry.before_scrape([this] { update_gauges(); });
  services_.metrics = metrics_.get();
  const auto recovered = ledger_->stats().recovered_records;
  metrics_->meter_recovered.add(static_cast<double>(recovered));
  metrics_->meter_records.add(static_cast<double>(recovered), "recovered");
  if (recovered > 0)
    log::info("recovered " + std::to_string(recovered) + " requests of an earlier process as interrupted");
}

void Server::wire_ledger() {
  ledger_->on_commit([this](double seconds, std::size_t batches) {
    metrics_->meter_fsync.observe(seconds);
    metrics_->meter_group_commit.observe(static_cast<double>(batches));
  });
  ledger_->on_state([this](ledger::State state) {
    lifecycle_.is_ledger_ok = state == ledger::State::serving;
    if (state == ledger::State::failed) ledger_failed_ = true;
    if (state == ledger::State::serving) return log::info("the ledger is writing again");
    log::error(state == ledger::State::failed ? "the ledger failed: no token is delivered any more, shutting down"
                                              : "the disk is full: requests wait, new ones are refused");
  });
}

net::ServerOptions Server::common_options() const {
  net::ServerOptions options;
  options.max_body_bytes = config_.server.max_body_bytes;
  options.max_connections = config_.server.max_connections;
  options.head_timeout = config_.server.header_timeout;
  options.body_timeout = config_.server.body_timeout;
  options.idle_timeout = config_.server.keep_alive;
  options.write_timeout = config_.server.write_timeout;
  return options;
}

net::ServerHooks Server::hooks(const std::string& listener, bool is_tls) {
  net::ServerHooks hooks;
  const std::string tls = is_tls ? "1" : "0";
  hooks.on_connection_opened = [this, listener, tls] { metrics_->http_connections.add(1, listener, tls); };
  hooks.on_connection_closed = [this, listener, tls](std::uint64_t in, std::uint64_t out) {
    metrics_->http_connections.add(-1, listener, tls);
    metrics_->http_bytes.add(static_cast<double>(in), listener, "in");
    metrics_->http_bytes.add(static_cast<double>(out), listener, "out");
  };
  hooks.on_tls_handshake = [this, listener](std::string_view version, bool ok) {
    metrics_->tls_handshakes.add(1, listener, version.empty() ? "none" : version, ok ? "ok" : "failed");
  };
  hooks.on_refused = [this](int status) {
    metrics_->http_requests.add(1, "unknown", "__other__", std::to_string(status), "none");
  };
  hooks.make_request_id = [this] { return ids_.next(wall_us()); };
  hooks.on_error = [](std::string_view message) { log::warning(message); };
  return hooks;
}

moe::Result<std::unique_ptr<net::HttpServer>> Server::listen(net::ServerOptions options, const std::string& name,
                                                             const middleware::Pipeline& pipeline) {
  options.hooks = hooks(name, !options.tls_cert_file.empty());
  return net::HttpServer::open(*io_, std::move(options), [&pipeline](std::shared_ptr<http::Exchange> exchange) {
    pipeline.run(std::move(exchange));
  });
}

moe::Status Server::load_models() {
  backend::Backend::Options options;
  options.config = &config_;
  options.plugins = plugins_.get();
  options.ledger = ledger_.get();
  options.metrics = metrics_.get();
  options.wall_us = wall_us;
  for (const auto& model : config_.models) log::info("loading model " + model.id + " with plugin " + model.plugin);
  auto opened = backend::Backend::open(options);
  if (!opened) return opened.status();
  backend_ = std::move(*opened);
  services_.backend = backend_.get();
  ledger_->on_room([this] { backend_->release(); });
  service_->set_engine_counters([this] {
    std::vector<admin::EngineCounters> all;
    if (!lifecycle_.is_ready) return all;
    for (const auto& model : backend_->models()) {
      if (const auto c = backend_->counters(model)) {
        all.push_back({model.id, c->prompt_tokens, c->cached_tokens, c->completion_tokens});
      }
    }
    return all;
  });
  sampler_ = std::make_unique<backend::MoeSampler>(*backend_, *metrics_, config_.metrics);
  return {};
}

moe::Status Server::serve() {
  auto options = common_options();
  options.address = config_.server.listen.host;
  options.port = config_.server.listen.port;
  options.tls_cert_file = config_.server.tls.cert.string();
  options.tls_key_file = config_.server.tls.key.string();
  lifecycle_.is_ready = true;
  auto server = listen(std::move(options), "data", *data_pipeline_);
  if (!server) return server.status().with_context("[server] listen");
  data_ = std::move(*server);
  log::info("serving " + std::to_string(config_.models.size()) + " model(s) on " +
            url(config_.server.listen, data_->port(), config_.server.tls.enabled()));
  return {};
}

std::uint16_t Server::data_port() const { return data_ != nullptr ? data_->port() : 0; }

void Server::begin_drain() {
  lifecycle_.is_draining = true;
  if (metrics_ != nullptr) metrics_->drain_state.set(1);
  if (data_ != nullptr) data_->begin_drain();
}

std::size_t Server::active() const {
  return backend_ == nullptr ? 0 : backend_->receiver().active() + backend_->pool().waiting();
}

void Server::shed() {
  if (backend_ == nullptr) return;
  for (const auto& running : backend_->receiver().all()) {
    if (running->admission->want_end(usage::EndReason::shed)) backend_->cancel(*running);
  }
}

void Server::close() {
  using std::chrono::seconds;
  if (data_ != nullptr) data_->stop(seconds(3));
  if (metrics_ != nullptr) metrics_->drain_state.set(2);
  if (admin_ != nullptr) admin_->stop(seconds(1));
  if (socket_ != nullptr) socket_->stop(seconds(1));
  lifecycle_.is_ready = false;
  if (backend_ != nullptr) backend_->close();  // every request has its last event after this
  if (directory_ != nullptr) directory_->flush_last_used();
  admin_api_.reset();
  // The ledger commits what is queued and gives the last deliveries before its thread ends.
  if (ledger_ != nullptr) ledger_->on_room([] {});
  service_.reset();
  sampler_.reset();
  directory_.reset();
  ledger_.reset();
  backend_.reset();
  data_.reset();
  admin_.reset();
  socket_.reset();
  io_.reset();
  plugins_.reset();
  data_dir_.reset();
}

}  // namespace moegate::cli
