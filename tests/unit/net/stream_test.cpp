// Answers in pieces: framing, flow control, and everything a client can do while one is under way.
#include <atomic>
#include <thread>

#include "client.hpp"
#include "http/sse.hpp"

namespace moegate::net::test {
namespace {

using std::chrono::milliseconds;
using ExchangePtr = std::shared_ptr<http::Exchange>;

// A server whose handler hands the exchange to the test.
struct HoldingServer {
  explicit HoldingServer(ServerOptions options = {})
      : server(
            [this](auto exchange) {
              exchange->on_closed([this] { closed.set(); });
              held = exchange;
              arrived.set();
            },
            std::move(options)) {}

  Flag arrived, closed;
  ExchangePtr held;
  Server server;
};

TEST(Stream, pieces_arrive_as_chunks_while_the_answer_goes_on) {
  HoldingServer holding;
  Client client(holding.server.port());
  client.send(get("/"));
  ASSERT_TRUE(holding.arrived.wait());
  holding.held->add_header("x-request-id", "r1");
  holding.held->begin_stream(200, std::string(http::kSseContentType), {{"cache-control", "no-cache"}});
  const auto head = client.read_until("\r\n\r\n");
  EXPECT_NE(head.find("transfer-encoding: chunked\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("x-request-id: r1\r\n"), std::string::npos) << head;
  EXPECT_EQ(head.find("content-length"), std::string::npos) << head;
  for (int i = 0; i < 20; ++i) {
    holding.held->write(http::sse_data(std::to_string(i)));
    EXPECT_NE(client.read_until("\n\n\r\n").find("data: " + std::to_string(i)), std::string::npos);
  }
  holding.held->end_stream(true);
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "0\r\n\r\n");
}

TEST(Stream, http_1_0_gets_the_plain_bytes_and_the_end_of_the_connection) {
  HoldingServer holding;
  Client client(holding.server.port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(holding.arrived.wait());
  holding.held->begin_stream(200, "text/event-stream", {});
  holding.held->write("data: 1\n\n");
  holding.held->end_stream(true);
  const auto all = client.read_to_end();
  EXPECT_EQ(all.substr(all.find("\r\n\r\n")), "\r\n\r\ndata: 1\n\n");
  EXPECT_EQ(client.end(), End::closed);
}

TEST(Stream, an_unclean_end_has_no_last_chunk_but_all_that_was_written) {
  HoldingServer holding;
  Client client(holding.server.port());
  client.send(get("/"));
  ASSERT_TRUE(holding.arrived.wait());
  holding.held->begin_stream(200, "text/event-stream", {});
  holding.held->write("data: error\n\n");
  holding.held->end_stream(false);
  const auto all = client.read_to_end();
  EXPECT_TRUE(all.ends_with("data: error\n\n\r\n")) << all;
  EXPECT_EQ(client.end(), End::closed);
  EXPECT_EQ(holding.closed.count(), 0);
}

TEST(Stream, a_half_closed_client_still_gets_its_whole_answer) {
  ServerOptions options;
  options.first_probe_delay = milliseconds(1);
  options.probe_interval = milliseconds(1);
  HoldingServer holding(options);
  Client client(holding.server.port());
  client.send(get("/"));
  client.shutdown_send();
  ASSERT_TRUE(holding.arrived.wait());
  EXPECT_EQ(client.read_answer().status, 102);  // the probe: nothing flows yet
  holding.held->begin_stream(200, "text/event-stream", {});
  EXPECT_NE(client.read_until(" 200 OK\r\n"), "");
  EXPECT_NE(client.read_until(": ping\n\n"), "");
  for (int i = 0; i < 100; ++i) holding.held->write(http::sse_data(std::to_string(i)));
  holding.held->end_stream(true);
  const auto all = client.read_to_end();
  EXPECT_NE(all.find("data: 99\n\n"), std::string::npos);
  EXPECT_TRUE(all.ends_with("0\r\n\r\n"));
  EXPECT_EQ(client.end(), End::closed);
  EXPECT_EQ(holding.closed.count(), 0);
}

TEST(Stream, a_ping_never_splits_a_line) {
  ServerOptions options;
  options.first_probe_delay = milliseconds(1);
  options.probe_interval = milliseconds(1);
  HoldingServer holding(options);
  Client client(holding.server.port());
  client.send(get("/"));
  ASSERT_TRUE(holding.arrived.wait());
  holding.held->begin_stream(200, "text/event-stream", {});
  holding.held->write("data: first ");
  client.read_until("first ");
  client.shutdown_send();
  // Timers of the exchange run on the strand behind the probes' one: several probes were due by then.
  Flag later;
  holding.held->set_timer(milliseconds(20), [&] { later.set(); });
  ASSERT_TRUE(later.wait());
  holding.held->write("second\n\n");
  holding.held->end_stream(true);
  EXPECT_EQ(client.read_until("second").find("ping"), std::string::npos);
}

TEST(Stream, a_client_that_closes_before_its_answer_is_noticed) {
  ServerOptions options;
  options.first_probe_delay = milliseconds(1);
  for (const bool is_stream : {false, true}) {
    HoldingServer holding(options);
    Client client(holding.server.port());
    client.send(get("/"));
    ASSERT_TRUE(holding.arrived.wait());
    if (is_stream) {
      holding.held->begin_stream(200, "text/event-stream", {});
      client.read_until("\r\n\r\n");
    }
    client.close();
    EXPECT_TRUE(holding.closed.wait()) << is_stream;
    EXPECT_EQ(holding.closed.count(), 1);
  }
}

TEST(Stream, a_reset_in_the_middle_is_noticed_and_told_once) {
  HoldingServer holding;
  Client client(holding.server.port());
  client.send(get("/"));
  ASSERT_TRUE(holding.arrived.wait());
  holding.held->begin_stream(200, "text/event-stream", {});
  client.read_until("\r\n\r\n");
  client.reset();
  EXPECT_TRUE(holding.closed.wait());
  holding.held->write("data: late\n\n");
  holding.held->end_stream(true);
  EXPECT_EQ(holding.closed.count(), 1);
}

TEST(Stream, who_asks_after_the_end_is_told_as_well) {
  Flag arrived, closed;
  ExchangePtr held;
  Flag gone;
  ServerOptions options;
  options.hooks.on_connection_closed = [&](auto, auto) { gone.set(); };
  Server server(
      [&](auto exchange) {
        held = exchange;
        arrived.set();
      },
      options);
  Client client(server.port());
  client.send(get("/"));
  ASSERT_TRUE(arrived.wait());
  client.reset();
  ASSERT_TRUE(gone.wait());
  held->on_closed([&] { closed.set(); });
  EXPECT_TRUE(closed.wait());
}

TEST(Stream, a_reader_that_stops_is_cut_after_its_deadline) {
  ServerOptions options;
  options.write_timeout = milliseconds(50);
  HoldingServer holding(options);
  Client client(holding.server.port());
  client.set_receive_buffer(4096);
  client.send(get("/"));
  ASSERT_TRUE(holding.arrived.wait());
  holding.held->begin_stream(200, "text/event-stream", {});
  // More than the kernel's buffers hold, less than the bound of the queue.
  for (int i = 0; i < 7; ++i) holding.held->write(http::sse_data(std::string(1 << 20, 'x')));
  EXPECT_TRUE(holding.closed.wait());
}

TEST(Stream, a_queue_beyond_its_bound_cuts_the_stream) {
  ServerOptions options;
  options.max_queued_stream_bytes = 1 << 20;
  HoldingServer holding(options);
  Client client(holding.server.port());
  client.set_receive_buffer(4096);
  client.send(get("/"));
  ASSERT_TRUE(holding.arrived.wait());
  holding.held->begin_stream(200, "text/event-stream", {});
  for (int i = 0; i < 64; ++i) holding.held->write(std::string(256 << 10, 'x'));
  EXPECT_TRUE(holding.closed.wait());
}

TEST(Stream, a_writer_that_waits_for_the_drain_is_always_woken) {
  constexpr std::size_t kMark = 32 << 10;
  constexpr int kPieces = 3000;
  const std::string piece(4096, 'x');
  HoldingServer holding;
  Client client(holding.server.port());
  client.send(get("/"));
  ASSERT_TRUE(holding.arrived.wait());
  auto exchange = holding.held;
  std::mutex mutex;
  std::condition_variable changed;
  int drained = 0;
  exchange->on_drained(kMark, [&] {
    const std::lock_guard lock(mutex);
    ++drained;
    changed.notify_all();
  });
  exchange->begin_stream(200, "text/plain", {});
  std::thread writer([&] {
    for (int i = 0; i < kPieces; ++i) {
      std::unique_lock lock(mutex);
      const int before = drained;
      lock.unlock();
      exchange->write(piece);
      if (exchange->queued_bytes() <= kMark) continue;
      lock.lock();
      const bool woken = changed.wait_for(lock, std::chrono::seconds(60),
                                          [&] { return drained > before || exchange->queued_bytes() <= kMark; });
      EXPECT_TRUE(woken);
    }
    exchange->end_stream(true);
  });
  EXPECT_EQ(client.read_answer().body.size(), piece.size() * kPieces);
  writer.join();
  EXPECT_GT(drained, 0);
}

TEST(Stream, timers_and_posted_work_run_in_order_and_stop_with_the_exchange) {
  HoldingServer holding;
  Client client(holding.server.port());
  client.send(get("/"));
  ASSERT_TRUE(holding.arrived.wait());
  Flag fired, replaced, posted, never;
  holding.held->set_timer(std::chrono::hours(1), [&] { never.set(); });
  holding.held->set_timer(milliseconds(1), [&] { fired.set(); });
  EXPECT_TRUE(fired.wait());
  holding.held->set_timer(milliseconds(1), [&] { never.set(); });
  holding.held->set_timer(milliseconds(1), nullptr);
  holding.held->post([&] { posted.set(); });
  EXPECT_TRUE(posted.wait());
  holding.held->set_timer(milliseconds(30), [&] { never.set(); });
  holding.held->respond({});
  holding.held->post([&] { never.set(); });
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_TRUE(holding.server.http->stop(std::chrono::seconds(10)));
  EXPECT_EQ(never.count(), 0);
}

TEST(Stream, a_pipelined_request_waits_for_the_stream_before_it) {
  Flag arrived;
  ExchangePtr held;
  std::atomic<int> others = 0;
  Server server([&](auto exchange) {
    if (exchange->request().path != "/stream") {
      ++others;
      return echo(exchange);
    }
    held = exchange;
    arrived.set();
  });
  Client client(server.port());
  client.send(get("/stream") + get("/next"));
  ASSERT_TRUE(arrived.wait());
  held->begin_stream(200, "text/event-stream", {});
  held->write("data: 1\n\n");
  EXPECT_NE(client.read_until("data: 1\n\n\r\n"), "");
  EXPECT_EQ(others, 0);
  held->end_stream(true);
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "GET\n/next\n\n");
}

}  // namespace
}  // namespace moegate::net::test
