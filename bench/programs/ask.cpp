// SPDX-License-Identifier: GPL-3.0-or-later
#include "programs/ask.hpp"

#include "base/peer_id.hpp"
#include "octets.hpp"
#include "programs/socket.hpp"
#include "rows.hpp"

#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

namespace kith::bench {
namespace {

constexpr std::size_t cold_calls = 50;

/// One request at a time.
class Asker {
public:
  explicit Asker(const std::string& home) : socket_(home) {}

  std::string request(std::string_view type, const protocol::ObjectWriter& fields, const std::string& octets) {
    const auto body = octets.empty() ? protocol::Body{} : protocol::Body::of_octets(octets.size());
    socket_.send(protocol::encode_request(std::to_string(++last_id_), type, fields, body), octets);
    socket_.flush();
    std::optional<std::string> reply;
    while (!reply) {
      pollfd one{socket_.fd(), socket_.wanted(), 0};
      ::poll(&one, 1, -1);
      socket_.flush();
      socket_.read([&](const protocol::Object& line, ByteView bytes) {
        const auto answer = protocol::Answer::decode(line);
        if (!answer) die("an answer that is none: " + answer.error().text);
        if (answer->error) die("a request failed: " + answer->error->text);
        reply = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      });
    }
    return *reply;
  }

private:
  ControlSocket socket_;
  std::uint64_t last_id_ = 0;
};

} // namespace

void ask(const std::string& home, const std::string& self, const std::string& peer, const std::string& alias, std::chrono::milliseconds time,
         const std::string& row) {
  const auto id = parse_peer_id(peer);
  if (!id) die(id.error().text);
  Asker asker(home);
  const auto run = [&](const std::string& name) {
    protocol::ObjectWriter fields;
    fields.text("target", self).text("protocol", "BenchDial").text("alias", alias);
    return asker.request("call", fields,
                         std::string(id->bytes.begin(), id->bytes.end()) + number(static_cast<std::uint64_t>(time.count()), 4) + name);
  };
  if (row != "cold") {
    std::printf("%s\n", run(row).c_str());
    return;
  }
  std::vector<double> times;
  for (std::size_t i = 0; i <= cold_calls; ++i) {
    asker.request("pool.close", protocol::ObjectWriter().text("peer", peer), {});
    const std::string line = run("once"); // {"once":0.51}
    const double value = std::strtod(line.c_str() + line.find(':') + 1, nullptr);
    if (i != 0) times.push_back(value);
  }
  std::nth_element(times.begin(), times.begin() + cold_calls / 2, times.end());
  std::printf("{\"cold\":%.4f}\n", times[cold_calls / 2]);
}

} // namespace kith::bench
