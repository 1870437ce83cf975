// The objects of a running gateway and their life: made in order, told to drain, taken down in reverse. Used by the
// main thread only; what it holds is used by all.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "admin/http_api.hpp"
#include "admin/http_guard.hpp"
#include "admin/service.hpp"
#include "api/services.hpp"
#include "backend/backend.hpp"
#include "backend/moe_sampler.hpp"
#include "config/config.hpp"
#include "http/router.hpp"
#include "ledger/data_dir.hpp"
#include "limits/limits.hpp"
#include "middleware/pipeline.hpp"
#include "net/http_server.hpp"
#include "net/io_runtime.hpp"
#include "plugin_host/plugin_host.hpp"
#include "usage/ulid.hpp"

namespace moegate::cli {

class Server {
 public:
  explicit Server(config::Config config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Lock, ledger, tenants, admin listener: everything that is needed before models are loaded.
  moe::Status open();
  // Loads plugins and models; minutes for large ones. Any one thread.
  moe::Status load_models();
  // Opens the data listener; from here on requests are taken.
  moe::Status serve();

  void begin_drain();
  std::size_t active() const;
  // Ends what still runs, in-band.
  void shed();
  // Waits for the last answers, then takes everything down.
  void close();

  // Once a second: expert load, process numbers.
  void tick();
  bool ledger_failed() const { return ledger_failed_; }
  std::uint16_t data_port() const;

 private:
  moe::Status check_secrets() const;
  void make_metrics();
  void wire_ledger();
  moe::Status open_admin();
  moe::Result<std::unique_ptr<net::HttpServer>> listen(net::ServerOptions options, const std::string& name,
                                                       const middleware::Pipeline& pipeline);
  net::ServerOptions common_options() const;
  net::ServerHooks hooks(const std::string& listener, bool is_tls);
  void update_gauges();

  config::Config config_;
  std::unique_ptr<ledger::DataDir> data_dir_;
  std::unique_ptr<telemetry::Metrics> metrics_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<tenancy::Directory> directory_;
  std::unique_ptr<limits::Limiter> limiter_;
  std::unique_ptr<plugin_host::PluginHost> plugins_;
  std::unique_ptr<backend::Backend> backend_;
  std::unique_ptr<admin::Service> service_;
  std::unique_ptr<backend::MoeSampler> sampler_;
  middleware::Lifecycle lifecycle_;
  usage::UlidSource ids_;
  api::Services services_;
  http::Router data_routes_, admin_routes_;
  std::unique_ptr<middleware::Pipeline> data_pipeline_, admin_pipeline_, socket_pipeline_;
  std::unique_ptr<admin::HttpGuard> guard_;
  std::unique_ptr<admin::HttpApi> admin_api_;
  std::unique_ptr<net::IoRuntime> io_;
  std::unique_ptr<net::HttpServer> data_, admin_, socket_;
  std::atomic<bool> ledger_failed_{false};
};

}  // namespace moegate::cli
