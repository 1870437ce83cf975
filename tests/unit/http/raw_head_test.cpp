#include "http/raw_head.hpp"

#include <gtest/gtest.h>

#include <random>

namespace moegate::http {
namespace {

const std::string kPlain = "GET /v1/models HTTP/1.1\r\nHost: gate.example:8080\r\nAccept: */*\r\n\r\n";

std::string with_header(const std::string& line) { return "POST / HTTP/1.1\r\nHost: a\r\n" + line + "\r\n\r\n"; }
int status_of(const std::string& head) {
  const auto refusal = check_raw_head(head);
  return refusal ? refusal->status : 0;
}
std::string message_of(const std::string& head) {
  const auto refusal = check_raw_head(head);
  return refusal ? refusal->message : std::string();
}

TEST(RawHead, an_ordinary_request_is_accepted) {
  EXPECT_EQ(status_of(kPlain), 0) << message_of(kPlain);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
  EXPECT_EQ(status_of(with_header("Content-Length: 5 ")), 0);
  EXPECT_EQ(status_of(with_header("Transfer-Encoding: Chunked")), 0);
  EXPECT_EQ(status_of(with_header("X_Custom: underscores elsewhere are fine")), 0);
}

TEST(RawHead, the_message_names_the_header_and_hides_its_value) {
  const auto message = message_of(with_header("Authorization: Bearer s3cret\r\nAuthorization: Bearer 0ther"));
  EXPECT_EQ(message, "header 3 (Authorization): given more than once");
}

TEST(RawHead, every_ambiguous_framing_is_refused) {
  for (const char* line : {"Transfer-Encoding: gzip",
                           "Transfer-Encoding: identity",
                           "Transfer-Encoding: chunked, identity",
                           "Transfer-Encoding: xchunked",
                           "Transfer-Encoding: chunked, chunked",
                           "Transfer-Encoding: \"chunked\"",
                           "Transfer-Encoding: chunked;q=1",
                           "Transfer-Encoding:",
                           "Transfer-Encoding: chunked\r\nContent-Length: 5",
                           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                           "Transfer_Encoding: chunked",
                           "Content-Length: 5, 5",
                           "Content-Length: 5\r\nContent-Length: 5",
                           "Content-Length: +5",
                           "Content-Length: -5",
                           "Content-Length: 0x5",
                           "Content-Length: 5a",
                           "Content-Length: 5 5",
                           "Content-Length:",
                           "Content-Length: 99999999999999999999",
                           "Content_Length: 5",
                           "Content-Length : 5",
                           " Content-Length: 5",
                           "X: a\r\n folded",
                           "X: a\r\n\tfolded",
                           "Host: b",
                           "Authorization: a\r\nauthorization: b",
                           "X-Api-Key: a\r\nx-api-key: b",
                           "X_Api_Key: a",
                           "Content-Type: a\r\nContent-Type: b",
                           "Content_Type: a",
                           "Idempotency-Key: a\r\nIdempotency-Key: b",
                           "Idempotency_Key: a",
                           "no colon",
                           ": empty name",
                           "a b: c",
                           "a(b): c",
                           "X-\x80: c",
                           "Expect: 100-continue\r\nExpect: 100-continue"}) {
    EXPECT_EQ(status_of(with_header(line)), 400) << line;
  }
}

TEST(RawHead, every_malformed_request_line_is_refused) {
  const std::string rest = "\r\nHost: a\r\n\r\n";
  for (const char* line :
       {"GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1", "GET /", "GET", "GET / http/1.1", "GET / HTTP/1.10",
        "GET / HTTP/1,1", "G(T / HTTP/1.1", "GET /a b HTTP/1.1", "GET /# HTTP/1.1", "GET /\x80 HTTP/1.1",
        "GET * HTTP/1.1", "GET http://a/ HTTP/1.1", "CONNECT a:443 HTTP/1.1", "GET a HTTP/1.1", "GET /\tx HTTP/1.1"}) {
    EXPECT_EQ(status_of(line + rest), 400) << line;
  }
  EXPECT_EQ(status_of("GET / HTTP/2.0" + rest), 505);
  EXPECT_EQ(status_of("PRI / HTTP/2.0" + rest), 505);
  EXPECT_EQ(status_of("GET /" + std::string(9000, 'a') + " HTTP/1.1" + rest), 414);
}

TEST(RawHead, transfer_encoding_on_http_1_0_and_a_missing_host_on_1_1_are_refused) {
  EXPECT_EQ(message_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "header 1 (Transfer-Encoding): not allowed on HTTP/1.0");
  EXPECT_EQ(message_of("GET / HTTP/1.1\r\n\r\n"), "header Host: missing");
}

TEST(RawHead, hosts_that_are_no_hosts_are_refused) {
  for (const char* host : {"a/?", "a#@b", "user@a", "a b", "a:b", "[::1", "", "a:123456", "a,b", "a\\b"}) {
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n"), 400) << host;
  }
}

TEST(RawHead, control_characters_and_bare_line_ends_are_refused_wherever_they_stand) {
  for (std::size_t i = 0; i < kPlain.size(); ++i) {
    for (const char bad : {'\0', '\n', '\r', '\x0b', '\x1f', '\x7f'}) {
      std::string head = kPlain;
      if (head[i] == bad) continue;
      head[i] = bad;
      EXPECT_NE(status_of(head), 0) << "byte " << i << " set to " << int{bad};
    }
  }
}

TEST(RawHead, sizes_beyond_the_limits_are_refused) {
  std::string many;
  for (int i = 0; i < 300; ++i) many += "x: y\r\n";
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n" + many + "\r\n"), 431);
  EXPECT_EQ(status_of(with_header("x: " + std::string(70'000, 'y'))), 431);
}

TEST(RawHead, the_end_of_a_head_is_found_whatever_the_pieces) {
  for (std::size_t split = 0; split <= kPlain.size(); ++split) {
    std::size_t scanned = 0;
    const auto first = find_head_end(std::string_view(kPlain).substr(0, split), scanned);
    EXPECT_FALSE(first.refusal);
    EXPECT_EQ(first.size, split < kPlain.size() ? 0U : kPlain.size());
    if (first.size == 0) {
      EXPECT_EQ(find_head_end(kPlain + "next", scanned).size, kPlain.size());
    }
  }
}

TEST(RawHead, a_binary_protocol_is_refused_before_a_line_ends) {
  std::size_t scanned = 0;
  EXPECT_TRUE(find_head_end("\x16\x03\x01\x02", scanned).refusal);
  scanned = 0;
  EXPECT_TRUE(find_head_end("\r\n", scanned).refusal);
  scanned = 0;
  EXPECT_EQ(find_head_end(std::string(70'000, 'a'), scanned).refusal->status, 431);
}

// Whatever is accepted has the properties the parser behind relies on.
TEST(RawHead, random_heads_never_slip_a_second_framing_header_through) {
  const std::vector<std::string> lines = {
      "Host: a", "Content-Length: 3", "Transfer-Encoding: chunked", "content-length: 3",   "X: y",
      " folded", "Content_Length: 3", "Transfer-Encoding: x",       "Expect: 100-continue"};
  constexpr unsigned kSeed = 7;
  std::mt19937 random(kSeed);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string head = round % 2 == 0 ? "POST / HTTP/1.1\r\n" : "POST / HTTP/1.0\r\n";
    int hosts = 0, lengths = 0, encodings = 0, refused = 0;
    for (unsigned n = random() % 4; n > 0; --n) {
      const auto& line = lines[random() % lines.size()];
      hosts += line == "Host: a";
      lengths += line == "Content-Length: 3" || line == "content-length: 3";
      encodings += line == "Transfer-Encoding: chunked";
      refused += line == " folded" || line == "Content_Length: 3" || line == "Transfer-Encoding: x";
      head += line + "\r\n";
    }
    if (check_raw_head(head + "\r\n")) continue;
    ++accepted;
    EXPECT_LE(hosts, 1);
    EXPECT_LE(lengths + encodings, 1) << head << " seed " << kSeed;
    EXPECT_EQ(refused, 0) << head << " seed " << kSeed;
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace moegate::http
