// SPDX-License-Identifier: GPL-3.0-or-later
#include "home/home.hpp"

#include "temp_home.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kith::home {
namespace {

PeerId id_of(std::uint8_t n) {
  PeerId id;
  id.bytes.fill(n);
  return id;
}

TEST(Home, AFirstStartMakesIt) {
  const TempFolder folder;
  const std::string path = folder.path() + "/home";
  const auto home = Home::open(path + "/");
  ASSERT_TRUE(home) << home.error().text;
  EXPECT_EQ(home->path(), path);
  EXPECT_EQ(mode_of(path), 0700U);
  EXPECT_EQ(mode_of(path + "/keys"), 0700U);
  EXPECT_EQ(slurp(home->settings_path()), config::default_daemon_text());
  EXPECT_TRUE(home->load_settings());
  EXPECT_TRUE(home->names()->empty());
  spill(home->settings_path(), "log_level: debug\n");
  ASSERT_TRUE(Home::open(path));
  EXPECT_EQ(home->load_settings()->log_level, LogLevel::debug) << "it is not written again";
}

TEST(Home, AFolderThatItsOwnerMayNotWriteIsAProblem) {
  const TempFolder folder;
  ASSERT_TRUE(Home::open(folder.path()));
  const Home home = Home::at(folder.path()).value();
  EXPECT_TRUE(home.problems().empty());
  const pid_t child = ::fork();
  if (child == 0) { // root may write everything: nobody looks
    constexpr uid_t nobody = 65534;
    if (::geteuid() == 0) {
      for (const auto& each : std::filesystem::recursive_directory_iterator(folder.path()))
        if (::chown(each.path().c_str(), nobody, nobody) != 0) ::_exit(3);
      if (::chown(folder.path().c_str(), nobody, nobody) != 0 || ::setuid(nobody) != 0) ::_exit(3);
    }
    if (::chmod(folder.path().c_str(), 0500) != 0) ::_exit(4);
    const auto problems = home.problems();
    const bool told = problems.size() == 1 && problems[0].text.find("chmod 700 '" + folder.path() + "'") != std::string::npos;
    ::chmod(folder.path().c_str(), 0700);
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Home, OfAReadOnlyFileSystemNoChmodIsAdvised) {
  constexpr int no_namespace = 77;
  const TempFolder folder;
  ASSERT_TRUE(Home::open(folder.path()));
  const pid_t child = ::fork();
  if (child == 0) { // a mount of its own, so that nothing of the machine changes
    const char* path = folder.path().c_str();
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || ::mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
        ::mount(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
      ::_exit(no_namespace);
    const auto problems = Home::at(folder.path()).value().problems();
    const bool told = !problems.empty() && problems[0].text.ends_with("Read-only file system");
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == no_namespace) GTEST_SKIP() << "no namespaces here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Home, RefusesWhatIsNotItsOwn) {
  const TempFolder folder;
  const std::string path = folder.path() + "/home";
  ASSERT_TRUE(Home::open(path));
  ASSERT_EQ(::chmod(path.c_str(), 0750), 0);
  EXPECT_NE(Home::open(path).error().text.find("chmod 700 '" + path + "'"), std::string::npos);
  ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
  ASSERT_EQ(::chmod((path + "/keys").c_str(), 0755), 0);
  EXPECT_NE(Home::open(path).error().text.find("/keys"), std::string::npos);
  EXPECT_FALSE(Home::open("relative"));
  EXPECT_FALSE(Home::open(""));
  EXPECT_FALSE(Home::open(folder.path() + "/no/parent"));
}

TEST(Home, SocketPathsThatAreTooLongAreRefusedBeforeAnythingIsMade) {
  const TempFolder folder;
  const std::string fits =
      folder.path() + "/" + std::string(max_socket_path_size - folder.path().size() - 13, 'x'); // "/" before, "/daemon.sock" behind
  EXPECT_TRUE(Home::open(fits));
  const auto home = Home::open(fits + "x");
  ASSERT_FALSE(home);
  EXPECT_NE(home.error().text.find("has 108 bytes; at most 107"), std::string::npos) << home.error().text;
  EXPECT_FALSE(std::filesystem::exists(fits + "x"));
}

TEST(Home, BadSettingsHaveTheirPlace) {
  const TempFolder folder;
  const auto home = Home::open(folder.path());
  spill(home->settings_path(), "idle_timeout: 1\n");
  EXPECT_EQ(home->load_settings().error().text.find(home->settings_path() + ":1:15: "), 0U);
}

TEST(Home, DataFolders) {
  const TempFolder folder;
  const auto home = Home::open(folder.path());
  const auto data = home->data_folder(id_of(1), "Mail", "default");
  ASSERT_TRUE(data);
  EXPECT_EQ(*data, folder.path() + "/data/" + id_of(1).text() + "/Mail/default");
  EXPECT_EQ(mode_of(*data), 0700U);
  spill(*data + "/mail", "x");
  ASSERT_TRUE(home->data_folder(id_of(1), "Mail", "default"));
  EXPECT_FALSE(home->data_folder(id_of(1), "..", "default"));
  EXPECT_FALSE(home->data_folder(id_of(1), "Mail", "../x"));
  EXPECT_FALSE(home->purge_data(id_of(1), "Mail", ".."));
  ASSERT_TRUE(home->purge_data(id_of(1), "Mail", "default"));
  EXPECT_FALSE(std::filesystem::exists(*data));
  EXPECT_TRUE(home->purge_data(id_of(1), "Mail", "default"));
}

TEST(Home, ThePortIsRemembered) {
  const TempFolder folder;
  const auto home = Home::open(folder.path());
  EXPECT_EQ(home->remembered_port().value(), std::nullopt);
  ASSERT_TRUE(home->remember_port(4433));
  EXPECT_EQ(home->remembered_port().value(), 4433);
  for (const auto* bad : {"", "0", "65536", "x", "1 2", "-1"}) {
    spill(folder.path() + "/port", bad);
    EXPECT_FALSE(home->remembered_port()) << bad;
  }
}

TEST(Home, TheDaemonSecretStays) {
  const TempFolder folder;
  const auto home = Home::open(folder.path());
  CountingRandom random;
  const auto secret = home->daemon_secret(random);
  ASSERT_TRUE(secret);
  EXPECT_EQ(home->daemon_secret(random).value(), *secret);
  const std::string file = folder.path() + "/keys/daemon.secret";
  EXPECT_EQ(mode_of(file), 0600U);
  ASSERT_EQ(::chmod(file.c_str(), 0644), 0);
  EXPECT_NE(home->daemon_secret(random).error().text.find("chmod 600"), std::string::npos);
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  spill(file, "short");
  EXPECT_FALSE(home->daemon_secret(random));
}

} // namespace
} // namespace kith::home
