#include "net/head_parser_internal.h"

#include <gtest/gtest.h>

namespace halcyon::net {
namespace {

// Every way to cut a request in two, and single bytes, must read the same: a line break at the
// start of a piece belongs to the body.
TEST(RequestReader, ThePiecesMakeNoDifference) {
  struct Case {
    std::string bytes, body;
  };
  for (const Case& c : {
           Case{"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n\r\na\r\n\n",
                "\r\na\r\n\n"},
           Case{"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n2\r\n\r\n\r\n0\r\nT: v\r\n\r\n",
                "abc\r\n"},
           // Data that looks like the end, and ends without data before them.
           Case{"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "9\r\nab0\r\n0\r\nc\r\n0\r\n\r\n",
                "ab0\r\n0\r\nc"},
           Case{"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
           Case{"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "000;e=1\r\nT: v\r\nU: w\r\n\r\n",
                ""},
           Case{"\r\n\r\nPOST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nb", "b"},
       }) {
    for (size_t cut = 0; cut <= c.bytes.size(); ++cut) {
      Request request;
      RequestReader reader(request, 4096, 1024);
      auto state = RequestReader::State::kMore;
      std::string buffer;
      // The last cut stands for single bytes.
      const bool singly = cut == c.bytes.size();
      for (size_t at = 0; at < c.bytes.size();) {
        const size_t step = singly ? 1 : (at == 0 && cut > 0 ? cut : c.bytes.size() - at);
        buffer += c.bytes.substr(at, step);
        at += step;
        const auto progress = reader.feed(buffer);
        buffer.erase(0, progress.used);
        state = progress.state;
      }
      EXPECT_EQ(state, RequestReader::State::kDone) << cut << " of " << c.bytes;
      EXPECT_EQ(request.body, c.body) << cut << " of " << c.bytes;
      EXPECT_EQ(buffer, "") << cut;
    }
  }
}

}  // namespace
}  // namespace halcyon::net
