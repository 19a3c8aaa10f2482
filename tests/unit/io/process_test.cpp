// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/process.hpp"

#include "io/interfaces.hpp"
#include "io/kernel_random.hpp"
#include "io/sockaddr.hpp"
#include "io/unique_fd.hpp"
#include "io_support.hpp"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <set>

namespace kith::io {
namespace {

using test::MemoryLog;
using test::run_until;

TEST(Process, SignalsBecomeCallbacksAgainAndAgain) {
  Reactor reactor;
  std::string seen;
  const auto signals = Signals::open(
      reactor, [&] { seen += 't'; }, [&] { seen += 'r'; });
  ASSERT_TRUE(signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT, SIGHUP}) {
    const auto before = seen.size();
    ::raise(signal);
    run_until(reactor, [&] { return seen.size() > before; });
  }
  EXPECT_EQ(seen, "rttr");
}

TEST(Process, TellsTheServiceManager) {
  const std::string name = "@kith-io-test-" + std::to_string(::getpid());
  const UniqueFd manager{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data() + 1, name.size() - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  ASSERT_EQ(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);

  const ServiceNotifier notifier(name);
  std::array<char, 256> buffer{};
  const auto heard = [&] {
    const ssize_t got = ::recv(manager.get(), buffer.data(), buffer.size(), 0);
    return got < 0 ? std::string("nothing") : std::string(buffer.data(), static_cast<std::size_t>(got));
  };
  EXPECT_TRUE(notifier.notify(ServiceState::ready, {}));
  EXPECT_EQ(heard(), "READY=1");
  EXPECT_TRUE(notifier.notify(ServiceState::reloading, TimePoint(std::chrono::microseconds(1234567))));
  EXPECT_EQ(heard(), "RELOADING=1\nMONOTONIC_USEC=1234567");
  EXPECT_TRUE(notifier.notify(ServiceState::stopping, {}));
  EXPECT_EQ(heard(), "STOPPING=1");
  EXPECT_TRUE(ServiceNotifier("").notify(ServiceState::ready, {}));
  EXPECT_FALSE(ServiceNotifier(name + "-gone").notify(ServiceState::ready, {}));
  EXPECT_FALSE(ServiceNotifier(std::string(200, 'x')).notify(ServiceState::ready, {}));
}

TEST(Process, RaisesTheFileLimitAsFarAsItMay) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const auto now = [] {
    rlimit after{};
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
    return after.rlim_cur;
  };
  MemoryLog log;
  EXPECT_EQ(raise_file_limit(1, log), limit.rlim_cur) << "never lowered";
  EXPECT_EQ(now(), limit.rlim_cur);
  EXPECT_EQ(raise_file_limit(RLIM_INFINITY, log), limit.rlim_max);
  EXPECT_EQ(now(), limit.rlim_max);
}

TEST(KernelRandom, GivesOtherOctetsEachTime) {
  KernelRandom random;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.next_u64());
  EXPECT_EQ(seen.size(), 1000U);
  Bytes large(5000);
  random.fill(large);
  EXPECT_GT(std::set<std::uint8_t>(large.begin(), large.end()).size(), 200U);
  random.fill({});
}

TEST(KernelRandom, AChildOfForkDoesNotRepeatItsParent) {
  KernelRandom random;
  random.next_u64(); // the buffer is full now
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::uint64_t mine = random.next_u64();
    _exit(::write(ends[1], &mine, sizeof mine) == sizeof mine ? 0 : 1);
  }
  std::uint64_t theirs = 0;
  ASSERT_EQ(::read(ends[0], &theirs, sizeof theirs), static_cast<ssize_t>(sizeof theirs));
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_NE(random.next_u64(), theirs);
}

TEST(Interfaces, LoopbackIsAmongTheLocalAddresses) {
  const auto addresses = local_addresses();
  EXPECT_NE(std::find(addresses.begin(), addresses.end(), make_v4({127, 0, 0, 1}, 0)), addresses.end());
  for (const auto& address : addresses) EXPECT_EQ(address.scope, 0U);
}

/// Adds 127.0.0.9/32 to the loopback interface of this network namespace.
bool add_address() {
  const UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  struct {
    nlmsghdr header;
    ifaddrmsg message;
    rtattr attribute;
    std::array<std::uint8_t, 4> ip;
  } request{};
  request.header = {sizeof request, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_CREATE, 1, 0};
  request.message.ifa_family = AF_INET;
  request.message.ifa_prefixlen = 32;
  request.message.ifa_index = ::if_nametoindex("lo");
  request.attribute = {sizeof(rtattr) + 4, IFA_LOCAL};
  request.ip = {127, 0, 0, 9};
  return ::send(fd.get(), &request, sizeof request, 0) == static_cast<ssize_t>(sizeof request);
}

/// Addresses of an interface that is down don't count.
bool raise_loopback() {
  const UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  return ::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0;
}

TEST(Interfaces, AnAddressThatIsAddedIsNoticed) {
  constexpr int no_namespace = 77;
  const pid_t child = ::fork();
  if (child == 0) {
    // A network namespace of its own, so that nothing of the machine changes.
    if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) _exit(no_namespace);
    if (!raise_loopback()) _exit(3);
    Reactor reactor;
    bool noticed = false;
    const auto watcher = AddressWatcher::open(reactor, [&] { noticed = true; });
    if (!watcher || !add_address()) _exit(1);
    run_until(reactor, [&] { return noticed; });
    _exit(noticed ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == no_namespace) GTEST_SKIP() << "no network namespaces here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

} // namespace
} // namespace kith::io
