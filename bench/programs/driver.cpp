// SPDX-License-Identifier: GPL-3.0-or-later
#include "programs/driver.hpp"

#include <poll.h>

#include <vector>

namespace kith::bench {

protocol::ObjectWriter ProgramDriver::target() const {
  protocol::ObjectWriter fields;
  fields.text("target", "peer").text("protocol", protocol_);
  return fields;
}

void ProgramDriver::call(std::size_t /*connection*/, std::uint64_t tag) {
  static const std::string octets = "E" + std::string(call_size - 1, 'x');
  const std::string id = std::to_string(++last_id_);
  requests_[id] = {tag, Mode::echo, {}, {}, false};
  socket_.send(protocol::encode_request(id, "call", target(), protocol::Body::of_octets(octets.size())), octets);
}

void ProgramDriver::open(const Request& request) {
  const std::string id = std::to_string(++last_id_);
  requests_[id] = request;
  socket_.send(protocol::encode_request(id, "stream", target()));
}

void ProgramDriver::upload(std::size_t, Clock::time_point until, std::uint64_t tag) { open({tag, Mode::sink, until, {}, false}); }
void ProgramDriver::download(std::size_t, std::chrono::milliseconds time, std::uint64_t tag) { open({tag, Mode::source, {}, time, false}); }
void ProgramDriver::messages(std::size_t, Clock::time_point until, std::uint64_t tag, bool each) { open({tag, Mode::messages, until, {}, each}); }

void ProgramDriver::hang_up(std::size_t) {
  closing_ = std::to_string(++last_id_);
  socket_.send(protocol::encode_request(closing_, "pool.close", protocol::ObjectWriter().text("peer", "peer")));
  socket_.flush();
  while (!closing_.empty()) {
    pollfd one{socket_.fd(), POLLIN, 0};
    ::poll(&one, 1, -1);
    socket_.read([this](const protocol::Object& line, ByteView octets) { heard(line, octets); });
  }
}

void ProgramDriver::heard(const protocol::Object& line, ByteView octets) {
  const std::string id = line.text("id").value().value_or("");
  if (const auto event = line.text("event").value(); event) {
    if (*event != "closed") return;
    const auto closed = protocol::ClosedEvent::decode(line);
    if (!closed) return;
    if (closed->error) die("a stream failed: " + closed->error->text);
    for (auto at = streams_.begin(); at != streams_.end(); ++at) {
      if (at->id != id) continue;
      const std::uint64_t tag = at->tag;
      const std::uint64_t result = at->pump.result();
      streams_.erase(at);
      events_->done(tag, result);
      return;
    }
    return;
  }
  const auto answer = protocol::Answer::decode(line);
  if (!answer) die("an answer that is none: " + answer.error().text);
  if (answer->error) die("a request failed: " + answer->error->text);
  if (id == closing_) {
    closing_.clear();
    return;
  }
  const auto at = requests_.find(id);
  if (at == requests_.end()) return;
  const Request request = at->second;
  requests_.erase(at);
  if (answer->streaming) {
    streams_.push_back({id, Pump::dialed(socket_.take_fd(), request.mode, request.until, request.time, request.each), request.tag});
  } else {
    events_->done(request.tag, octets.size());
  }
}

void ProgramDriver::run() {
  stopped_ = false;
  std::vector<pollfd> polled;
  const auto each = [this](const protocol::Object& line, ByteView octets) { heard(line, octets); };
  while (!stopped_) {
    socket_.flush();
    polled.assign(1, {socket_.fd(), socket_.wanted(), 0});
    for (const Streaming& stream : streams_) {
      const short wanted = stream.pump.wanted();
      polled.push_back({wanted != 0 ? stream.pump.fd() : -1, wanted, 0});
    }
    ::poll(polled.data(), polled.size(), -1);
    std::size_t i = 1;
    for (Streaming& stream : streams_) stream.pump.ready(polled[i++].revents);
    if ((polled[0].revents & (POLLIN | POLLHUP)) != 0) socket_.read(each);
  }
}

void provide(const std::string& home, const std::string& identity, const std::string& protocol_name) {
  constexpr std::uint64_t in_flight = 1024;
  ControlSocket socket(home);
  struct Served {
    std::string call;
    Pump pump;
  };
  std::list<Served> streams;
  const auto heard = [&](const protocol::Object& line, ByteView octets) {
    const auto event = line.text("event").value();
    if (!event) {
      const auto answer = protocol::Answer::decode(line);
      if (answer && answer->error) die("the provider was refused: " + answer->error->text);
      std::printf("{\"ready\":0}\n");
      std::fflush(stdout);
      return;
    }
    if (*event == "closed") {
      const auto closed = protocol::ClosedEvent::decode(line);
      if (closed) streams.remove_if([&](const Served& served) { return served.call == closed->call; });
      return;
    }
    if (*event != "incoming") return;
    const auto incoming = protocol::IncomingEvent::decode(line);
    if (!incoming) die("an event that is none: " + incoming.error().text);
    protocol::ObjectWriter fields;
    fields.text("call", incoming->call);
    if (incoming->stream) {
      streams.push_back({incoming->call, Pump::accepted(socket.take_fd())});
      socket.send(protocol::encode_request("", "reply", fields));
    } else {
      socket.send(protocol::encode_request("", "reply", fields, protocol::Body::of_octets(octets.size())),
                  {reinterpret_cast<const char*>(octets.data()), octets.size()});
    }
  };
  protocol::ObjectWriter serve;
  serve.text("identity", identity).text("protocol", protocol_name).number("max_in_flight", in_flight);
  socket.send(protocol::encode_request("serve", "serve", serve));
  std::vector<pollfd> polled;
  for (;;) {
    socket.flush();
    polled.assign(1, {socket.fd(), socket.wanted(), 0});
    for (const Served& served : streams) {
      const short wanted = served.pump.wanted();
      polled.push_back({wanted != 0 ? served.pump.fd() : -1, wanted, 0});
    }
    ::poll(polled.data(), polled.size(), -1);
    std::size_t i = 1;
    for (Served& served : streams) served.pump.ready(polled[i++].revents);
    if ((polled[0].revents & (POLLIN | POLLHUP)) != 0) socket.read(heard);
  }
}

} // namespace kith::bench
