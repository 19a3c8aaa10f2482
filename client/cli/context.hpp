// SPDX-License-Identifier: Apache-2.0
// What a command runs in: its options, where its output goes, and the way to the daemon.
#pragma once

#include "command.hpp"
#include "render.hpp"

#include <boost/json/fwd.hpp>
#include <iosfwd>
#include <kith/client.hpp>
#include <optional>

namespace kith::cli {

/// The outside of a command; tests bring their own.
struct Streams {
  std::ostream& out;
  std::ostream& err;
  int in_fd = 0;
  int out_fd = 1;
  Terminal out_terminal; ///< Of `out` and out_fd.
  Terminal err_terminal;
  bool in_is_terminal = false;
  std::chrono::milliseconds dial_notice{2000}; ///< How long whoever sits at a terminal is told nothing of a dial.
};

/// Prints `kith: text`, or with --json {"error":{"code","text"}}, on `err`, all of it at once; returns `code`.
int report(Streams& io, bool json, const Error& error, int code);

/// What the exit code is when standard output took less than there was to say.
int output_failed(Streams& io);

/// How long the daemon may take to answer: --timeout and the margin, where it was given.
std::chrono::milliseconds patience_for(const Options& options);
/// To the daemon of --home, or of the default home.
Result<client::Client> connect(const Options& options);

class Context {
public:
  Context(const Command& command, Options options, Streams& streams);

  const Command& command;
  Options options;
  Streams& io;
  const std::string home;

  /// Reports; returns the exit code of the table.
  int fail(const Error& error) const;
  /// The same for what a peer or a plugin said: it stays on one line.
  int fail_as_said(Error error) const;
  /// The same for wrong usage: exit code 2.
  int usage(const std::string& text) const;

  /// The daemon, connected at first use.
  Result<client::Client*> daemon();

  /// Takes the identity off the front of the words, asking the daemon for its identities where their number leaves it open. Empty: left out.
  Result<std::string> take_identity();
  /// The same as the member `identity` of a request; nothing in it where the identity was left out.
  Result<client::ObjectWriter> identity_field();
  /// A word by its place after the identity; empty when it was left out.
  std::string word(std::size_t index) const { return index < options.words.size() ? options.words[index] : std::string(); }

  /// Whether somebody looks on: who wants to know why nothing happens, and what to do.
  bool is_watched() const noexcept { return io.err_terminal.is_terminal && !options.json; }
  /// Says that a peer is still dialed, if that is so, and which addresses are known. By a connection of its own, for the other waits for an answer.
  void tell_of_dial(const std::string& identity, const std::string& peer) const;

  /// One request; `identity` is taken from the words where the command has one. Prints the answer's data as it is with --json, else gives it to `show`.
  int ask(std::string_view type, const client::ObjectWriter& fields, const std::function<void(const boost::json::value&)>& show,
          std::chrono::milliseconds patience = client::default_patience, std::span<const int> fds = {});

  /// A good answer, on `out`: raw with --json, else through `show`.
  int print(const client::Answer& answer, const std::function<void(const boost::json::value&)>& show) const;
  /// One JSON value and a line feed, on `out`.
  void print_json(std::string_view json) const;

private:
  std::optional<client::Client> client_;
};

} // namespace kith::cli
