// Keep-alive, pipelining, limits, deadlines, drain.
#include <atomic>
#include <thread>

#include "client.hpp"

namespace moegate::net::test {
namespace {

using std::chrono::milliseconds;

TEST(Connection, one_connection_serves_many_requests) {
  Server server(echo);
  Client client(server.port());
  for (int i = 0; i < 50; ++i) {
    client.send(post("/" + std::to_string(i), "body"));
    EXPECT_EQ(client.read_answer().body, "POST\n/" + std::to_string(i) + "\n\nbody");
  }
  EXPECT_EQ(server.http->stats().accepted, 1U);
}

TEST(Connection, a_thousand_pipelined_requests_are_answered_in_order) {
  Server server([](auto exchange) {
    // Every second answer comes from another thread.
    if (exchange->request().path.back() % 2 == 0) return echo(exchange);
    std::thread([exchange] { echo(exchange); }).detach();
  });
  Client client(server.port());
  constexpr int kRequests = 1000;
  std::thread sender([&] {
    std::string all;
    for (int i = 0; i < kRequests; ++i)
      all += i % 3 == 0 ? post("/" + std::to_string(i), "x") : get("/" + std::to_string(i));
    client.send(all);
  });
  for (int i = 0; i < kRequests; ++i) {
    const auto answer = client.read_answer();
    ASSERT_EQ(answer.status, 200);
    ASSERT_NE(answer.body.find("\n/" + std::to_string(i) + "\n"), std::string::npos) << answer.body;
  }
  sender.join();
}

TEST(Connection, the_last_request_a_connection_may_make_is_announced) {
  ServerOptions options;
  options.max_requests_per_connection = 3;
  Server server(echo, options);
  Client client(server.port());
  for (int i = 0; i < 5; ++i) client.send(get("/"));
  for (int i = 1; i <= 3; ++i) {
    const auto answer = client.read_answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.head.find("connection: close") != std::string::npos, i == 3);
  }
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_EQ(client.end(), End::closed);
}

TEST(Connection, a_client_that_asks_first_gets_its_continue) {
  Server server(echo);
  Client client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 100);
  client.send("ok");
  EXPECT_EQ(client.read_answer().body, "POST\n/\n\nok");
}

TEST(Connection, a_body_over_the_limit_is_refused_before_it_is_asked_for) {
  ServerOptions options;
  options.max_body_bytes = 10;
  Server server(echo, options);
  Client client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 413);
  Client chunked(server.port());
  chunked.send(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n6\r\n123456\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.read_answer().status, 413);
}

// The answer must survive what the client still sends: a reset would overtake it (F-036).
TEST(Connection, F036_a_refusal_reaches_a_client_that_goes_on_sending) {
  ServerOptions options;
  options.max_body_bytes = 10;
  Server server(echo, options);
  Client client(server.port());
  client.send(post("/", std::string(8 << 20, 'x')));
  EXPECT_EQ(client.read_answer().status, 413);
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_EQ(client.end(), End::closed);
}

TEST(Connection, F036_the_default_idle_timeout_outlives_the_balancers) {
  EXPECT_GE(ServerOptions().idle_timeout, std::chrono::seconds(75));
}

TEST(Connection, F036_a_request_that_races_the_idle_close_is_answered_or_sees_a_clean_end) {
  ServerOptions options;
  options.idle_timeout = milliseconds(20);
  Server server(echo, options);
  int answered = 0;
  for (int i = 0; i < 60; ++i) {
    Client client(server.port());
    client.send(get("/first"));
    ASSERT_EQ(client.read_answer().status, 200);
    std::this_thread::sleep_for(options.idle_timeout);  // aims at the race; both outcomes are right
    client.send(get("/second"));
    const auto answer = client.read_answer();
    answered += answer.status == 200;
    if (answer.status != 200) {
      EXPECT_EQ(answer.head, "");
      EXPECT_EQ(client.end(), End::closed) << "round " << i;
    }
  }
  RecordProperty("answered", answered);
}

TEST(Connection, an_idle_connection_is_closed_without_a_word) {
  ServerOptions options;
  options.idle_timeout = milliseconds(20);
  Server server(echo, options);
  Client client(server.port());
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_EQ(client.end(), End::closed);
}

TEST(Connection, a_slow_head_and_a_slow_body_are_cut_at_their_deadlines) {
  ServerOptions options;
  options.head_timeout = milliseconds(30);
  options.body_timeout = milliseconds(30);
  Server server(echo, options);
  for (const char* part :
       {"GET / HTTP/1.1\r\nHost: a\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234"}) {
    Client client(server.port());
    client.send(part);
    EXPECT_EQ(client.read_answer().status, 408);
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_EQ(client.end(), End::closed);
  }
}

