// SPDX-License-Identifier: GPL-3.0-or-later
#include "home/lock.hpp"

#include "temp_home.hpp"

#include <array>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace kith::home {
namespace {

TEST(Lock, TheSecondIsToldThePidOfTheFirst) {
  const TempFolder folder;
  {
    const auto first = Lock::acquire(folder.path());
    ASSERT_TRUE(first);
    EXPECT_EQ(slurp(folder.path() + "/daemon.lock"), std::to_string(::getpid()) + "\n");
    const auto second = Lock::acquire(folder.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::busy);
    EXPECT_NE(second.error().text.find("(pid " + std::to_string(::getpid()) + ")"), std::string::npos) << second.error().text;
    EXPECT_NE(second.error().text.find("kith stop"), std::string::npos);
  }
  EXPECT_TRUE(Lock::acquire(folder.path())) << "gone with its holder";
}

TEST(Lock, WhoeverWantsItIsToldThatItsHolderIsStopping) {
  const TempFolder folder;
  const std::string pid = std::to_string(::getpid());
  {
    const auto first = Lock::acquire(folder.path());
    ASSERT_TRUE(first);
    first->tell_stopping();
    EXPECT_EQ(slurp(folder.path() + "/daemon.lock"), pid + "\nstopping\n");
    const auto second = Lock::acquire(folder.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().text,
              "the daemon on " + folder.path() + " (pid " + pid + ") is stopping; wait until it is gone, or end its drain with 'kith stop --now'");
  }
  const auto third = Lock::acquire(folder.path());
  ASSERT_TRUE(third);
  EXPECT_EQ(slurp(folder.path() + "/daemon.lock"), pid + "\n");
}

TEST(Lock, OneWhoseHolderIsDyingIsWaitedFor) {
  const TempFolder folder;
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = Lock::acquire(folder.path());
    const std::vector<char> much(16 * 1024 * 1024, 'x'); // which the kernel takes away before the lock
    const char octet = lock && much.back() == 'x' ? 'y' : 'n';
    static_cast<void>(::write(ends[1], &octet, 1));
    while (true) ::pause();
  }
  char octet = 0;
  EXPECT_EQ(::read(ends[0], &octet, 1), 1);
  EXPECT_EQ(octet, 'y');
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  const auto lock = Lock::acquire(folder.path());
  EXPECT_TRUE(lock) << lock.error().text;
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  for (const int end : ends) ::close(end);
}

TEST(Lock, TextLeftByADeadDaemonIsNoLock) {
  const TempFolder folder;
  spill(folder.path() + "/daemon.lock", "99999999999999999999 and more\n");
  const auto lock = Lock::acquire(folder.path());
  ASSERT_TRUE(lock);
  EXPECT_EQ(slurp(folder.path() + "/daemon.lock"), std::to_string(::getpid()) + "\n");
}

TEST(Lock, IsOfTheFolderThatItWasTakenIn) {
  const TempFolder folder;
  const std::string home = folder.path() + "/home";
  const auto make = [&] { ASSERT_EQ(::mkdir(home.c_str(), 0700), 0); };
  make();
  const auto lock = Lock::acquire(home);
  ASSERT_TRUE(lock);
  EXPECT_TRUE(lock->is_of(home));
  ASSERT_EQ(::rename(home.c_str(), (home + ".moved").c_str()), 0);
  EXPECT_FALSE(lock->is_of(home));
  EXPECT_TRUE(lock->is_of(home + ".moved"));
  make();
  const auto other = Lock::acquire(home);
  ASSERT_TRUE(other);
  EXPECT_FALSE(lock->is_of(home));
  EXPECT_TRUE(other->is_of(home));
}

TEST(Lock, ALiveSocketCountsAsADaemon) {
  const TempFolder folder;
  const std::string path = folder.path() + "/daemon.sock";
  EXPECT_FALSE(socket_answers(path));
  {
    const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    ASSERT_LT(path.size(), sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_TRUE(socket_answers(path));
    EXPECT_FALSE(Lock::acquire(folder.path()));
  }
  EXPECT_FALSE(socket_answers(path)) << "a stale socket";
  EXPECT_TRUE(Lock::acquire(folder.path()));
  EXPECT_FALSE(socket_answers(std::string(200, 'x')));
}

TEST(Lock, ErrorsNameThePath) { EXPECT_NE(Lock::acquire("/nowhere/at/all").error().text.find("/nowhere/at/all/daemon.lock"), std::string::npos); }

} // namespace
} // namespace kith::home
