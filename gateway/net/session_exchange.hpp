// The handler's side of one request on a connection: forwards to the session, which ignores what comes after the end.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "net/session.hpp"

namespace moegate::net {

class SessionExchange final : public http::Exchange {
 public:
  SessionExchange(std::shared_ptr<Session> session, std::uint64_t id, http::Request request)
      : session_(std::move(session)), id_(id), request_(std::move(request)) {}
  ~SessionExchange() override { session_->abandon(id_); }

  const http::Request& request() const override { return request_; }
  void add_header(std::string name, std::string value) override {
    const std::lock_guard lock(mutex_);
    headers_.push_back({std::move(name), std::move(value)});
  }
  void respond(http::Response response) override { session_->respond(id_, std::move(response), headers()); }
  void begin_stream(int status, std::string content_type, std::vector<http::Header> more) override {
    session_->begin_stream(id_, status, std::move(content_type), headers(), std::move(more));
  }
  void write(std::string piece) override { session_->write(id_, std::move(piece)); }
  void end_stream(bool clean) override { session_->end_stream(id_, clean); }
  std::size_t queued_bytes() const override { return session_->queued_bytes(); }
  void on_closed(std::function<void()> callback) override { session_->on_closed(id_, std::move(callback)); }
  void on_drained(std::size_t low_mark, std::function<void()> callback) override {
    session_->on_drained(id_, low_mark, std::move(callback));
  }
  void set_timer(std::chrono::milliseconds after, std::function<void()> callback) override {
    session_->set_timer(id_, after, std::move(callback));
  }
  void post(std::function<void()> work) override { session_->post(id_, std::move(work)); }
  // Only by the session: the one that answers a failed handler keeps these headers too.
  std::vector<http::Header> headers() const {
    const std::lock_guard lock(mutex_);
    return headers_;
  }

 private:
  const std::shared_ptr<Session> session_;
  const std::uint64_t id_;
  const http::Request request_;
  mutable std::mutex mutex_;  // guards headers_
  std::vector<http::Header> headers_;
};

}  // namespace moegate::net
