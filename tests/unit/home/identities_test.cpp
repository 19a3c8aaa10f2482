// SPDX-License-Identifier: GPL-3.0-or-later
#include "home/home.hpp"

#include "config/identity_edits.hpp"
#include "home/files.hpp"
#include "temp_home.hpp"

#include <fcntl.h>
#include <functional>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kith::home {
namespace {

std::function<void(const std::string& path)> before_sync; ///< Told what the code under test is about to sync.

} // namespace
} // namespace kith::home

extern "C" int fsync(int fd) { // in the place of libc's, for this program
  if (kith::home::before_sync) {
    std::error_code ignored;
    kith::home::before_sync(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), ignored).string());
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace kith::home {
namespace {

class Identities : public testing::Test {
protected:
  LoadedIdentity make(std::string_view name, bool online = false) {
    auto made = home_.create(name, online, random_);
    EXPECT_TRUE(made) << made.error().text;
    return *std::move(made);
  }
  std::string error_of(std::string_view name) const {
    const auto loaded = home_.load(name);
    return loaded ? "no error" : loaded.error().text;
  }

  TempFolder folder_;
  Home home_ = Home::open(folder_.path()).value();
  CountingRandom random_;
};

TEST_F(Identities, CreateAndLoad) {
  const auto alice = make("alice", true);
  EXPECT_TRUE(alice.config.online);
  EXPECT_EQ(alice.config.id, alice.key.id());
  EXPECT_EQ(mode_of(home_.key_path("alice")), 0600U);
  EXPECT_EQ(mode_of(home_.identity_path("alice")), 0600U);
  const auto again = home_.load("alice");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->config.id, alice.config.id);
  EXPECT_EQ(again->text, slurp(home_.identity_path("alice")));
  EXPECT_FALSE(make("bob").config.online);
  EXPECT_EQ(*home_.names(), (std::vector<std::string>{"alice", "bob"}));
}

TEST_F(Identities, AFileWithTheOtherSuffixIsNamed) {
  make("alice");
  make("bob");
  std::filesystem::rename(home_.identity_path("bob"), folder_.path() + "/identities/bob.yml");
  spill(folder_.path() + "/identities/carol.yml", "id: x\n");
  spill(folder_.path() + "/identities/alice.yml", "a copy\n");
  const auto all = home_.load_all();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_TRUE((*all)[0].errors.empty());
  for (const auto& [at, name] : {std::pair(1U, "bob"), {2U, "carol"}}) {
    EXPECT_EQ((*all)[at].name, name);
    EXPECT_TRUE((*all)[at].gone);
    EXPECT_EQ((*all)[at].errors.at(0).text, home_.identity_path(name) + ": " + folder_.path() + "/identities/" + name +
                                                ".yml is in the place of this file: rename it, and run `kith reload`");
  }
  EXPECT_TRUE(std::filesystem::exists(*home_.remove("carol", 1) + "/carol.yml"));
}

TEST_F(Identities, ForbiddenAndTakenNames) {
  const auto id = make("alice").config.id.text();
  const std::vector<std::string> bad{"", ".", "..", "../x", "a/b", "a b", ".hidden", "-x", "x.", std::string(65, 'a'), id, std::string("a\0b", 3),
                                     "é"};
  for (const auto& name : bad) {
    EXPECT_FALSE(home_.create(name, false, random_)) << name;
    EXPECT_FALSE(home_.rename("alice", name)) << name;
    EXPECT_FALSE(home_.load(name)) << name;
    EXPECT_FALSE(home_.remove(name, 1)) << name;
  }
  EXPECT_NE(home_.create("alice", false, random_).error().text.find("already"), std::string::npos);
  make("bob");
  EXPECT_NE(home_.rename("alice", "bob").error().text.find("already"), std::string::npos);
  EXPECT_FALSE(home_.rename("alice", "alice"));
  EXPECT_EQ(home_.names()->size(), 2U);
  EXPECT_TRUE(home_.load("alice"));
}

TEST_F(Identities, UnknownOnesHaveTheirCodeAndASuggestion) {
  make("alice");
  const auto loaded = home_.load("alise");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::unknown_identity);
  EXPECT_NE(loaded.error().text.find("did you mean 'alice'"), std::string::npos);
  EXPECT_EQ(home_.remove("nobody", 1).error().code, Code::unknown_identity);
  EXPECT_EQ(home_.rename("nobody", "x").error().code, Code::unknown_identity);
}

