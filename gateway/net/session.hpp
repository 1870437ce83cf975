// One connection from accept to close. Reads requests one after the other, hands each to the handler as an exchange,
// writes answers in order, and watches the peer while an answer is pending. Everything private runs on the
// connection's strand; the public functions may be called from any thread.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/serialize.hpp"
#include "net/request_reader.hpp"
#include "net/server_state.hpp"
#include "net/stream.hpp"

namespace moegate::net {

class Session : public std::enable_shared_from_this<Session> {
 public:
  using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
  using Callback = std::function<void()>;

  // `stream` runs on `strand`.
  Session(std::shared_ptr<ServerState> state, Strand strand, std::unique_ptr<Stream> stream, std::string peer);
  ~Session();

  void start();
  void begin_drain();  // close if idle
  void abort();        // cut now

  // For the exchange with that number; ignored once it ended.
  void respond(std::uint64_t id, http::Response response, std::vector<http::Header> headers);
  void begin_stream(std::uint64_t id, int status, std::string content_type, std::vector<http::Header> first,
                    std::vector<http::Header> second);
  void write(std::uint64_t id, std::string piece);
  void end_stream(std::uint64_t id, bool clean);
  void abandon(std::uint64_t id);                                  // nobody holds the exchange any more
  void fail(std::uint64_t id, std::vector<http::Header> headers);  // the handler threw
  void on_closed(std::uint64_t id, Callback callback);
  void on_drained(std::uint64_t id, std::size_t low_mark, Callback callback);
  void set_timer(std::uint64_t id, std::chrono::milliseconds after, Callback callback);
  void post(std::uint64_t id, Callback work);
  std::size_t queued_bytes() const { return queued_bytes_; }

 private:
  using Clock = std::chrono::steady_clock;
  using error_code = boost::system::error_code;

  // linger: our side is shut, what the peer still sends is thrown away until its end or a deadline.
  enum class Phase { handshake, idle, head, body, answering, flushing, linger, closed };
  enum Deadline : std::size_t { kRead, kWrite, kProbe, kUser, kNumDeadlines };

  struct Answer {
    std::uint64_t id = 0;
    bool is_pending = false;  // the handler has it
    bool has_begun = false;
    bool is_head_request = false, is_http_1_0 = false, is_sse = false;
    bool keep_alive = true;
    bool is_at_line_end = true;  // a comment may follow
    http::Framing framing = http::Framing::content_length;
    std::size_t low_mark = 0;
    Callback on_closed, on_drained, on_timer;
  };
  struct Piece {
    std::string bytes;
    std::size_t payload = 0;  // part of it that counts as queued
  };

  template <typename Work>
  void run_on_strand(std::uint64_t id, Work work);
  bool is_active(std::uint64_t id) const { return answer_.is_pending && answer_.id == id; }
  void guarded(const Callback& callback);

  void start_handshake();
  void become_idle();
  void start_read();
  void on_read(error_code error, std::size_t size);
  void on_end_of_input();
  void process();
  void consume(std::size_t size);
  void send_continue();
  void dispatch();
  void watch_peer();
  void probe_peer();

  void send_whole(const http::Response& response, std::vector<http::Header> headers);
  void refuse(int status, std::string_view message);
  void finish_answer();
  void fail_answer(std::vector<http::Header> headers = {});  // the handler failed: 500, or a cut stream
  void cut_answer();

  void enqueue(std::string bytes, std::size_t payload);
  void start_write();
  void on_written(error_code error, std::size_t size);
  void check_drained();

  void finish_connection();  // flush, then say goodbye
  void start_linger();
  void discard();
  void lose_peer();
  void close_now();

  void set_deadline(Deadline which, std::chrono::milliseconds after);
  void clear_deadline(Deadline which);
  void arm_timer();
  void on_timer(error_code error);
  void on_deadline(Deadline which);
  void on_read_deadline();

  const std::shared_ptr<ServerState> state_;
  const Strand strand_;
  std::unique_ptr<Stream> stream_;
  const std::string peer_;
  std::atomic<bool> is_closed_ = false;
  std::atomic<std::uint64_t> active_id_ = 0;  // of the pending exchange
  std::atomic<std::size_t> queued_bytes_ = 0;
  std::atomic<std::size_t> low_mark_ = 0;
  std::atomic<bool> was_above_mark_ = false;

  Phase phase_ = Phase::handshake;
  RequestReader reader_;
  std::vector<char> in_;  // received, not yet consumed: [in_begin_, in_end_)
  std::size_t in_begin_ = 0, in_end_ = 0;
  bool is_reading_ = false, is_end_of_input_ = false, is_watching_ = false;
  std::deque<Piece> out_queue_;
  std::string out_;  // being written
  std::size_t out_offset_ = 0, out_payload_ = 0;
  bool is_writing_ = false, is_cut_ = false;
  http::Framing framing_at_cut_ = http::Framing::chunked;
  Answer answer_;
  std::uint64_t lost_exchange_ = 0;  // was pending when the connection ended, and has not been told
  std::uint64_t num_requests_ = 0;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  std::size_t discarded_ = 0;
  std::array<Clock::time_point, kNumDeadlines> deadlines_;
  Clock::time_point armed_for_ = Clock::time_point::max();
  boost::asio::steady_timer timer_;
};

}  // namespace moegate::net
