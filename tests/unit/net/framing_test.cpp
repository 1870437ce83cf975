// Request smuggling and malformed framing over a real socket: every vector is answered with an error that names the
// place, the connection ends, and not one byte of what followed is taken for a request.
#include <atomic>

#include "client.hpp"
#include "core/json.hpp"

namespace moegate::net::test {
namespace {

const std::string kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

std::vector<std::string> header_vectors() {
  std::vector<std::string> lines = {"Transfer-Encoding: gzip\r\nContent-Length: 4",
                                    "Transfer-Encoding: identity\r\nContent-Length: 4",
                                    "Transfer-Encoding: chunked, identity",
                                    "Transfer-Encoding: identity, chunked",
                                    "Transfer-Encoding: xchunked",
                                    "Transfer-Encoding: chunked, chunked",
                                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                                    "Transfer-Encoding: chunked\r\nContent-Length: 4",
                                    "Content-Length: 4\r\nTransfer-Encoding: chunked",
                                    "Transfer-Encoding:\r\n chunked",
                                    "Transfer-Encoding:\r\n\tchunked",
                                    "Transfer-Encoding : chunked",
                                    "Transfer-Encoding\t: chunked",
                                    " Transfer-Encoding: chunked",
                                    "Transfer-Encoding: \x0b"
                                    "chunked",
                                    "Transfer-Encoding: chunked\x0c",
                                    "Transfer-Encoding: 'chunked'",
                                    "Transfer-Encoding: \"chunked\"",
                                    "Transfer-Encoding: chunked;x=1",
                                    "Transfer-Encoding:",
                                    "Transfer_Encoding: chunked",
                                    "X: y\nTransfer-Encoding: chunked",
                                    "X: y\rTransfer-Encoding: chunked",
                                    "Content-Length: 4, 4",
                                    "Content-Length: 4,4",
                                    "Content-Length: 4\r\nContent-Length: 4",
                                    "Content-Length: 4\r\nContent-Length: 0",
                                    "Content-Length: +4",
                                    "Content-Length: -4",
                                    "Content-Length: 0x4",
                                    "Content-Length: 4e0",
                                    "Content-Length: 4.0",
                                    "Content-Length: ",
                                    "Content-Length: 4 4",
                                    "Content-Length: \"4\"",
                                    "Content-Length: 18446744073709551620",
                                    "Content-Length : 4",
                                    "Content_Length: 4",
                                    "Content-Length:\r\n 4",
                                    "X: y\nContent-Length: 4",
                                    "Host: b",
                                    "Host: a\r\nHost: a",
                                    "Authorization: Bearer a\r\nAuthorization: Bearer b",
                                    "Authorization_: a\r\nAuthorization: a\r\nauthorization: b",
                                    "x-api-key: a\r\nX-Api-Key: b",
                                    "X_Api_Key: a",
                                    "Content-Type: application/json\r\nContent-Type: text/plain",
                                    "Content_Type: text/plain",
                                    "Idempotency-Key: a\r\nidempotency-key: b",
                                    "idempotency_key: a",
                                    "X: a\r\n b",
                                    "X: a\r\n\tb",
                                    "no colon here",
                                    ": no name",
                                    "a b: c",
                                    "a\x80: c",
                                    "a: b\x7f",
                                    std::string("a: b\0c", 6),
                                    "a: b\x01",
                                    "a: b\r\r",
                                    "Expect: 100-continue\r\nExpect: 100-continue"};
  for (auto& line : lines) line = "POST / HTTP/1.1\r\nHost: a\r\n" + line + "\r\n\r\n0\r\n\r\n" + kSmuggled;
  return lines;
}

std::vector<std::string> whole_vectors() {
  const std::string host = "\r\nHost: a\r\n\r\n";
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::vector<std::string> heads = {
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "\r\nGET / HTTP/1.1" + host,
      "\nGET / HTTP/1.1" + host,
      "GET / HTTP/1.1\nHost: a\n\n",
      "GET / HTTP/1.1\r\nHost: a\n\r\n",
      "GET  / HTTP/1.1" + host,
      "GET /  HTTP/1.1" + host,
      "GET / HTTP/1.1 " + host,
      "GET\t/\tHTTP/1.1" + host,
      "GET /" + host,
      "GET / HTTP/1.1x" + host,
      "GET / http/1.1" + host,
      "GET / HTTP/11" + host,
      "GET / HTTP/2.0" + host,
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "GET http://a/ HTTP/1.1" + host,
      "GET http://b/ HTTP/1.1" + host,
      "CONNECT a:80 HTTP/1.1" + host,
      "OPTIONS * HTTP/1.1" + host,
      "GET a HTTP/1.1" + host,
      "GET /a#b HTTP/1.1" + host,
      "GET /\xc3\xa9 HTTP/1.1" + host,
      "G@T / HTTP/1.1" + host,
      "GET /../admin HTTP/1.1" + host,
      "GET /%2e%2e/admin HTTP/1.1" + host,
      "GET //admin HTTP/1.1" + host,
      "GET /v1%2fmodels HTTP/1.1" + host,
      "GET /a;b HTTP/1.1" + host,
      "GET /%00 HTTP/1.1" + host,
      "GET /a%0d%0a HTTP/1.1" + host,
      "GET / HTTP/1.1\r\nHost: a/?\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a#@b\r\n\r\n",
      "GET / HTTP/1.1\r\nHost:\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "GET /" + std::string(9'000, 'a') + " HTTP/1.1" + host,
      "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x'),
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nExpect: the-unexpected\r\nContent-Length: 4\r\n\r\n",
      chunked + "x\r\n",
      chunked + "-1\r\n",
      chunked + "0x4\r\nabcd\r\n0\r\n\r\n",
      chunked + "4\nabcd\n0\n\n",
      chunked + "4\r\nabcdX\r\n0\r\n\r\n",
      chunked + "4\r\nabcd0\r\n\r\n",
      chunked + "11111111111111111\r\n",
      chunked + "ffffffffffffffff\r\n",
      chunked + "4;\x01\r\nabcd\r\n0\r\n\r\n",
      chunked + "4;a=b\rc\r\nabcd\r\n0\r\n\r\n",
      chunked + "4;" + std::string(70'000, 'x'),
      chunked + "0\r\nX: " + std::string(70'000, 'x'),
      chunked + "0\r\nContent-Length: 4\r\n\r\n",
      chunked + "0\r\nTransfer-Encoding: chunked\r\n\r\n",
      chunked + "0\r\nbad trailer\r\n\r\n",
      chunked + "\r\n\r\n"};
  for (auto& head : heads) head += kSmuggled;
  return heads;
}

void expect_refused(const std::string& bytes, std::uint16_t port) {
  Client client(port);
  client.send(bytes);
  const auto answer = client.read_answer();
  const std::string shown = bytes.substr(0, 120);
  EXPECT_TRUE(answer.status == 400 || answer.status == 413 || answer.status == 414 || answer.status == 415 ||
              answer.status == 417 || answer.status == 431 || answer.status == 505)
      << answer.status << " for " << shown;
  EXPECT_NE(answer.head.find("connection: close\r\n"), std::string::npos) << shown;
  EXPECT_NE(answer.head.find("x-request-id: "), std::string::npos) << shown;
  const auto body = moe::json::parse(answer.body);
  ASSERT_TRUE(body.ok() && body->find("error") != nullptr) << shown << "\n" << answer.body;
  const auto& message = body->find("error")->find("message")->as_string();
  const bool names_place = message.starts_with("request ") || message.starts_with("header") ||
                           message.starts_with("path") || message.find("of the request head") != std::string::npos;
  EXPECT_TRUE(names_place) << message;
  for (const char* key : {"type", "param", "code"}) EXPECT_NE(body->find("error")->find(key), nullptr);
  EXPECT_EQ(client.read_to_end(), "") << "more than one answer to " << shown;
  EXPECT_EQ(client.end(), End::closed) << shown;
}

TEST(Framing, every_hostile_framing_is_refused_and_nothing_behind_it_is_read) {
  std::atomic<int> handled = 0;
  std::atomic<int> refused = 0;
  ServerOptions options;
  options.hooks.on_refused = [&](int) { ++refused; };
  Server server(
      [&](auto exchange) {
        ++handled;
        echo(exchange);
      },
      options);
  auto vectors = header_vectors();
  for (auto& vector : whole_vectors()) vectors.push_back(std::move(vector));
  ASSERT_GE(vectors.size(), 100U);
  for (const auto& vector : vectors) expect_refused(vector, server.port());
  EXPECT_EQ(handled, 0);
  EXPECT_EQ(refused, static_cast<int>(vectors.size()));
}

// The negative control of the test above: the same shape without the fault is served, and what follows it as well.
TEST(Framing, sound_requests_of_the_same_shape_are_served) {
  Server server(echo);
  for (const char* header : {"Transfer-Encoding: chunked", "Content-Length: 5"}) {
    Client client(server.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\n" + std::string(header) + "\r\n\r\n0\r\n\r\n" + kSmuggled);
    EXPECT_EQ(client.read_answer().status, 200);
    EXPECT_EQ(client.read_answer().body.substr(0, 13), "GET\n/smuggled");
  }
}

TEST(Framing, a_head_cut_at_any_byte_is_the_same_request) {
  Server server(echo);
  const std::string request = "POST /a%20b?c=d HTTP/1.1\r\nHost: a:1\r\nX-Y: z\r\nContent-Length: 3\r\n\r\nxyz";
  for (std::size_t split = 1; split < request.size(); ++split) {
    Client client(server.port());
    client.send(request.substr(0, split));
    client.send(request.substr(split));
    EXPECT_EQ(client.read_answer().body, "POST\n/a b\nc=d\nxyz") << split;
  }
  Client client(server.port());
  for (const char byte : request) client.send(std::string_view(&byte, 1));
  EXPECT_EQ(client.read_answer().body, "POST\n/a b\nc=d\nxyz");
}

TEST(Framing, a_request_cut_off_by_its_client_is_refused_and_not_handled) {
  std::atomic<int> handled = 0;
  Server server([&](auto exchange) {
    ++handled;
    echo(exchange);
  });
  for (const char* part : {"GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234"}) {
    Client client(server.port());
    client.send(part);
    client.shutdown_send();
    EXPECT_EQ(client.read_answer().status, 400);
  }
  EXPECT_EQ(handled, 0);
}

TEST(Framing, F074_a_foreign_host_name_is_refused_when_the_listener_checks) {
  ServerOptions options;
  options.check_host = true;
  options.allowed_hosts = {"gate.example"};
  Server server(echo, options);
  const auto status = [&](const std::string& head) {
    Client client(server.port());
    client.send(head);
    return client.read_answer().status;
  };
  for (const char* host : {"localhost", "127.0.0.1:9090", "[::1]:9090", "gate.example"}) {
    EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), 200) << host;
  }
  for (const char* host : {"evil.example:9090", "127.0.0.1.nip.example", "localhost.evil.example"}) {
    EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), 421) << host;
  }
  EXPECT_EQ(status("GET / HTTP/1.0\r\n\r\n"), 421);
}

}  // namespace
}  // namespace moegate::net::test
