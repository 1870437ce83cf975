#include "middleware/observed_exchange.hpp"

#include <utility>

#include "core/json.hpp"
#include "telemetry/log.hpp"

namespace moegate::middleware {
namespace {

std::string_view tenant_class(const Context& context) {
  if (context.principal) return "tenant";
  return context.actor.empty() ? "none" : "admin";
}

}  // namespace

ObservedExchange::ObservedExchange(std::shared_ptr<http::Exchange> inner, telemetry::Metrics& metrics,
                                   std::string listener)
    : inner_(std::move(inner)), metrics_(&metrics), listener_(std::move(listener)) {}

ObservedExchange::~ObservedExchange() { finish(499, true); }

void ObservedExchange::begin() {
  if (!is_begun_.exchange(true)) metrics_->http_inflight.add(1, context.route);
}

void ObservedExchange::add_header(std::string name, std::string value) {
  inner_->add_header(std::move(name), std::move(value));
}

void ObservedExchange::respond(http::Response response) {
  const int status = response.status;
  bytes_ += response.body.size();
  inner_->respond(std::move(response));
  finish(status, false);
}

void ObservedExchange::begin_stream(int status, std::string content_type, std::vector<http::Header> headers) {
  status_ = status;
  inner_->begin_stream(status, std::move(content_type), std::move(headers));
}

void ObservedExchange::write(std::string piece) {
  bytes_ += piece.size();
  inner_->write(std::move(piece));
}

void ObservedExchange::end_stream(bool clean) {
  inner_->end_stream(clean);
  finish(status_, !clean);
}

// The line in the log is written when the last holder lets go (destructor): then the request has its outcome.
void ObservedExchange::on_closed(std::function<void()> callback) { inner_->on_closed(std::move(callback)); }

void ObservedExchange::on_drained(std::size_t low_mark, std::function<void()> callback) {
  inner_->on_drained(low_mark, std::move(callback));
}

void ObservedExchange::set_timer(std::chrono::milliseconds after, std::function<void()> callback) {
  inner_->set_timer(after, std::move(callback));
}

void ObservedExchange::finish(int status, bool is_cut) {
  if (is_finished_.exchange(true)) return;
  using moe::json::Value;
  const auto elapsed = std::chrono::steady_clock::now() - inner_->request().received;
  const double seconds = std::chrono::duration<double>(elapsed).count();
  if (is_begun_) metrics_->http_inflight.add(-1, context.route);
  metrics_->http_requests.add(1, context.route, request().method, std::to_string(status), tenant_class(context));
  metrics_->http_duration.observe(seconds, context.route, telemetry::status_class(status));
  Value line = Value::object();
  line.set("time_us", Value::integer(context.now_us));
  line.set("request_id", Value::string(context.request_id));
  line.set("listener", Value::string(listener_));
  line.set("route", Value::string(context.route));
  line.set("method", Value::string(request().method));
  line.set("status", Value::integer(status));
  line.set("cut", Value::boolean(is_cut));
  line.set("seconds", Value::number(seconds));
  line.set("bytes", Value::integer(static_cast<std::int64_t>(bytes_.load())));
  if (context.principal) {
    line.set("org", Value::string(context.principal->org));
    line.set("project", Value::string(context.principal->project));
    line.set("key", Value::string(context.principal->key_id));
  }
  if (!context.actor.empty()) line.set("actor", Value::string(context.actor));
  if (!context.model.empty()) line.set("model", Value::string(context.model));
  if (!context.outcome.empty()) {
    line.set("outcome", Value::string(context.outcome));
    line.set("prompt_tokens", Value::integer(static_cast<std::int64_t>(context.prompt_tokens)));
    line.set("completion_tokens", Value::integer(static_cast<std::int64_t>(context.completion_tokens)));
  }
  telemetry::log::access(moe::json::write(line));
}

}  // namespace moegate::middleware
