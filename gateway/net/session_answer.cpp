// The answering half of a session: what exchanges ask for, the write queue, the watch on the peer.
#include <algorithm>
#include <ctime>

#include "http/error_map.hpp"
#include "net/session.hpp"

namespace moegate::net {

using boost::system::error_code;

namespace {

constexpr std::size_t kWriteBytes = std::size_t{16} << 10;  // pieces are joined up to this before one write

std::string date_now() { return http::http_date(std::time(nullptr)); }

}  // namespace

// Posted even from the strand itself: work that one thread asks for in order is done in that order.
template <typename Work>
void Session::run_on_strand(std::uint64_t id, Work work) {
  if (is_closed_) return;
  boost::asio::post(strand_, [self = shared_from_this(), id, work = std::move(work)]() mutable {
    if (self->is_active(id)) work(*self);
  });
}

void Session::guarded(const Callback& callback) {
  try {
    callback();
  } catch (const std::exception& error) {
    state_->report(std::string("callback of an exchange: ") + error.what());
    if (answer_.is_pending) fail_answer();
  } catch (...) {
    state_->report("callback of an exchange: unknown exception");
    if (answer_.is_pending) fail_answer();
  }
}

void Session::respond(std::uint64_t id, http::Response response, std::vector<http::Header> headers) {
  run_on_strand(id, [response = std::move(response), headers = std::move(headers)](Session& self) mutable {
    if (self.answer_.has_begun) return;
    self.send_whole(response, std::move(headers));
    self.finish_answer();
  });
}

void Session::send_whole(const http::Response& response, std::vector<http::Header> headers) {
  const bool has_body = http::status_has_body(response.status);
  http::ResponseHead head;
  head.status = response.status;
  head.content_type = has_body ? std::string_view(response.content_type) : std::string_view();
  head.framing = has_body ? http::Framing::content_length : http::Framing::none;
  head.content_length = response.body.size();
  answer_.keep_alive = answer_.keep_alive && !state_->draining;
  head.keep_alive = answer_.keep_alive;
  head.is_http_1_0 = answer_.is_http_1_0;
  const std::string date = date_now();
  head.date = date;
  answer_.has_begun = true;
  std::string bytes = http::serialize_head(head, headers, response.headers);
  if (has_body && !answer_.is_head_request) bytes += response.body;
  const std::size_t payload = bytes.size();
  queued_bytes_ += payload;
  enqueue(std::move(bytes), payload);
}

void Session::begin_stream(std::uint64_t id, int status, std::string content_type, std::vector<http::Header> first,
                           std::vector<http::Header> second) {
  run_on_strand(id, [status, content_type = std::move(content_type), first = std::move(first),
                     second = std::move(second)](Session& self) {
    Answer& answer = self.answer_;
    if (answer.has_begun) return;
    answer.has_begun = true;
    answer.is_sse = content_type.starts_with("text/event-stream");
    answer.framing = answer.is_http_1_0 ? http::Framing::until_close : http::Framing::chunked;
    answer.keep_alive = answer.keep_alive && !answer.is_http_1_0 && !self.state_->draining;
    const std::string date = date_now();
    http::ResponseHead head{status, content_type, answer.framing, 0, answer.keep_alive, answer.is_http_1_0, date};
    self.enqueue(http::serialize_head(head, first, second), 0);
  });
}

void Session::write(std::uint64_t id, std::string piece) {
  if (piece.empty() || is_closed_) return;
  // Counted before it is queued, and the mark is noted here: a caller that sees too much and waits is woken for sure,
  // because this very piece is still to be written.
  const std::size_t size = piece.size();
  const std::size_t queued = queued_bytes_.fetch_add(size) + size;
  const std::size_t mark = low_mark_;
  if (mark > 0 && queued > mark) was_above_mark_ = true;
  boost::asio::post(strand_, [self = shared_from_this(), id, size, piece = std::move(piece)]() mutable {
    Answer& answer = self->answer_;
    const bool is_wanted = self->is_active(id) && answer.has_begun && !answer.is_head_request;
    if (!is_wanted) {
      self->queued_bytes_ -= size;
      return self->check_drained();
    }
    answer.is_at_line_end = piece.back() == '\n';
    self->enqueue(answer.framing == http::Framing::chunked ? http::chunk(piece) : std::move(piece), size);
    if (self->queued_bytes_ > self->state_->options.max_queued_stream_bytes) self->lose_peer();
  });
}

void Session::end_stream(std::uint64_t id, bool clean) {
  run_on_strand(id, [clean](Session& self) {
    Answer& answer = self.answer_;
    if (clean && answer.has_begun) {
      if (answer.framing == http::Framing::chunked && !answer.is_head_request) {
        self.enqueue(std::string(http::kLastChunk), 0);
      }
    } else {
      self.cut_answer();
    }
    self.finish_answer();
  });
}

void Session::abandon(std::uint64_t id) {
  if (active_id_ != id) return;
  run_on_strand(id, [](Session& self) {
    self.state_->report("a handler dropped its request without an answer");
    self.fail_answer();
  });
}

void Session::on_closed(std::uint64_t id, Callback callback) {
  if (state_->stopped) return;
  boost::asio::post(strand_, [self = shared_from_this(), id, callback = std::move(callback)]() mutable {
    if (self->is_active(id)) {
      self->answer_.on_closed = std::move(callback);
    } else if (self->lost_exchange_ == id && callback && !self->state_->stopped) {
      self->lost_exchange_ = 0;  // asked only after the connection had ended
      self->guarded(callback);
    }
  });
}

void Session::on_drained(std::uint64_t id, std::size_t low_mark, Callback callback) {
  low_mark_ = low_mark;
  if (low_mark > 0 && queued_bytes_ > low_mark) was_above_mark_ = true;
  run_on_strand(id, [low_mark, callback = std::move(callback)](Session& self) mutable {
    self.answer_.low_mark = low_mark;
    self.answer_.on_drained = std::move(callback);
    self.check_drained();
  });
}

void Session::set_timer(std::uint64_t id, std::chrono::milliseconds after, Callback callback) {
  run_on_strand(id, [after, callback = std::move(callback)](Session& self) mutable {
    const bool is_set = static_cast<bool>(callback);
    self.answer_.on_timer = std::move(callback);
    if (is_set) {
      self.set_deadline(kUser, after);
    } else {
      self.clear_deadline(kUser);
    }
  });
}

void Session::post(std::uint64_t id, Callback work) {
  run_on_strand(id, [work = std::move(work)](Session& self) { self.guarded(work); });
}

void Session::fail(std::uint64_t id, std::vector<http::Header> headers) {
  run_on_strand(id, [headers = std::move(headers)](Session& self) mutable { self.fail_answer(std::move(headers)); });
}

void Session::fail_answer(std::vector<http::Header> headers) {
  if (!answer_.has_begun) {
    const auto is_id = [](const http::Header& header) {
      return http::equal_ignoring_case(header.name, "x-request-id");
    };
    if (std::none_of(headers.begin(), headers.end(), is_id)) {
      headers.push_back({"x-request-id", state_->make_request_id()});
    }
    const auto problem = http::Problem::internal_error;
    send_whole(http::error_response(problem, "The server had an error while processing the request."),
               std::move(headers));
  } else {
    cut_answer();
  }
  finish_answer();
}

void Session::cut_answer() {
  answer_.keep_alive = false;
  framing_at_cut_ = answer_.framing;
  is_cut_ = true;
}

void Session::refuse(int status, std::string_view message) {
  answer_ = {};
  answer_.keep_alive = false;
  if (state_->options.hooks.on_refused) state_->options.hooks.on_refused(status);
  const auto id = state_->make_request_id();
  send_whole(http::error_response(http::problem_of_status(status), message),
             {{"x-request-id", id}, {"request-id", id}});
  finish_connection();
}

void Session::finish_answer() {
  const bool keep_alive = answer_.keep_alive;
  active_id_ = 0;
  answer_.is_pending = false;
  // Callbacks hold the exchange, which holds this session.
  const Answer ended = std::exchange(answer_, Answer{});
  low_mark_ = 0;
  was_above_mark_ = false;
  clear_deadline(kUser);
  clear_deadline(kProbe);
  if (phase_ == Phase::closed) return;
  if (!keep_alive || state_->draining) return finish_connection();
  become_idle();
  process();
}

void Session::enqueue(std::string bytes, std::size_t payload) {
  if (phase_ == Phase::closed) {
    queued_bytes_ -= payload;
    return;
  }
  out_queue_.push_back({std::move(bytes), payload});
  start_write();
}

void Session::start_write() {
  if (is_writing_ || phase_ == Phase::closed) return;
  if (out_offset_ == out_.size()) {
    out_.clear();
    out_offset_ = 0;
    while (!out_queue_.empty() && (out_.empty() || out_.size() + out_queue_.front().bytes.size() <= kWriteBytes)) {
      Piece piece = std::move(out_queue_.front());
      out_queue_.pop_front();
      out_payload_ += piece.payload;
      if (out_.empty()) {
        out_ = std::move(piece.bytes);
      } else {
        out_ += piece.bytes;
      }
    }
    if (out_.empty()) return;
  }
  is_writing_ = true;
  set_deadline(kWrite, state_->options.write_timeout);
  stream_->write_some(
      {out_.data() + out_offset_, out_.size() - out_offset_},
      [self = shared_from_this()](error_code error, std::size_t size) { self->on_written(error, size); });
}

void Session::on_written(error_code error, std::size_t size) {
  is_writing_ = false;
  if (phase_ == Phase::closed) return;
  if (error) return lose_peer();
  clear_deadline(kWrite);
  bytes_out_ += size;
  out_offset_ += size;
  if (out_offset_ == out_.size()) {
    queued_bytes_ -= std::exchange(out_payload_, 0);
    check_drained();
    if (phase_ == Phase::closed) return;
  }
  start_write();
  if (is_writing_) return;
  if (phase_ == Phase::flushing) {
    finish_connection();
  } else if (phase_ == Phase::idle) {
    process();  // it waits while too much is unsent
  }
}

void Session::check_drained() {
  const std::size_t mark = answer_.low_mark;
  if (mark == 0 || !was_above_mark_ || queued_bytes_ > mark / 2) return;
  was_above_mark_ = false;
  const Callback callback = answer_.on_drained;  // a copy: it may set another
  if (callback) guarded(callback);
}

// A reset is seen at once, also while nothing is read or written.
void Session::watch_peer() {
  if (is_watching_ || phase_ == Phase::closed) return;
  is_watching_ = true;
  stream_->wait_for_error([self = shared_from_this()](error_code error) {
    if (error || self->phase_ == Phase::closed) return;
    // Urgent data also ends the wait: ignored, and not waited for again, as it would end it for ever.
    if (self->stream_->was_reset()) self->lose_peer();
  });
}

// The peer has shut its sending side, which may be all it ever will do (half-close) or the whole socket. Only writing
// tells: a closed one answers with a reset. If an answer is flowing its next piece does that, else a harmless byte.
void Session::probe_peer() {
  if (!answer_.is_pending) return;
  set_deadline(kProbe, state_->options.probe_interval);
  if (is_writing_ || !out_queue_.empty()) return;
  if (!answer_.has_begun) {
    if (!answer_.is_http_1_0) enqueue("HTTP/1.1 102 Processing\r\n\r\n", 0);
  } else if (answer_.is_sse && answer_.is_at_line_end && !answer_.is_head_request) {
    const std::string ping = ": ping\n\n";
    enqueue(answer_.framing == http::Framing::chunked ? http::chunk(ping) : ping, 0);
  }
}

}  // namespace moegate::net
