// A TCP proxy for tests that breaks connections at a chosen moment: after a COMMIT, say.
//
//   CuttingProxy proxy(options.host, options.port);     // connect to 127.0.0.1:proxy.port()
//   proxy.cut_after("COMMIT");                          // the next one gets no answer
//
// Thread rule: any thread.
#pragma once

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "runtime/context.h"

namespace halcyon::sql::testing {

// Passes TCP between a driver and its server, and breaks it on purpose.
class CuttingProxy {
 public:
  CuttingProxy(std::string host, int port) : host_(std::move(host)), server_port_(port) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 64) != 0) {
      throw std::runtime_error("cannot listen");
    }
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~CuttingProxy() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }
  int port() const { return port_; }
  // While away, connections are cut and new ones are closed at once.
  void set_away(bool away) { away_ = away; }
  // The next bytes from the client that contain `text` reach the server, but the answer does not
  // reach the client.
  void cut_after(std::string text) {
    std::lock_guard lock(mutex_);
    trigger_ = std::move(text);
    cuts_ = 0;
  }
  int cuts() const { return cuts_; }

 private:
  struct Pipe {
    int client = -1, server = -1;
    bool mute = false, done = false;
    runtime::Clock::time_point cut_at = runtime::Clock::time_point::max();
  };

  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    return address;
  }

  void accept_one() {
    int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    if (away_) {
      ::close(client);
      return;
    }
    int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(server_port_);
    if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      ::close(client);
      ::close(server);
      return;
    }
    pipes_.push_back(Pipe{client, server});
  }

  void pass(Pipe& pipe, bool from_client) {
    char data[65536];
    ssize_t size = ::recv(from_client ? pipe.client : pipe.server, data, sizeof data, 0);
    if (size <= 0) {
      pipe.done = true;
      return;
    }
    if (from_client) {
      std::lock_guard lock(mutex_);
      std::string_view seen(data, static_cast<size_t>(size));
      if (!trigger_.empty() && seen.contains(trigger_)) {
        trigger_.clear();
        ++cuts_;
        pipe.mute = true;
        pipe.cut_at = runtime::Clock::now() +
                      std::chrono::milliseconds(100);  // the server has answered by then
      }
    }
    if (!from_client && pipe.mute) return;
    ::send(from_client ? pipe.server : pipe.client, data, static_cast<size_t>(size), MSG_NOSIGNAL);
  }

  void serve() {
    while (!stop_) {
      std::vector<pollfd> polls{{listener_, POLLIN, 0}};
      for (Pipe& pipe : pipes_) {
        polls.push_back({pipe.client, POLLIN, 0});
        polls.push_back({pipe.server, POLLIN, 0});
      }
      ::poll(polls.data(), polls.size(), 10);
      size_t known = pipes_.size();
      for (size_t i = 0; i < known; ++i) {
        if (polls[1 + 2 * i].revents != 0) pass(pipes_[i], true);
        if (polls[2 + 2 * i].revents != 0) pass(pipes_[i], false);
        if (away_ || runtime::Clock::now() >= pipes_[i].cut_at) pipes_[i].done = true;
      }
      if (polls[0].revents != 0) accept_one();
      std::erase_if(pipes_, [](const Pipe& pipe) {
        if (!pipe.done) return false;
        ::close(pipe.client);
        ::close(pipe.server);
        return true;
      });
    }
    for (Pipe& pipe : pipes_) {
      ::close(pipe.client);
      ::close(pipe.server);
    }
  }

  std::string host_;
  int server_port_, listener_ = -1, port_ = 0;
  std::atomic<bool> stop_{false}, away_{false};
  std::atomic<int> cuts_{0};
  std::mutex mutex_;
  std::string trigger_;
  std::vector<Pipe> pipes_;
  std::thread thread_;
};

}  // namespace halcyon::sql::testing
