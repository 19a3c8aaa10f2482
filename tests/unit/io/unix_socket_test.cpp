// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/unix_socket.hpp"

#include "io_support.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

namespace kith::io {
namespace {

using test::MemoryLog;
using test::run_until;

class UnixSocketTest : public ::testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "kith-io-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern; // mkdtemp makes it 0700
    path = folder + "/daemon.sock";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  auto open() {
    return UnixListener::open(reactor, path, log, [this](UniqueFd peer) { peers.push_back(std::move(peer)); });
  }

  UniqueFd connect() const {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path.c_str(), path.size());
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) fd.reset();
    return fd;
  }

  /// A socket that nobody listens at any more, as a killed daemon leaves it.
  void leave_stale_socket() const {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path.c_str(), path.size());
    const UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  }

  Reactor reactor;
  MemoryLog log;
  std::vector<UniqueFd> peers;
  std::string folder;
  std::string path;
};

TEST_F(UnixSocketTest, AcceptsAProgramOfThisUserOnAPrivateSocketAndCleansUp) {
  {
    const auto listener = open();
    ASSERT_TRUE(listener) << listener.error().text;
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
    const UniqueFd program = connect();
    ASSERT_TRUE(program);
    run_until(reactor, [&] { return peers.size() == 1; });
    EXPECT_EQ(*peer_user(peers[0].get()), ::geteuid());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(UnixSocketTest, ReplacesAStaleSocketButNotALiveOne) {
  leave_stale_socket();
  const auto first = open();
  ASSERT_TRUE(first) << first.error().text;
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::busy);
  EXPECT_NE(second.error().text.find(path), std::string::npos);
  EXPECT_TRUE(connect()) << "the live one was left alone";
}

TEST_F(UnixSocketTest, LeavesAFileThatIsNotASocketAlone) {
  std::fclose(std::fopen(path.c_str(), "w"));
  const auto listener = open();
  ASSERT_FALSE(listener);
  EXPECT_NE(listener.error().text.find("is not a socket"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(UnixSocketTest, RemovesOnlyTheSocketThatItMade) {
  {
    const auto listener = open();
    ASSERT_TRUE(listener);
    std::filesystem::rename(path, path + ".moved"); // keeps the inode, so that the next one is another
    leave_stale_socket();
  }
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(UnixSocketTest, RefusesAnOpenFolderAndAPathThatIsTooLong) {
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  auto listener = open();
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, Code::bad_request);
  EXPECT_NE(listener.error().text.find("chmod 700 " + folder), std::string::npos);

  path = folder + "/" + std::string(120, 'x');
  listener = open();
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, Code::bad_request);
  EXPECT_NE(listener.error().text.find("107"), std::string::npos) << listener.error().text;
}

TEST_F(UnixSocketTest, ASocketPairIsConnected) {
  auto pair = make_socket_pair();
  ASSERT_TRUE(pair);
  ASSERT_EQ(::write(pair->first.get(), "x", 1), 1);
  char c = 0;
  EXPECT_EQ(::read(pair->second.get(), &c, 1), 1);
  EXPECT_EQ(c, 'x');
}

} // namespace
} // namespace kith::io
