// SPDX-License-Identifier: GPL-3.0-or-later
// Two homes for daemons, in a temporary folder: made by the kith command, as a person would make them.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace kith::bench {

class Homes {
public:
  /// The accepting home has `identities` identities, the first one, "acceptor", with the Bench plugin and a provider's binding; the dialing one has an
  /// identity that knows it as "peer". Ends the process when something fails.
  Homes(const std::filesystem::path& bin, std::size_t identities);
  Homes(const Homes&) = delete;
  Homes& operator=(const Homes&) = delete;
  ~Homes();

  std::string accepting() const { return (folder_ / "accepting").string(); }
  /// Where the accepting daemon has to listen: the ticket says so.
  const std::string& listen() const noexcept { return listen_; }
  std::string dialing() const { return (folder_ / "dialing").string(); }

  /// Until the daemon of a home answers a hello.
  static void wait_until_ready(const std::string& home, std::chrono::milliseconds patience);

private:
  std::filesystem::path folder_;
  std::string listen_;
};

} // namespace kith::bench