TEST_F(Identities, ABadFileStopsNothingElse) {
  make("alice");
  make("bob");
  const auto carol = make("carol");
  spill(home_.identity_path("bob"), "id: [\n");
  spill(home_.identity_path("copy"), carol.text);
  std::filesystem::copy(home_.key_path("carol"), home_.key_path("copy"));
  spill(home_.identity_path("a b"), carol.text);
  spill(home_.identity_path("dora") + "~", "an editor's");
  spill(folder_.path() + "/identities/.alice.yaml.x1", "cut short");
  const auto all = home_.load_all();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 5U);
  EXPECT_EQ((*all)[0].name, "a b");
  EXPECT_FALSE((*all)[0].loaded);
  EXPECT_TRUE((*all)[1].loaded);
  EXPECT_EQ((*all)[2].errors.at(0).text.find(home_.identity_path("bob") + ":"), 0U);
  EXPECT_TRUE((*all)[3].loaded);
  EXPECT_NE((*all)[4].errors.at(0).text.find("same identity"), std::string::npos);
}

TEST_F(Identities, AKeyWithoutItsFileIsSaidAndCanBeDeleted) {
  make("alice");
  const auto bob = make("bob");
  make("carol");
  std::filesystem::copy(home_.key_path("carol"), home_.key_path("backup"));
  std::filesystem::remove(home_.identity_path("bob"));
  const auto all = home_.load_all();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 3U) << "a copy of a key whose identity is there is nothing of its own";
  const IdentityFile& gone = (*all)[1];
  EXPECT_EQ(gone.name, "bob");
  EXPECT_TRUE(gone.gone);
  EXPECT_FALSE(gone.loaded);
  const std::string& text = gone.errors.at(0).text;
  EXPECT_EQ(text.find(home_.identity_path("bob") + ": this file is gone"), 0U) << text;
  EXPECT_NE(text.find("kith delete-identity bob"), std::string::npos) << text;
  EXPECT_EQ(home_.create("bob", true, random_).error().text, text);
  EXPECT_EQ(home_.id_of("bob").value(), bob.config.id);
  const auto moved = home_.remove("bob", 1);
  ASSERT_TRUE(moved);
  EXPECT_TRUE(std::filesystem::exists(*moved + "/bob.key"));
  EXPECT_EQ(home_.load_all()->size(), 2U);
  EXPECT_EQ(home_.remove("bob", 1).error().code, Code::unknown_identity);
}

TEST_F(Identities, AFileIsReadWithEverythingThatIsWrong) {
  const auto alice = make("alice");
  const std::string sum(64, 'a');
  spill(home_.identity_path("alice"), alice.text + "nonsense: 1\nonline: 2\n");
  const auto twice = home_.read_identity(home_.identity_path("alice"));
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->errors.size(), 1U) << "a key that is there twice ends the reading";
  const auto head = alice.text.substr(0, alice.text.find("bindings:"));
  spill(home_.identity_path("alice"), head + "nonsense: 1\nbindings:\n  - protocol: Echo\n    sha256: " + sum + "\n    enabled: maybe\n");
  const auto read = home_.read_identity(home_.identity_path("alice"));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->errors.size(), 2U);
  EXPECT_FALSE(read->loaded);
  EXPECT_EQ(read->pins, (std::vector<config::PluginPin>{{"Echo", sum}})) << "a pin holds, whatever else is wrong";

  spill(folder_.path() + "/elsewhere.yaml", alice.text);
  const auto elsewhere = home_.read_identity(folder_.path() + "/elsewhere.yaml");
  ASSERT_TRUE(elsewhere);
  EXPECT_TRUE(elsewhere->errors.empty()) << "a file that is not in its place needs no key yet";
  EXPECT_TRUE(elsewhere->config);
  spill(folder_.path() + "/bob.yaml", alice.text);
  make("bob");
  EXPECT_EQ(home_.read_identity(folder_.path() + "/bob.yaml")->errors.size(), 1U) << "bob's key is another one";
  EXPECT_EQ(home_.read_identity(folder_.path() + "/none.yaml").error().code, Code::bad_request);
}

