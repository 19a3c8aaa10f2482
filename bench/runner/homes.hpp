// SPDX-License-Identifier: GPL-3.0-or-later
// Two homes for daemons, in a temporary folder: made by the kith command, as a person would make them.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace kith::bench {

class Homes {
public:
  /// The accepting home has `identities` identities (two at least). The first one, "acceptor", has the Bench plugin, inline and pooled, and a provider's binding, for
  /// everybody; the second has the plugin for members. The dialing one has an identity that knows it as "peer", and BenchDial, inline and pooled. Ends the process when something fails.
  /// `settings`: lines of kith.yaml, for both.
  Homes(const std::filesystem::path& bin, std::size_t identities, const std::string& settings = {});
  Homes(const Homes&) = delete;
  Homes& operator=(const Homes&) = delete;
  ~Homes();

  std::string accepting() const { return (folder_ / "accepting").string(); }
  /// Where the accepting daemon has to listen: the ticket says so.
  const std::string& listen() const noexcept { return listen_; }
  std::string dialing() const { return (folder_ / "dialing").string(); }
  /// The id52 of the acceptor, of the identity beside it that admits members only, and of the dialer.
  const std::string& acceptor() const noexcept { return acceptor_; }
  const std::string& member_only() const noexcept { return member_only_; }
  const std::string& dialer() const noexcept { return dialer_; }

  /// Until the daemon of a home answers a hello.
  static void wait_until_ready(const std::string& home, std::chrono::milliseconds patience);

private:
  std::filesystem::path folder_;
  std::string listen_;
  std::string acceptor_;
  std::string member_only_;
  std::string dialer_;
};

} // namespace kith::bench
