// A plain blocking socket for tests of the server: says exactly the bytes a test wants to say.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

namespace halcyon::net::testing {

class PlainClient {
 public:
  explicit PlainClient(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~PlainClient() {
    if (fd_ >= 0) close(fd_);
  }
  PlainClient(const PlainClient&) = delete;
  PlainClient& operator=(const PlainClient&) = delete;

  bool connected() const { return connected_; }
  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void finish() { shutdown(fd_, SHUT_WR); }
  // Closes as a client that died: the server gets a reset.
  void reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(std::exchange(fd_, -1));
  }
  // Everything until the server closes.
  std::string hear_all() {
    while (more()) {
    }
    return std::exchange(held_, {});
  }
  // Until `mark` has come (or the server closes).
  std::string hear_until(std::string_view mark) {
    while (held_.find(mark) == std::string::npos && more()) {
    }
    return std::exchange(held_, {});
  }
  // One answer with a Content-Length: head and body.
  std::string hear_answer() {
    while (true) {
      const auto head_end = held_.find("\r\n\r\n");
      if (head_end != std::string::npos) {
        const auto at = held_.find("Content-Length: ");
        const size_t length = at < head_end ? std::stoul(held_.substr(at + 16)) : 0;
        const size_t total = head_end + 4 + length;
        if (held_.size() >= total) {
          std::string answer = held_.substr(0, total);
          held_.erase(0, total);
          return answer;
        }
      }
      if (!more()) return std::exchange(held_, {});
    }
  }

 private:
  bool more() {
    char bytes[4096];
    const auto count = recv(fd_, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    held_.append(bytes, static_cast<size_t>(count));
    return true;
  }
  int fd_;
  bool connected_ = false;
  std::string held_;
};

}  // namespace halcyon::net::testing
