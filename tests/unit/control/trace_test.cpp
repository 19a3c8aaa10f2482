// SPDX-License-Identifier: GPL-3.0-or-later
#include "control/trace_files.hpp"
#include "control_support.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::control {
namespace {

struct TraceFolder {
  TraceFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "kith-trace-XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  ~TraceFolder() { std::filesystem::remove_all(folder); }
  TraceFolder(const TraceFolder&) = delete;
  TraceFolder& operator=(const TraceFolder&) = delete;
  std::string folder;
};

/// The folder is the first base: it goes when the threads that write into it have ended.
class TraceTest : protected TraceFolder, public ControlTest {
protected:
  void ask(const std::string& line, const std::string& path) {
    const protocol::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd);
    const std::array<int, 1> passed{fd.get()};
    const std::string text = line + "\n";
    ASSERT_EQ(protocol::send_with_fds(client.get(), text, passed).count, text.size());
  }
  /// A trace that runs, with one connection.
  std::unique_ptr<quic::TraceLog> begin(const std::string& more = "") {
    connect();
    ask(R"({"id":"1","type":"trace","peer":"bob")" + more + R"(,"fds":1})", folder);
    run_until([&] { return backend.sink != nullptr; });
    auto trace = backend.sink->open("0123abcd");
    node::Path path;
    path.fresh = true;
    backend.connected(path);
    EXPECT_NE(read_line().find(R"("id":"1","status":"ok","data":{"identity":"alice")"), std::string::npos);
    return trace;
  }
  std::string content() const {
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      std::ifstream in(file.path());
      return {std::istreambuf_iterator<char>(in), {}};
    }
    return "no file";
  }
};

TEST_F(TraceTest, EventsComeIntoAPrivateFile) {
  const auto trace = begin();
  trace->write("one\n");
  trace->write("two\n");
  send(R"({"id":"2","type":"cancel","request":"1"})"
       "\n");
  EXPECT_EQ(read_line(), R"({"id":"2","status":"ok"})");
  const std::string end = read_line();
  EXPECT_NE(end.find(R"("event":"traced","status":"ok","files":[")"), std::string::npos) << end;
  EXPECT_NE(end.find(R"(-0123abcd.sqlog"],"written":8,"events":2,"dropped":0})"), std::string::npos) << end;
  EXPECT_EQ(content(), "one\ntwo\n");
  struct stat about {};
  ASSERT_EQ(::stat(std::filesystem::directory_iterator(folder)->path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
  EXPECT_EQ(backend.traces_stopped, 1);
  trace->write("late"); // the connection goes on, and nobody listens
  EXPECT_EQ(backend.sink->open("4567"), nullptr);
}

TEST_F(TraceTest, ItEndsByItself) {
  const auto trace = begin(R"(,"for_ms":100)");
  trace->write("x");
  EXPECT_NE(read_line().find(R"("event":"traced","status":"ok")"), std::string::npos);
}

TEST_F(TraceTest, WhatTheDiskIsTooSlowForIsDroppedAndCounted) {
  const auto trace = begin();
  const std::string event(64 * 1024, 'e');
  const std::size_t fits = max_trace_queue / event.size();
  for (std::size_t i = 0; i < fits + 5; ++i) trace->write(event); // the loop does not run: what the disk has done is not known yet
  send(R"({"id":"2","type":"cancel","request":"1"})"
       "\n");
  read_line();
  EXPECT_NE(read_line().find(R"("events":)" + std::to_string(fits) + R"(,"dropped":5})"), std::string::npos);
  EXPECT_EQ(content().size(), fits * event.size());
}

TEST_F(TraceTest, AFolderThatTakesNoFileEndsItWithTheReason) {
  const auto trace = begin();
  std::filesystem::remove_all(folder);
  trace->write("x");
  const std::string end = read_line();
  EXPECT_NE(end.find(R"("event":"traced","status":"error","code":"internal","data":"can't write )"), std::string::npos) << end;
  EXPECT_EQ(end.find(".sqlog\""), std::string::npos) << end; // no such file was made
}

TEST_F(TraceTest, NothingOfTheFolderStaysOpenWhileTheConnectionGoesOn) {
  const auto trace = begin();
  trace->write("x");
  send(R"({"id":"2","type":"cancel","request":"1"})"
       "\n");
  read_line();
  read_line();
  for (const auto& open : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone; // the descriptor of this walk
    EXPECT_FALSE(std::filesystem::read_symlink(open.path(), gone).string().starts_with(folder)) << open.path();
  }
}

TEST_F(TraceTest, ItEndsAtItsLimitAndSaysWhy) {
  bool over = false;
  const auto files = std::make_shared<TraceFiles>(
      world, protocol::Fd(::open(folder.c_str(), O_RDONLY | O_CLOEXEC)), [&] { over = true; }, 100);
  const auto trace = files->open("0123");
  const std::string event(40, 'e');
  for (int i = 0; i < 5; ++i) trace->write(event);
  EXPECT_FALSE(over); // not in the middle of a connection's work
  run_until([&] { return over; });
  std::optional<TraceSummary> summary;
  files->finish([&](TraceSummary done) { summary = std::move(done); });
  run_until([&] { return summary.has_value(); });
  ASSERT_TRUE(summary->error);
  EXPECT_EQ(summary->error->code, Code::too_large);
  EXPECT_EQ(summary->error->text, "the trace has reached its limit of 100 octets");
  EXPECT_EQ(content().size(), 80U);
}

TEST_F(TraceTest, ADialThatFailsIsTheAnswer) {
  connect();
  ask(R"({"id":"1","type":"trace","peer":"bob","fds":1})", folder);
  run_until([&] { return backend.sink != nullptr; });
  const auto trace = backend.sink->open("0123");
  trace->write("attempt");
  backend.connected(Error{Code::unreachable, "nobody answers"});
  EXPECT_EQ(read_line(), R"({"id":"1","status":"error","code":"unreachable","data":"bob (0810…): nobody answers; what was tried is in 1 file"})");
  EXPECT_EQ(content(), "attempt");
}

TEST_F(TraceTest, WrongRequestsStartNothing) {
  connect();
  send(R"({"id":"1","type":"trace","peer":"bob"})"
       "\n");
  EXPECT_NE(read_line().find("needs one descriptor"), std::string::npos);
  ask(R"({"id":"2","type":"trace","peer":"bob","fds":1})", "/dev/null");
  EXPECT_NE(read_line().find("not of a folder"), std::string::npos);
  ask(R"({"id":"3","type":"trace","peer":"nobody","fds":1})", folder);
  EXPECT_NE(read_line().find("unknown_peer"), std::string::npos);
  ask(R"({"id":"4","type":"trace","peer":"bob","for_ms":1,"fds":1})", folder);
  EXPECT_NE(read_line().find("bad_request"), std::string::npos);
  EXPECT_EQ(backend.sink, nullptr);
}

TEST_F(TraceTest, AProgramThatGoesEndsIt) {
  const auto trace = begin();
  trace->write("x");
  client = {};
  run_until([&] { return backend.traces_stopped == 1; });
}

} // namespace
} // namespace kith::control
