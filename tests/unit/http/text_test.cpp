#include <gtest/gtest.h>

#include "http/serialize.hpp"
#include "http/sse.hpp"

namespace moegate::http {
namespace {

TEST(Sse, an_event_is_framed_as_clients_expect) {
  EXPECT_EQ(sse_data("{\"a\":1}"), "data: {\"a\":1}\n\n");
  EXPECT_EQ(sse_event("ping", "{}"), "event: ping\ndata: {}\n\n");
  EXPECT_EQ(sse_comment("keep-alive"), ": keep-alive\n\n");
  EXPECT_EQ(sse_data("[DONE]"), kSseDone);
}

TEST(Sse, a_line_end_inside_the_text_starts_no_field_of_its_own) {
  EXPECT_EQ(sse_data("a\nevent: x\r\nb\rc"), "data: a\ndata: event: x\ndata: b\ndata: c\n\n");
  EXPECT_EQ(sse_comment("a\ndata: x"), ": a\n: data: x\n\n");
  EXPECT_EQ(sse_event("a\ndata: x", "y"), "event: a\ndata: y\n\n");
}

TEST(Serialize, a_head_has_our_framing_and_no_other) {
  ResponseHead head;
  head.status = 404;
  head.content_type = "application/json";
  head.content_length = 7;
  head.keep_alive = false;
  const std::vector<Header> first = {{"x-request-id", "r1"}, {"Content-Length", "9"}};
  const std::vector<Header> second = {{"transfer-encoding", "chunked"}, {"Connection", "keep-alive"}};
  EXPECT_EQ(serialize_head(head, first, second),
            "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\nx-request-id: r1\r\ncontent-length: 7\r\n"
            "connection: close\r\n\r\n");
}

// H9
TEST(Serialize, text_of_a_client_cannot_become_a_header) {
  const std::vector<Header> headers = {
      {"x-a", "b\r\nset-cookie: c"}, {"x\r\ny", "z"}, {"", "z"}, {"x-d", std::string("e\0f", 3)}};
  EXPECT_EQ(serialize_head({}, headers, {}), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

TEST(Serialize, chunks_and_dates_have_their_standard_form) {
  EXPECT_EQ(chunk(std::string(26, 'a')), "1a\r\n" + std::string(26, 'a') + "\r\n");
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");  // the example of RFC 9110 5.6.7
}

TEST(Request, the_first_header_of_a_name_is_found) {
  Request request;
  request.headers = {{"a", "1"}, {"b", ""}, {"a", "2"}};
  EXPECT_EQ(request.header("a"), "1");
  EXPECT_TRUE(request.has_header("b"));
  EXPECT_FALSE(request.has_header("c"));
}

}  // namespace
}  // namespace moegate::http