TEST_F(Identities, KeyAndFileBelongTogether) {
  const auto alice = make("alice");
  make("bob");
  std::filesystem::rename(home_.key_path("alice"), folder_.path() + "/alice.key");
  EXPECT_NE(error_of("alice").find("is missing"), std::string::npos);
  std::filesystem::copy(home_.key_path("bob"), home_.key_path("alice"));
  EXPECT_NE(error_of("alice").find("is the key of"), std::string::npos);
  std::filesystem::rename(folder_.path() + "/alice.key", home_.key_path("alice"));
  EXPECT_TRUE(home_.load("alice"));
  ASSERT_EQ(::chmod(home_.key_path("alice").c_str(), 0640), 0);
  EXPECT_NE(error_of("alice").find("chmod 600 '" + home_.key_path("alice") + "'"), std::string::npos);
  ASSERT_EQ(::chmod(home_.key_path("alice").c_str(), 0600), 0);
  spill(home_.key_path("alice"), "-----BEGIN NONSENSE-----\n");
  EXPECT_NE(error_of("alice").find(": " + home_.key_path("alice")), std::string::npos);
  EXPECT_TRUE(home_.load("bob"));
}

TEST_F(Identities, RenameKeepsTheIdAndTheComments) {
  const auto alice = make("alice");
  ASSERT_TRUE(home_.edit(alice, [](const std::string& text) -> Result<std::string> { return text + "# mine\n"; }));
  const auto data = home_.data_folder(alice.config.id, "Mail", "default");
  const auto ann = home_.rename("alice", "ann");
  ASSERT_TRUE(ann) << ann.error().text;
  EXPECT_EQ(ann->config.id, alice.config.id);
  EXPECT_NE(ann->text.find("# mine"), std::string::npos);
  EXPECT_FALSE(home_.load("alice"));
  EXPECT_FALSE(exists(home_.key_path("alice")));
  EXPECT_TRUE(std::filesystem::exists(*data));
  EXPECT_EQ(std::filesystem::read_symlink(folder_.path() + "/data/ann"), alice.config.id.text());
  EXPECT_NE(make("alice").config.id, alice.config.id);
}

TEST_F(Identities, ARenameThatWasCutShortIsFinishedByDoingItAgain) {
  const auto alice = make("alice");
  std::filesystem::create_hard_link(home_.key_path("alice"), home_.key_path("ann")); // the crash came here
  EXPECT_TRUE(home_.load("alice"));
  ASSERT_TRUE(home_.rename("alice", "ann"));
  std::filesystem::create_hard_link(home_.key_path("ann"), home_.key_path("alice")); // or here, after the file had moved
  EXPECT_TRUE(home_.load("ann"));
  EXPECT_FALSE(home_.load("alice"));
  EXPECT_NE(make("alice").config.id, alice.config.id);
  EXPECT_EQ(home_.load("ann")->config.id, alice.config.id);
}

TEST_F(Identities, RemoveMovesEverythingAsideAndNothingIsInherited) {
  const auto alice = make("alice");
  const auto data = home_.data_folder(alice.config.id, "Mail", "default");
  spill(*data + "/mail", "secret");
  const auto aside = home_.remove("alice", 1770000000);
  ASSERT_TRUE(aside) << aside.error().text;
  EXPECT_EQ(*aside, folder_.path() + "/deleted/alice-" + alice.config.id.text() + "-1770000000");
  EXPECT_EQ(slurp(*aside + "/data/Mail/default/mail"), "secret");
  EXPECT_TRUE(exists(*aside + "/alice.key"));
  EXPECT_EQ(slurp(*aside + "/alice.yaml"), alice.text);
  EXPECT_TRUE(home_.names()->empty());
  const auto namesake = make("alice");
  EXPECT_NE(namesake.config.id, alice.config.id);
  EXPECT_FALSE(exists(folder_.path() + "/data/" + alice.config.id.text()));
  EXPECT_TRUE(home_.remove("alice", 1770000000));
}

