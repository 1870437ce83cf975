#include "net/request_reader.hpp"

#include <gtest/gtest.h>

namespace moegate::net {
namespace {

using State = RequestReader::State;

const std::string kChunked =
    "POST /a?b HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5;ext=\"q\"\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: t\r\nAuthorization: late\r\n\r\n";

// Feeds `bytes` in pieces of that size, as a connection would.
State feed_in_pieces(RequestReader& reader, const std::string& bytes, std::size_t piece, std::string& rest) {
  rest.clear();
  for (std::size_t i = 0; i < bytes.size(); i += piece) {
    rest += bytes.substr(i, piece);
    rest.erase(0, reader.feed(rest));
  }
  return reader.state();
}

TEST(RequestReader, a_chunked_body_is_put_together_and_trailers_are_dropped) {
  for (std::size_t piece = 1; piece <= kChunked.size(); ++piece) {
    RequestReader reader{{}};
    std::string rest;
    ASSERT_EQ(feed_in_pieces(reader, kChunked, piece, rest), State::complete) << piece;
    EXPECT_EQ(rest, "");
    const auto request = reader.take_request();
    EXPECT_EQ(request.body, "hello!");
    EXPECT_EQ(request.path, "/a");
    EXPECT_EQ(request.query, "b");
    EXPECT_EQ(request.header("x-a"), "1");
    EXPECT_FALSE(request.has_header("authorization"));
    EXPECT_FALSE(request.has_header("x-trailer"));
  }
}

// Beast asserts the length of an empty last chunk: a peer could end the process with "0\r\n" and one byte more.
TEST(RequestReader, an_empty_chunked_body_may_come_in_pieces_of_any_size) {
  const std::string head = "POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string body : {"0\r\n\r\n", "0;a=b\r\nx: y\r\n\r\n", "1\r\na\r\n0\r\n\r\n"}) {
    for (std::size_t piece = 1; piece <= body.size(); ++piece) {
      RequestReader reader{{}};
      std::string buffer;
      for (std::size_t at = 0; at < head.size() + body.size(); at += piece) {
        buffer += (head + body).substr(at, piece);
        buffer.erase(0, reader.feed(buffer));
      }
      EXPECT_EQ(reader.state(), State::complete) << body << " in pieces of " << piece;
    }
  }
}

TEST(RequestReader, the_first_byte_of_the_next_request_is_left_alone) {
  RequestReader reader{{}};
  const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nokGET /next";
  EXPECT_EQ(reader.feed(bytes), bytes.size() - 9);
  EXPECT_EQ(reader.state(), State::complete);
  EXPECT_EQ(reader.feed("GET"), 0U);
  EXPECT_EQ(reader.take_request().body, "ok");
  EXPECT_EQ(reader.state(), State::head);
}

TEST(RequestReader, keep_alive_follows_version_and_connection_header) {
  const auto keep_alive = [](const std::string& head) {
    RequestReader reader{{}};
    reader.feed(head + "\r\n\r\n");
    EXPECT_EQ(reader.state(), State::complete);
    return reader.keep_alive();
  };
  EXPECT_TRUE(keep_alive("GET / HTTP/1.1\r\nHost: a"));
  EXPECT_FALSE(keep_alive("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close"));
  EXPECT_FALSE(keep_alive("GET / HTTP/1.0"));
  EXPECT_TRUE(keep_alive("GET / HTTP/1.0\r\nConnection: keep-alive"));
}

TEST(RequestReader, a_body_at_the_limit_passes_and_one_byte_more_does_not) {
  const auto state_of = [](const std::string& framing_and_body) {
    RequestReader reader{{.head = {}, .max_body_bytes = 8}};
    reader.feed("POST / HTTP/1.1\r\nHost: a\r\n" + framing_and_body);
    return reader.state() == State::refused ? reader.refusal().status : reader.state() == State::complete ? 0 : -1;
  };
  EXPECT_EQ(state_of("Content-Length: 8\r\n\r\n12345678"), 0);
  EXPECT_EQ(state_of("Content-Length: 9\r\n\r\n"), 413);
  EXPECT_EQ(state_of("Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n"), 0);
  EXPECT_EQ(state_of("Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n1\r\n"), 413);
  EXPECT_EQ(state_of("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"), 413);
}

}  // namespace
}  // namespace moegate::net