TEST(Connection, a_head_that_trickles_is_cut_at_the_same_deadline) {
  ServerOptions options;
  options.head_timeout = milliseconds(50);
  Server server(echo, options);
  Client client(server.port());
  std::atomic<bool> stop = false;
  std::thread trickle([&] {
    client.send("GET / HTTP/1.1\r\nX: ");
    while (!stop && client.send("x")) std::this_thread::sleep_for(milliseconds(2));
  });
  EXPECT_EQ(client.read_answer().status, 408);
  stop = true;
  trickle.join();
}

TEST(Connection, head_requests_get_the_length_and_no_body) {
  Server server(echo);
  Client client(server.port());
  client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" + get("/y"));
  const auto head = client.read_answer(false);
  EXPECT_NE(head.head.find("content-length: 9\r\n"), std::string::npos) << head.head;
  EXPECT_EQ(client.read_answer().body, "GET\n/y\n\n");
}

TEST(Connection, http_1_0_ends_with_its_answer_unless_asked_to_stay) {
  Server server(echo);
  Client client(server.port());
  client.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_NE(client.read_to_end().find("connection: close\r\n"), std::string::npos);
  Client staying(server.port());
  for (int i = 0; i < 2; ++i) {
    staying.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_NE(staying.read_answer().head.find("connection: keep-alive\r\n"), std::string::npos);
  }
}

TEST(Connection, an_exception_of_a_handler_is_a_500_and_the_connection_goes_on) {
  Server server([](auto exchange) {
    if (exchange->request().path == "/throw") throw std::runtime_error("secret text");
    if (exchange->request().path == "/drop") return;
    exchange->add_header("x-request-id", "r7");
    if (exchange->request().path == "/throw-late") throw 7;
    echo(exchange);
  });
  Client client(server.port());
  for (const char* path : {"/throw", "/drop", "/throw-late"}) {
    client.send(get(path));
    const auto answer = client.read_answer();
    EXPECT_EQ(answer.status, 500) << path;
    EXPECT_EQ(answer.body.find("secret"), std::string::npos);
    EXPECT_NE(answer.head.find("x-request-id: "), std::string::npos);
  }
  client.send(get("/"));
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.head.find("x-request-id: r7\r\n"), std::string::npos);
}

TEST(Connection, many_failing_requests_in_one_pipeline_do_not_grow_the_stack) {
  Server server([](auto) { throw 1; });
  Client client(server.port());
  constexpr int kRequests = 5000;
  std::thread sender([&] {
    for (int i = 0; i < kRequests; ++i) client.send(get("/"));
  });
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(client.read_answer().status, 500);
  sender.join();
}

TEST(Drain, F066_answers_say_close_while_probes_on_new_connections_are_still_answered) {
  std::shared_ptr<http::Exchange> held;
  Flag arrived;
  Server server([&](auto exchange) {
    if (exchange->request().path != "/hold") return echo(exchange);
    held = exchange;
    arrived.set();
  });
  Client idle(server.port());
  idle.send(get("/"));
  EXPECT_EQ(idle.read_answer().status, 200);
  Client busy(server.port());
  busy.send(get("/hold"));
  ASSERT_TRUE(arrived.wait());

  server.http->begin_drain();
  EXPECT_TRUE(server.http->is_draining());
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_EQ(idle.end(), End::closed);
  Client probe(server.port());
  probe.send(get("/livez"));
  EXPECT_NE(probe.read_answer().head.find("connection: close\r\n"), std::string::npos);

  echo(std::exchange(held, nullptr));
  EXPECT_NE(busy.read_answer().head.find("connection: close\r\n"), std::string::npos);
  busy.close();
  EXPECT_TRUE(server.http->stop(std::chrono::seconds(30)));
  EXPECT_EQ(server.http->stats().open_connections, 0U);
}

TEST(Drain, what_is_not_done_at_the_bound_is_cut_and_told) {
  std::shared_ptr<http::Exchange> held;
  Flag arrived, closed;
  Server server([&](auto exchange) {
    exchange->on_closed([&] { closed.set(); });
    held = exchange;
    arrived.set();
  });
  Client client(server.port());
  client.send(get("/hold"));
  ASSERT_TRUE(arrived.wait());
  EXPECT_FALSE(server.http->stop(milliseconds(10)));
  EXPECT_EQ(closed.count(), 1);
  EXPECT_EQ(client.read_to_end(), "");
  held->respond({});  // too late, ignored
}

TEST(Drain, an_exchange_may_outlive_server_and_runtime) {
  std::shared_ptr<http::Exchange> held;
  Flag arrived;
  {
    Server server([&](auto exchange) {
      held = exchange;
      arrived.set();
    });
    Client client(server.port());
    client.send(get("/"));
    ASSERT_TRUE(arrived.wait());
  }
  held->write("x");
  held->end_stream(true);
  held->on_closed([] { FAIL(); });
  EXPECT_EQ(held->queued_bytes(), 0U);
}

}  // namespace
}  // namespace moegate::net::test