TEST_F(Identities, RemoveSyncsTheNewFolderBeforeAnythingMovesThere) {
  make("alice");
  bool synced = false;
  before_sync = [&](const std::string& path) { synced = synced || (path == folder_.path() + "/deleted" && exists(home_.identity_path("alice"))); };
  const auto aside = home_.remove("alice", 1770000000);
  before_sync = nullptr;
  ASSERT_TRUE(aside) << aside.error().text;
  EXPECT_TRUE(synced);
}

TEST_F(Identities, WhatAKillLeftOfAKeyIsSweptAndNothingElse) {
  const pid_t child = ::fork();
  if (child == 0) {
    before_sync = [](const std::string& path) { ::_exit(path.find("/keys/") != std::string::npos ? 9 : 1); };
    make("alice");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(WEXITSTATUS(status), 9);
  const std::string keys = folder_.path() + "/keys";
  const auto left = *list_folder(keys);
  ASSERT_EQ(left.size(), 1U);
  EXPECT_NE(slurp(keys + '/' + left[0]).find("PRIVATE KEY"), std::string::npos);
  make("bob");
  spill(keys + "/.alice.key.backup", "mine");
  spill(folder_.path() + "/identities/.alice.yaml.swp", "an editor's");
  spill(folder_.path() + '/' + left[0], "of kith.yaml, say");
  home_.sweep();
  EXPECT_EQ(*list_folder(keys), (std::vector<std::string>{".alice.key.backup", "bob.key"}));
  EXPECT_TRUE(exists(folder_.path() + "/identities/.alice.yaml.swp"));
  EXPECT_FALSE(exists(folder_.path() + '/' + left[0]));
  EXPECT_TRUE(home_.load("bob"));
}

TEST_F(Identities, AKillAtAnyMomentLeavesAnIdentityOrNothingOfIt) {
  int status = -1;
  for (int nth = 1; status != 0; ++nth) {
    const std::string name = "k" + std::to_string(nth);
    const pid_t child = ::fork();
    if (child == 0) {
      before_sync = [left = nth](const std::string&) mutable {
        if (--left == 0) ::_exit(9);
      };
      make(name);
      ::_exit(0);
    }
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    home_.sweep();
    const auto all = home_.load_all();
    ASSERT_TRUE(all);
    for (const IdentityFile& one : *all) EXPECT_TRUE(one.loaded) << nth << ": " << one.errors.at(0).text;
    const auto keys = *list_folder(folder_.path() + "/keys");
    EXPECT_EQ(keys.size(), all->size()) << nth;
    if (!home_.load(name)) make(name);
    std::array<std::uint8_t, identity::seed_size> passed{};
    random_.fill(passed); // the next child's key is another one
  }
}

TEST_F(Identities, ASweepTakesNoKeyButWhatItsOwnMakingLeft) {
  const auto alice = make("alice");
  const std::string left = folder_.path() + "/keys/.alice.key.unfinished-abcdef";
  spill(left, "half a ke");
  std::filesystem::remove(home_.identity_path("alice"));
  home_.sweep();
  EXPECT_FALSE(exists(left));
  EXPECT_EQ(home_.id_of("alice").value(), alice.config.id) << "another file: the key was there before";
  make("bob");
  std::filesystem::create_hard_link(home_.key_path("bob"), folder_.path() + "/keys/.bob.key.unfinished-abcdef"); // the kill came right before the end
  home_.sweep();
  EXPECT_TRUE(home_.load("bob"));
  EXPECT_EQ(*list_folder(folder_.path() + "/keys"), (std::vector<std::string>{"alice.key", "bob.key"}));
}

TEST_F(Identities, RemoveWorksForABrokenIdentity) {
  make("alice");
  spill(home_.identity_path("alice"), "id: [");
  std::filesystem::remove(home_.key_path("alice"));
  const auto aside = home_.remove("alice", 7);
  ASSERT_TRUE(aside);
  EXPECT_EQ(*aside, folder_.path() + "/deleted/alice-unknown-7");
}

TEST_F(Identities, AKeyLeftAloneIsNotOverwritten) {
  make("alice");
  std::filesystem::remove(home_.identity_path("alice"));
  const auto key = slurp(home_.key_path("alice"));
  const auto made = home_.create("alice", false, random_);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().text.find("put the file back"), std::string::npos);
  EXPECT_EQ(slurp(home_.key_path("alice")), key);
}

