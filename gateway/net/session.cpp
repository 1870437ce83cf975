// The reading half of a session: handshake, requests, deadlines, the end of the connection.
#include "net/session.hpp"

#include <algorithm>
#include <cstring>

#include "http/error_map.hpp"
#include "http/origin.hpp"
#include "net/session_exchange.hpp"

namespace moegate::net {

using boost::system::error_code;

namespace {

constexpr std::size_t kFirstBufferBytes = std::size_t{4} << 10;
constexpr std::size_t kBufferBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxUnsentBytes = std::size_t{16} << 10;     // above it a pipelined request waits
constexpr std::size_t kMaxDiscardedBytes = std::size_t{64} << 20;  // after our end of the connection

}  // namespace

Session::Session(std::shared_ptr<ServerState> state, Strand strand, std::unique_ptr<Stream> stream, std::string peer)
    : state_(std::move(state)),
      strand_(std::move(strand)),
      stream_(std::move(stream)),
      peer_(std::move(peer)),
      reader_(ReadLimits{state_->options.head, state_->options.max_body_bytes}),
      timer_(strand_) {
  deadlines_.fill(Clock::time_point::max());
}

Session::~Session() = default;

void Session::start() {
  state_->add(shared_from_this());
  if (state_->options.hooks.on_connection_opened) state_->options.hooks.on_connection_opened();
  boost::asio::post(strand_, [self = shared_from_this()] { self->start_handshake(); });
}

void Session::begin_drain() {
  boost::asio::post(strand_, [self = shared_from_this()] {
    const bool is_quiet = self->phase_ == Phase::idle && self->in_begin_ == self->in_end_;
    if (is_quiet && !self->stream_->has_bytes_to_read()) self->finish_connection();
  });
}

void Session::abort() {
  boost::asio::post(strand_, [self = shared_from_this()] { self->lose_peer(); });
}

void Session::start_handshake() {
  if (phase_ == Phase::closed) return;
  set_deadline(kRead, state_->options.handshake_timeout);
  stream_->handshake([self = shared_from_this()](error_code error) {
    if (self->phase_ == Phase::closed) return;
    if (self->stream_->is_tls() && self->state_->options.hooks.on_tls_handshake) {
      self->state_->options.hooks.on_tls_handshake(error ? std::string() : self->stream_->tls_version(), !error);
    }
    if (error) return self->close_now();
    self->become_idle();
    self->process();
  });
}

void Session::become_idle() {
  phase_ = Phase::idle;
  set_deadline(kRead, state_->options.idle_timeout);
}

// One read is always outstanding, unless the buffer is full (a peer that pipelines more than that waits).
void Session::start_read() {
  if (is_reading_ || is_end_of_input_ || phase_ == Phase::linger || phase_ == Phase::closed) return;
  if (in_begin_ == in_end_) in_begin_ = in_end_ = 0;
  if (in_begin_ > 0 && in_end_ == in_.size()) {
    std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
    in_end_ -= in_begin_;
    in_begin_ = 0;
  }
  const std::size_t most = std::max(kBufferBytes, state_->options.head.max_bytes);
  if (in_end_ == in_.size() && in_.size() < most) in_.resize(std::clamp(in_.size() * 2, kFirstBufferBytes, most));
  if (in_end_ == in_.size()) return;
  is_reading_ = true;
  stream_->read_some({in_.data() + in_end_, in_.size() - in_end_},
                     [self = shared_from_this()](error_code error, std::size_t size) { self->on_read(error, size); });
}

void Session::on_read(error_code error, std::size_t size) {
  is_reading_ = false;
  if (phase_ == Phase::closed) return;
  bytes_in_ += size;
  in_end_ += size;
  if (phase_ == Phase::linger) return discard();
  if (phase_ == Phase::flushing) {
    in_begin_ = in_end_ = 0;
    is_end_of_input_ = static_cast<bool>(error);
    return start_read();
  }
  if (error) {
    // A reset, or an end: of the TCP stream, or of the TLS one with or without its close_notify.
    if (stream_->was_reset()) return lose_peer();
    is_end_of_input_ = true;
    return on_end_of_input();
  }
  process();
}

void Session::on_end_of_input() {
  switch (phase_) {
    case Phase::answering:
      return set_deadline(kProbe, state_->options.first_probe_delay);
    case Phase::head:
    case Phase::body:
      return refuse(400, "request: the connection ended before the request was complete");
    case Phase::idle:
      return process();
    case Phase::handshake:
    case Phase::flushing:
    case Phase::linger:
    case Phase::closed:
      return;
  }
}

void Session::consume(std::size_t size) { in_begin_ += size; }

void Session::process() {
  while (phase_ == Phase::idle || phase_ == Phase::head || phase_ == Phase::body) {
    const bool is_empty = in_begin_ == in_end_;
    if (phase_ == Phase::idle) {
      if (is_empty && (is_end_of_input_ || state_->stopping)) return finish_connection();
      if (queued_bytes_ > kMaxUnsentBytes) return;  // on_written comes back here
      if (is_empty) break;
      phase_ = Phase::head;
      set_deadline(kRead, state_->options.head_timeout);
    }
    consume(reader_.feed({in_.data() + in_begin_, in_end_ - in_begin_}));
    switch (reader_.state()) {
      case RequestReader::State::refused: {
        const http::Refusal refusal = reader_.refusal();
        return refuse(refusal.status, refusal.message);
      }
      case RequestReader::State::complete:
        dispatch();
        continue;
      case RequestReader::State::body:
        if (phase_ == Phase::head) send_continue();
        [[fallthrough]];
      case RequestReader::State::head:
        break;
    }
    if (is_end_of_input_) return on_end_of_input();
    break;
  }
  start_read();
}

void Session::send_continue() {
  phase_ = Phase::body;
  set_deadline(kRead, state_->options.body_timeout);
  if (reader_.expects_continue() && in_begin_ == in_end_) enqueue("HTTP/1.1 100 Continue\r\n\r\n", 0);
}

void Session::dispatch() {
  http::Request request = reader_.take_request();
  request.peer = peer_;
  request.is_tls = stream_->is_tls();
  request.received = Clock::now();
  if (state_->options.check_host && !http::is_allowed_host(request.header("host"), state_->options.allowed_hosts)) {
    return refuse(421, "header Host: this listener does not answer to that name");
  }
  phase_ = Phase::answering;
  clear_deadline(kRead);
  answer_ = {};
  answer_.id = ++num_requests_;
  active_id_ = answer_.id;
  answer_.is_pending = true;
  answer_.is_head_request = request.method == "HEAD";
  answer_.is_http_1_0 = reader_.is_http_1_0();
  answer_.keep_alive = reader_.keep_alive() && num_requests_ < state_->options.max_requests_per_connection;
  watch_peer();
  const auto exchange = std::make_shared<SessionExchange>(shared_from_this(), answer_.id, std::move(request));
  try {
    state_->handler(exchange);
  } catch (const std::exception& error) {
    state_->report(std::string("handler: ") + error.what());
    fail(answer_.id, exchange->headers());
  } catch (...) {
    state_->report("handler: unknown exception");
    fail(answer_.id, exchange->headers());
  }
  if (is_end_of_input_) on_end_of_input();
}

void Session::finish_connection() {
  if (phase_ == Phase::closed || phase_ == Phase::linger) return;
  phase_ = Phase::flushing;
  clear_deadline(kRead);
  start_write();
  if (!is_writing_) return start_linger();
  start_read();
}

// Closing at once would reset the connection if the peer has sent anything we did not read, and a reset can overtake
// the answer on its way to the peer. So: our end first, then throw away what comes until its end, within bounds.
void Session::start_linger() {
  phase_ = Phase::linger;
  state_->mark_lingering(this);
  set_deadline(kRead, state_->options.linger_timeout);
  const bool is_tls = stream_->is_tls();
  if (is_cut_) {
    // The end of the connection must not look like the end of the body (HTTP/1.0 has no other): a TLS peer sees a
    // truncation, a chunked body lacks its last chunk, and what is left gets a reset.
    if (!is_tls && framing_at_cut_ == http::Framing::until_close) {
      stream_->abort();
      return close_now();
    }
    stream_->cut_send();
    return discard();
  }
  stream_->shutdown_send([self = shared_from_this()](error_code) { self->discard(); });
}

void Session::discard() {
  if (phase_ != Phase::linger || is_reading_) return;
  discarded_ += in_end_;
  in_begin_ = in_end_ = 0;
  if (discarded_ > kMaxDiscardedBytes || is_end_of_input_) return close_now();
  if (in_.empty()) in_.resize(kFirstBufferBytes);
  is_reading_ = true;
  stream_->read_raw({in_.data(), in_.size()}, [self = shared_from_this()](error_code error, std::size_t size) {
    self->is_reading_ = false;
    self->in_end_ = size;
    if (error) self->is_end_of_input_ = true;
    self->discard();
  });
}

void Session::lose_peer() {
  if (phase_ == Phase::closed) return;
  if (is_writing_ || answer_.is_pending) stream_->abort();
  close_now();
}

void Session::close_now() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  is_closed_ = true;
  stream_->close();
  timer_.cancel();
  const bool was_pending = answer_.is_pending;
  Answer ended = std::exchange(answer_, Answer{});
  active_id_ = 0;
  for (const Piece& piece : std::exchange(out_queue_, {})) queued_bytes_ -= piece.payload;
  queued_bytes_ -= std::exchange(out_payload_, 0);
  if (was_pending && !ended.on_closed) lost_exchange_ = ended.id;
  if (was_pending && ended.on_closed) guarded(ended.on_closed);
  ended = {};
  if (state_->options.hooks.on_connection_closed) state_->options.hooks.on_connection_closed(bytes_in_, bytes_out_);
  state_->remove(this);
}

