#include "api/generation.hpp"

#include <algorithm>
#include <cstring>

#include "core/digest.hpp"
#include "http/sse.hpp"
#include "telemetry/log.hpp"

namespace moegate::api {
namespace {

using http::Problem;
using moe::json::Value;

constexpr std::size_t kMaxQueuedBytes = 32 * 1024;
constexpr std::size_t kMaxQueuedEvents = 64;
// A stream whose prompt waits longer than this gets its headers at once; later refusals are then in-band.
constexpr std::chrono::milliseconds kHeaderPatience{900};

ApiError error_of(const backend::Refusal& refusal) {
  const auto problem = http::problem_of(refusal.status.code()).value_or(Problem::internal_error);
  const auto info = http::error_info(problem);
  ApiError error{problem, refusal.status.message(), refusal.status.param(), refusal.code};
  // Texts of a plugin reach a client only where they speak about its own request.
  if (info.status >= 500) error = {problem, "The model cannot take this request now.", {}, {}};
  return error;
}

std::string_view outcome_of(const ApiError& error) {
  const auto status = http::error_info(error.problem).status;
  return status >= 500 ? "rejected_overload" : "rejected_invalid";
}

void copy_key(std::uint8_t (&to)[32], const std::vector<std::uint8_t>& from) {
  std::memcpy(to, from.data(), std::min<std::size_t>(from.size(), 32));
}

double seconds(std::chrono::steady_clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Generation::Generation(const Services& services, Shared exchange, Params params, const backend::Model& model,
                       std::unique_ptr<limits::Limiter::Slot> slot)
    : services_(services),
      exchange_(std::move(exchange)),
      params_(std::move(params)),
      model_(model),
      slot_(std::move(slot)) {
  const auto& context = exchange_->context;
  AnswerHead head{params_.api, (params_.api == Api::chat ? "chatcmpl-" : "cmpl-") + context.request_id,
                  context.now_us / 1'000'000, model_.id, model_.fingerprint};
  if (params_.is_stream) {
    chunks_.emplace(params_, std::move(head));
  } else {
    answer_.emplace(params_, std::move(head));
  }
  seed_ = params_.seed.value_or(0);
  if (!params_.seed) moe::random_bytes({reinterpret_cast<std::uint8_t*>(&seed_), sizeof(seed_)});
}

void Generation::run() {
  started_at_ = Clock::now();
  deadline_ = exchange_->request().received + services_.config->server.request_timeout;
  exchange_->on_closed([self = shared_from_this()] { self->on_closed(); });
  submit_prepare();
  if (phase_ != Phase::ended) set_timer();
}

// ---- prepare

std::vector<std::string> Generation::prepare_requests() const {
  std::vector<std::string> requests;
  for (auto prompt : params_.prompts) {
    if (params_.api == Api::chat) prompt.set("now", Value::integer(exchange_->context.now_us / 1'000'000));
    requests.push_back(moe::json::write(prompt));
  }
  return requests;
}

void Generation::submit_prepare() {
  auto requests = prepare_requests();
  std::uint64_t bytes = 0;
  for (const auto& request : requests) bytes += request.size();
  const auto& principal = *exchange_->context.principal;
  ticket_ = services_.backend->pool().submit(
      principal.org + "/" + principal.project, bytes,
      [self = shared_from_this(), requests = std::move(requests)] { self->prepare_all(requests); });
  if (ticket_ != 0) return;
  services_.metrics->limit_rejections.add(1, "global", "queue");
  reject({Problem::engine_overloaded, "Too many requests are waiting.", {}, {}}, "rejected_overload");
}

void Generation::prepare_all(const std::vector<std::string>& requests) {
  auto prepared = std::make_shared<PreparedList>();
  std::optional<backend::Refusal> refused;
  for (const auto& request : requests) {
    auto outcome = services_.backend->prepare(model_, request);
    if (auto* refusal = std::get_if<backend::Refusal>(&outcome)) {
      refused = std::move(*refusal);
      break;
    }
    prepared->push_back(std::move(std::get<backend::Prepared>(outcome)));
  }
  exchange_->post([self = shared_from_this(), prepared, refused = std::move(refused)] {
    self->on_prepared(std::move(*prepared), refused);
  });
}

void Generation::on_prepared(PreparedList prepared, std::optional<backend::Refusal> refusal) {
  if (phase_ != Phase::preparing) return;
  if (refusal) {
    const auto error = error_of(*refusal);
    return reject(error, outcome_of(error));
  }
  if (services_.lifecycle->is_draining) {
    return reject({Problem::draining, "The server is shutting down.", {}, {}}, "rejected_draining");
  }
  start(std::move(prepared));
}

// ---- start

std::shared_ptr<usage::Admission> Generation::admit(const PreparedList& prepared) {
  const auto& context = exchange_->context;
  const auto& principal = *context.principal;
  usage::AdmissionOptions options;
  auto& row = options.row;
  row.request_id = context.request_id;
  row.org = principal.org;
  row.project = principal.project;
  row.key_id = principal.key_id;
  row.model = model_.id;
  row.asked_model = params_.model;
  row.api = params_.api == Api::chat ? "chat" : "completions";
  row.mode = params_.is_stream ? "stream" : "oneshot";
  row.build_id = model_.fingerprint;
  row.counts_grade = model_.counts;
  row.end_user = params_.user;
  row.admitted_at_us = context.now_us;
  row.seed = seed_;
  row.choices = params_.n * static_cast<std::uint32_t>(prepared.size());
  for (const auto& one : prepared) {
    row.prompt_tokens += one.prompt_tokens();
    row.hold_tokens += one.prompt_tokens() + params_.n * one.max_tokens();
  }
  options.slot = std::move(slot_);
  options.sequences = prepared.size();
  options.bill_failed = services_.config->metering.bill_failed;
  options.received = exchange_->request().received;
  return std::make_shared<usage::Admission>(std::move(options));
}

moe_plugin_start_options Generation::start_options() const {
  const auto& principal = *exchange_->context.principal;
  moe_plugin_start_options options{};
  options.struct_size = sizeof(options);
  options.kind = MOE_PLUGIN_KIND_GENERATE;
  options.num_choices = params_.n;
  options.logprobs = params_.logprobs;
  options.max_tokens = params_.max_tokens.value_or(0);
  options.seed = seed_;
  options.temperature = params_.temperature;
  options.top_p = params_.top_p;
  options.min_p = params_.min_p;
  options.frequency_penalty = params_.frequency_penalty;
  options.presence_penalty = params_.presence_penalty;
  options.repetition_penalty = params_.repetition_penalty;
  options.sampling_top_k = params_.sampling_top_k;
  options.min_tokens = params_.min_tokens;
  options.ignore_eos = params_.ignore_eos ? 1 : 0;
  options.fair_weight = 1;
  const auto isolation = services_.directory->isolation_key(principal.org, principal.project);
  copy_key(options.isolation_key, isolation);
  const auto route = moe::hmac_sha256(isolation, "route");
  std::copy(route.begin(), route.end(), options.route_key);
  std::memcpy(&options.fair_group, isolation.data(), std::min<std::size_t>(isolation.size(), 8));
  return options;
}

void Generation::start(PreparedList prepared) {
  phase_ = Phase::running;
  running_ = std::make_shared<backend::Running>();
  running_->admission = admit(prepared);
  running_->model = model_.id;
  running_->is_stream = params_.is_stream;
  running_->deliver = [self = shared_from_this()](backend::Delivery delivery) {
    if (delivery.is_last) self->note_end(delivery);
    auto shared = std::make_shared<backend::Delivery>(std::move(delivery));
    self->exchange_->post([self, shared] { self->on_delivery(std::move(*shared)); });
  };
  services_.metrics->overhead.observe(seconds(Clock::now() - started_at_), exchange_->context.route, "submit");
  services_.backend->expect(running_, prepared.size());
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    const auto refusal = services_.backend->start(running_, i, std::move(prepared[i]), start_options(), i > 0);
    if (refusal) {
      for (std::size_t rest = i + 1; rest < prepared.size(); ++rest) {
        services_.backend->receiver().forget(running_, rest, i > 0);
      }
      return on_start_failed(*refusal, i > 0);
    }
  }
  if (params_.is_stream) begin_stream();
}

// [ledger] For the access log: after the client has gone nothing runs on its strand any more. Nobody else touches these
// fields before the last delivery.
void Generation::note_end(const backend::Delivery& delivery) {
  auto& context = exchange_->context;
  const auto counts = running_->admission->counts();
  context.outcome = delivery.is_durable ? ledger::outcome_name(running_->admission->outcome()) : "unrecorded";
  context.prompt_tokens = counts.input + counts.cache_read + counts.cache_write;
  context.completion_tokens = counts.output;
}

void Generation::on_start_failed(const backend::Refusal& refusal, bool others_run) {
  services_.metrics->engine_faults.add(1, model_.id, "start");
  telemetry::log::warning("model " + model_.id + ": a request could not start: " + refusal.status.message());
  if (others_run) {  // what runs ends first, then its record says that the request was shed
    late_refusal_ = refusal;
    return want_end(usage::EndReason::shed);
  }
  running_->deliver = nullptr;
  running_ = nullptr;
  const auto error = error_of(refusal);
  reject(error, outcome_of(error));
}

// ---- deliver

void Generation::on_delivery(backend::Delivery delivery) {
  if (phase_ == Phase::ended) return;
  if (!delivery.events.empty()) counts_ = delivery.events.back().counts;
  if (!is_closed_ && delivery.is_durable) show(delivery);
  if (delivery.is_last || !delivery.is_durable) return finish(delivery);
  if (!is_closed_) press_back();
}

void Generation::show(const backend::Delivery& delivery) {
  std::string out;
  for (const auto& event : delivery.events) {
    has_tokens_ = has_tokens_ || !event.tokens.empty();
    if (answer_) {
      answer_->on_event(event);
    } else {
      out += chunks_->on_event(event);
      ++events_in_queue_;
    }
  }
  if (out.empty()) return;
  if (exchange_->queued_bytes() == 0) events_in_queue_ = delivery.events.size();
  write(std::move(out));
}

void Generation::write(std::string piece) {
  begin_stream();
  exchange_->write(std::move(piece));
}

void Generation::begin_stream() {
  if (has_stream_ || is_closed_) return;
  has_stream_ = true;
  exchange_->begin_stream(
      200, std::string(http::kSseContentType),
      {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}, {"openai-version", "2020-10-01"}});
}

// The client takes less than the model gives: the sequence waits, others do not.
void Generation::press_back() {
  const auto queued = exchange_->queued_bytes();
  if (is_paused_ || (queued <= kMaxQueuedBytes && (events_in_queue_ <= kMaxQueuedEvents || queued < 2))) return;
  is_paused_ = true;
  paused_at_ = Clock::now();
  services_.backend->pause(*running_);
  exchange_->on_drained(std::min(kMaxQueuedBytes, queued - 1), [self = shared_from_this()] {
    if (!self->is_paused_ || self->phase_ != Phase::running) return;
    self->is_paused_ = false;
    self->events_in_queue_ = 0;
    self->services_.metrics->backpressure.observe(seconds(Clock::now() - self->paused_at_), self->model_.id);
    self->services_.backend->resume(*self->running_);
  });
}

void Generation::finish(const backend::Delivery& delivery) {
  const auto& admission = *running_->admission;
  const auto outcome = admission.outcome();
  phase_ = Phase::ended;
  exchange_->set_timer({}, nullptr);
  if (is_closed_) return;
  const bool billed = counts_.input + counts_.output > 0;
  if (!delivery.is_durable) {
    return end_with_error({Problem::internal_error, "The usage record could not be written.", {}, {}}, false);
  }
  switch (outcome) {
    case ledger::Outcome::completed:
    case ledger::Outcome::length:
    case ledger::Outcome::cancelled:
      return finish_well({delivery.record, admission.queue_us(), admission.ttft_us()});
    case ledger::Outcome::deadline:
      return end_with_error({Problem::deadline, "The deadline of the request has passed.", {}, {}}, billed);
    case ledger::Outcome::shed:
      if (late_refusal_) return end_with_error(error_of(*late_refusal_), billed);
      return end_with_error({Problem::draining, "The server is shutting down.", {}, {}}, billed);
    case ledger::Outcome::engine_error:
    case ledger::Outcome::disconnected:
    case ledger::Outcome::interrupted:
      break;
  }
  for (const auto& event : delivery.events) {
    if (!event.status.ok()) {
      telemetry::log::error("request " + exchange_->context.request_id + ", model " + model_.id + ": " +
                            event.status.message());
    }
  }
  end_with_error({Problem::internal_error, "The model failed on this request.", {}, {}}, billed);
}

void Generation::finish_well(const UsageExtra& extra) {
  if (chunks_) {
    write(chunks_->end(counts_, extra));
    return exchange_->end_stream(true);
  }
  http::Response response;
  response.body = answer_->body(counts_, extra);
  const auto elapsed =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - exchange_->request().received);
  response.headers = {{"x-moegate-usage-record", std::to_string(extra.record)},
                      {"openai-processing-ms", std::to_string(elapsed.count())},
                      {"openai-version", "2020-10-01"},
                      {"x-moegate-queue-ms", std::to_string(extra.queue_us / 1000)},
                      {"x-moegate-ttft-ms", std::to_string(extra.ttft_us / 1000)}};
  exchange_->respond(std::move(response));
}

