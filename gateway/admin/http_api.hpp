// The routes of the admin listener and of the admin socket: metrics, the page's numbers, expert load, and the tenancy
// and usage calls of the service, which run on a worker of their own because they wait for commits. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "admin/http_guard.hpp"
#include "admin/service.hpp"
#include "api/services.hpp"
#include "backend/moe_sampler.hpp"
#include "http/router.hpp"

namespace moegate::admin {

class HttpApi {
 public:
  struct Options {
    Service* service = nullptr;
    const api::Services* services = nullptr;
    HttpGuard* guard = nullptr;
    std::function<std::string()> render_metrics;
    std::function<backend::MoeSampler*()> sampler;  // null while models are loading
    std::function<std::string()> address;           // "http://127.0.0.1:9090", of the admin listener
  };
  explicit HttpApi(Options options);
  ~HttpApi();
  HttpApi(const HttpApi&) = delete;
  HttpApi& operator=(const HttpApi&) = delete;

  void add_routes(http::Router& router);

 private:
  void metrics(const api::Shared& exchange);
  void service(const api::Shared& exchange);
  void make_login(const api::Shared& exchange);
  void login(const api::Shared& exchange);
  // False if too much is waiting; then it has answered.
  void off_strand(const api::Shared& exchange, std::function<http::Response()> work);
  void run();

  Options options_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool is_stopping_ = false;
  std::thread worker_;
};

// The numbers of the page (gateway/web/README.md). Internal.
moe::json::Value overview(const api::Services& services, std::chrono::steady_clock::time_point started);
http::Response expert_load(const api::Services& services, backend::MoeSampler& sampler, const http::Request& request,
                           const std::string& model);

}  // namespace moegate::admin
