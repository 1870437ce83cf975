// An exchange that is watched: every answer has its request id, its line in the access log and its place in the
// metrics, whoever wrote it. Forwards everything to the connection's exchange; same threads.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "http/message.hpp"
#include "middleware/context.hpp"
#include "telemetry/metrics.hpp"

namespace moegate::middleware {

class ObservedExchange : public http::Exchange {
 public:
  ObservedExchange(std::shared_ptr<http::Exchange> inner, telemetry::Metrics& metrics, std::string listener);
  ~ObservedExchange() override;

  Context context;

  const http::Request& request() const override { return inner_->request(); }
  void add_header(std::string name, std::string value) override;
  void respond(http::Response response) override;
  void begin_stream(int status, std::string content_type, std::vector<http::Header> headers) override;
  void write(std::string piece) override;
  void end_stream(bool clean) override;
  std::size_t queued_bytes() const override { return inner_->queued_bytes(); }
  void on_closed(std::function<void()> callback) override;
  void on_drained(std::size_t low_mark, std::function<void()> callback) override;
  void set_timer(std::chrono::milliseconds after, std::function<void()> callback) override;
  void post(std::function<void()> work) override { inner_->post(std::move(work)); }

  // Gauges by route begin here, once the route is known.
  void begin();

 private:
  void finish(int status, bool is_cut);

  std::shared_ptr<http::Exchange> inner_;
  telemetry::Metrics* metrics_;
  std::string listener_;
  int status_ = 0;
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<bool> is_begun_{false}, is_finished_{false};
};

// The context of an exchange that came through a pipeline.
inline Context& context_of(http::Exchange& exchange) { return static_cast<ObservedExchange&>(exchange).context; }

}  // namespace moegate::middleware