// Before the first byte an ordinary answer; after it an event that both SDKs raise, and a connection that does not end
// as if all were well.
void Generation::end_with_error(const ApiError& error, bool tokens_were_billed) {
  if (has_stream_) {
    exchange_->write(ChunkWriter::error(to_response(error).body));
    return exchange_->end_stream(false);
  }
  http::ErrorDetails details;
  details.param = error.param;
  details.tokens_were_billed = tokens_were_billed;
  if (http::error_info(error.problem).status == 503) details.retry_after = std::chrono::seconds(1);
  auto response = http::error_response(error.problem, error.message, details);
  if (!error.code.empty()) response.body = to_response(error).body;
  exchange_->respond(std::move(response));
}

// An end before the engine took the request: no record, the place comes back.
void Generation::reject(const ApiError& error, std::string_view outcome) {
  phase_ = Phase::ended;
  slot_.reset();
  ++services_.lifecycle->refused;
  services_.metrics->requests.add(1, model_.id, params_.api == Api::chat ? "chat" : "completions",
                                  params_.is_stream ? "stream" : "oneshot", outcome);
  exchange_->context.outcome = outcome;
  exchange_->set_timer({}, nullptr);
  if (!is_closed_) end_with_error(error, false);
}

// ---- clock and client

void Generation::on_closed() {
  if (phase_ == Phase::ended) return;
  is_closed_ = true;
  if (phase_ == Phase::running) return want_end(usage::EndReason::disconnected);
  services_.backend->pool().withdraw(ticket_);
  reject({}, "disconnected");
}