void Session::set_deadline(Deadline which, std::chrono::milliseconds after) {
  deadlines_[which] = Clock::now() + after;
  arm_timer();
}

void Session::clear_deadline(Deadline which) { deadlines_[which] = Clock::time_point::max(); }

// The timer is only ever moved to an earlier time; when it fires too early it is set again. So a deadline that is
// renewed with every request costs one clock reading.
void Session::arm_timer() {
  const auto next = *std::min_element(deadlines_.begin(), deadlines_.end());
  if (next >= armed_for_ || phase_ == Phase::closed) return;
  armed_for_ = next;
  timer_.expires_at(next);
  timer_.async_wait([self = shared_from_this()](error_code error) { self->on_timer(error); });
}

void Session::on_timer(error_code error) {
  if (error || phase_ == Phase::closed) return;
  armed_for_ = Clock::time_point::max();
  const auto now = Clock::now();
  for (std::size_t which = 0; which < kNumDeadlines; ++which) {
    if (deadlines_[which] > now) continue;
    clear_deadline(static_cast<Deadline>(which));
    on_deadline(static_cast<Deadline>(which));
    if (phase_ == Phase::closed) return;
  }
  arm_timer();
}

void Session::on_deadline(Deadline which) {
  switch (which) {
    case kRead:
      return on_read_deadline();
    case kWrite:
      return lose_peer();
    case kProbe:
      return probe_peer();
    case kUser: {
      const Callback callback = std::exchange(answer_.on_timer, {});
      if (callback) guarded(callback);
      return;
    }
    case kNumDeadlines:
      return;
  }
}

void Session::on_read_deadline() {
  switch (phase_) {
    case Phase::idle:
      // Bytes that came at this moment are a request: it is answered.
      if (stream_->has_bytes_to_read()) return set_deadline(kRead, state_->options.head_timeout);
      return finish_connection();
    case Phase::head:
      return refuse(408, "request head: not complete in time");
    case Phase::body:
      return refuse(408, "request body: not complete in time");
    case Phase::handshake:
    case Phase::linger:
      return close_now();
    case Phase::answering:
    case Phase::flushing:
    case Phase::closed:
      return;
  }
}

}  // namespace moegate::net
