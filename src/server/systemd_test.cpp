#include "server/systemd.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

namespace halcyon::server {
namespace {

// A service manager's end of NOTIFY_SOCKET.
class Manager {
 public:
  Manager() {
    folder_ = ::testing::TempDir() + "notify-XXXXXX";
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    path_ = folder_ + "/socket";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  ~Manager() {
    unsetenv("NOTIFY_SOCKET");
    close(fd_);
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }
  std::string hear() const {
    std::array<char, 256> text{};
    const ssize_t count = recv(fd_, text.data(), text.size(), 0);
    return count < 0 ? "" : std::string(text.data(), static_cast<size_t>(count));
  }

 private:
  std::string folder_, path_;
  int fd_ = -1;
};

TEST(Systemd, TellsTheServiceManager) {
  notify_service_manager("READY=1");  // nobody asked
  Manager manager;
  notify_service_manager("READY=1");
  EXPECT_EQ(manager.hear(), "READY=1");
  notify_reloading();
  EXPECT_TRUE(manager.hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
}

TEST(Systemd, TakesTheSocketMeantForThisProcessOnly) {
  EXPECT_EQ(take_activated_socket(), -1);
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_PID", "1", 1);
  EXPECT_EQ(take_activated_socket(), -1);
  EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  EXPECT_EQ(take_activated_socket(), 3);
  EXPECT_EQ(take_activated_socket(), -1);
}

}  // namespace
}  // namespace halcyon::server