void Generation::want_end(usage::EndReason reason) {
  if (running_ != nullptr && running_->admission->want_end(reason)) services_.backend->cancel(*running_);
}

void Generation::set_timer() {
  const auto now = Clock::now();
  auto next = deadline_;
  if (params_.is_stream && !has_tokens_) {
    const auto beat = services_.config->server.heartbeat;
    if (!has_stream_) {
      next_beat_ = started_at_ + kHeaderPatience;
      if (next_beat_ <= now) next_beat_ = now + kHeaderPatience;
    } else if (beat.count() > 0 && next_beat_ <= now) {
      next_beat_ = now + beat;
    }
    if (!has_stream_ || beat.count() > 0) next = std::min(next, next_beat_);
  }
  const auto wait = std::max(std::chrono::milliseconds(1), std::chrono::ceil<std::chrono::milliseconds>(next - now));
  exchange_->set_timer(wait, [self = shared_from_this()] { self->on_timer(); });
}

void Generation::on_timer() {
  if (phase_ == Phase::ended || is_closed_) return;
  const auto now = Clock::now();
  if (now >= deadline_) {
    if (phase_ == Phase::running) return want_end(usage::EndReason::deadline);
    services_.backend->pool().withdraw(ticket_);
    return reject({Problem::deadline, "The deadline of the request has passed.", {}, {}}, "rejected_overload");
  }
  if (params_.is_stream && !has_tokens_) {
    if (!has_stream_) {
      begin_stream();
      next_beat_ = now;
    } else if (now >= next_beat_) {
      exchange_->write(http::sse_comment("keep-alive"));
    }
  }
  set_timer();
}

}  // namespace moegate::api