TEST_F(Identities, ExportAndImport) {
  const auto alice = make("alice");
  const std::string file = folder_.path() + "/out.key";
  {
    const Fd out(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    ASSERT_TRUE(home_.export_key("alice", out.get()));
    EXPECT_NE(home_.export_key("alice", out.get()).error().text.find("not empty"), std::string::npos);
  }
  const Fd in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_NE(home_.import_key("other", false, in.get(), "a.key").error().text.find("is the identity 'alice' already"), std::string::npos);
  ASSERT_TRUE(home_.remove("alice", 1));
  const auto back = home_.import_key("back", true, in.get(), "a.key");
  ASSERT_TRUE(back) << back.error().text;
  EXPECT_EQ(back->config.id, alice.config.id);
  EXPECT_TRUE(back->config.online);
}

TEST_F(Identities, ExportAndImportRefuseFilesThatOthersMayRead) {
  make("alice");
  const std::string file = folder_.path() + "/open.key";
  const Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  ASSERT_EQ(::fchmod(fd.get(), 0644), 0);
  EXPECT_FALSE(home_.export_key("alice", fd.get()));
  EXPECT_FALSE(home_.import_key("x", false, fd.get(), "x.key"));
  ASSERT_EQ(::fchmod(fd.get(), 0600), 0);
  EXPECT_FALSE(home_.import_key("x", false, fd.get(), "x.key")) << "an empty file is no key";
  EXPECT_FALSE(home_.import_key("x", false, -1, "x.key"));
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const Fd read_end(pipe_ends[0]);
  const Fd write_end(pipe_ends[1]);
  EXPECT_FALSE(home_.export_key("alice", write_end.get()));
  EXPECT_EQ(home_.names()->size(), 1U);
}

TEST_F(Identities, EditSavesAndReloads) {
  auto alice = make("alice");
  auto online = home_.edit(alice, [&](std::string text) { return config::set_online(std::move(text), "alice.yaml", true); });
  ASSERT_TRUE(online) << online.error().text;
  EXPECT_TRUE(online->config.online);
  EXPECT_TRUE(home_.load("alice")->config.online);
  EXPECT_EQ(online->text, slurp(home_.identity_path("alice")));
  EXPECT_TRUE(home_.edit(*online, [&](std::string text) { return config::set_online(std::move(text), "alice.yaml", false); }));
}

TEST_F(Identities, EditRefusesAFileThatChangedUnderIt) {
  const auto alice = make("alice");
  spill(home_.identity_path("alice"), alice.text + "# by hand\n");
  bool asked = false;
  const auto edited = home_.edit(alice, [&](std::string text) -> Result<std::string> {
    asked = true;
    return text;
  });
  ASSERT_FALSE(edited);
  EXPECT_EQ(edited.error().code, Code::busy);
  EXPECT_NE(edited.error().text.find("kith reload"), std::string::npos);
  EXPECT_FALSE(asked);
  EXPECT_EQ(slurp(home_.identity_path("alice")), alice.text + "# by hand\n");
}

TEST_F(Identities, EditNeverSavesABrokenFile) {
  const auto alice = make("alice");
  const auto bob = make("bob");
  EXPECT_FALSE(home_.edit(alice, [](const std::string&) -> Result<std::string> { return std::string("id: ["); }));
  EXPECT_FALSE(home_.edit(alice, [&](const std::string&) -> Result<std::string> { return bob.text; }));
  EXPECT_EQ(home_.edit(alice, [](const std::string&) -> Result<std::string> { return bad_request("no"); }).error().text, "no");
  EXPECT_EQ(slurp(home_.identity_path("alice")), alice.text);
}

} // namespace
} // namespace kith::home
