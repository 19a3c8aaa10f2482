// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/udp.hpp"

#include "io/sockaddr.hpp"
#include "io/udp_options_impl.hpp"
#include "io/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace kith::io {

namespace {

Error listen_error(const Address& listen, const char* step, int error) {
  return {Code::internal, "cannot listen on " + listen.text() + " (UDP): " + step + ": " + error_text(error) + "; choose another address or port"};
}

/// Not a word about the packet, but about how it was asked to be sent.
bool is_refusal(int error) noexcept { return error == EINVAL || error == EIO || error == EOPNOTSUPP; }

constexpr std::size_t ethernet_payload = 1500 - 48;

bool is_full(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK; }

Result<UniqueFd> bind_udp(const Address& listen, const std::function<void(int fd)>& configure) {
  sockaddr_storage name{};
  const socklen_t length = to_sockaddr(listen, name);
  if (length == 0) return Error{Code::internal, "cannot listen on an address without a family"};
  UniqueFd fd{::socket(listen.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return listen_error(listen, "socket", errno);
  configure(fd.get());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0) return listen_error(listen, "bind", errno);
  return fd;
}

/// Of descriptors, memory or ports.
bool is_shortage(int error) noexcept { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM || error == EADDRINUSE; }

struct Probe {
  UniqueFd fd;          ///< It knows the way of its datagrams; none where there is no way.
  bool refused = false; ///< The system is out of something: there may be a way.
};

/// From `own` (port 0) to `remote`. Connecting a UDP socket sends nothing.
Probe probe_way(const Address& own, const Address& remote) {
  sockaddr_storage name{};
  socklen_t length = to_sockaddr(own, name);
  UniqueFd fd{::socket(own.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0) return {UniqueFd(), is_shortage(errno)};
  length = to_sockaddr(remote, name);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0) return {};
  return {std::move(fd), false};
}

} // namespace

Result<void> check_listen(const Address& listen) {
  const auto bound = bind_udp(listen, [&](int fd) {
    const int on = 1;
    if (listen.is_v6()) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  });
  return bound ? Result<void>() : Result<void>(bound.error());
}

struct UdpSockets::Socket {
  Socket(UniqueFd owned, UdpReceiver& hearer) : descriptor(std::move(owned)), receiver(hearer) {}

  int fd() const noexcept { return descriptor.get(); }
  /// Sends `bytes` at once; 0 or the errno.
  int transmit(const Datagram& datagram, ByteView bytes, bool train, bool with_ecn);

  UniqueFd descriptor;
  Watch watch;
  UdpReceiver& receiver;
  SocketId id{};
  Address bound;
  UdpFeatures features;
  bool open = true;
  bool blocked = false; ///< Waits for room.
  bool again = false;   ///< Will be read again in the next turn.
};

/// One recvmmsg call's worth of buffers and the headers that point into them.
struct UdpSockets::Batch {
  Batch() : bytes(std::make_unique_for_overwrite<std::uint8_t[]>(receive_batch * receive_buffer_size)) {
    for (std::size_t i = 0; i < receive_batch; ++i) {
      vectors[i] = {bytes.get() + i * receive_buffer_size, receive_buffer_size};
      prepare(i);
    }
  }

  void prepare(std::size_t i) noexcept {
    msghdr& header = headers[i].msg_hdr;
    header.msg_name = &names[i];
    header.msg_namelen = sizeof names[i];
    header.msg_iov = &vectors[i];
    header.msg_iovlen = 1;
    header.msg_control = controls[i].bytes;
    header.msg_controllen = sizeof controls[i].bytes;
    header.msg_flags = 0;
  }

  struct Control {
    alignas(cmsghdr) std::uint8_t bytes[control_size];
  };
  std::unique_ptr<std::uint8_t[]> bytes;
  std::array<mmsghdr, receive_batch> headers{};
  std::array<iovec, receive_batch> vectors{};
  std::array<sockaddr_storage, receive_batch> names{};
  std::array<Control, receive_batch> controls{};
  std::array<Datagram, receive_batch> datagrams{};
};

UdpSockets::UdpSockets(Reactor& reactor, Log& log, UdpSettings settings)
    : reactor_(reactor), log_(log), settings_(settings), batch_(std::make_unique<Batch>()) {}

UdpSockets::~UdpSockets() {
  while (!sockets_.empty()) close(sockets_.begin()->first);
}

Result<SocketId> UdpSockets::open(const Address& listen, UdpReceiver& receiver) {
  UdpFeatures features;
  auto bound = bind_udp(listen, [&](int fd) { features = set_udp_options(fd, listen.is_v6(), settings_, log_); });
  if (!bound) return bound.error();
  UniqueFd fd = std::move(*bound);
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &length) != 0) return listen_error(listen, "getsockname", errno);

  auto socket = std::make_shared<Socket>(std::move(fd), receiver);
  socket->id = SocketId{++last_id_};
  socket->bound = from_sockaddr(name);
  socket->features = features;
  auto watch = reactor_.watch(socket->fd(), [this, raw = socket.get()](Readiness ready) { changed(*raw, ready); });
  if (!watch) return Error{Code::internal, "cannot listen on " + listen.text() + " (UDP): " + watch.error().text};
  socket->watch = std::move(*watch);
  sockets_.emplace(socket->id, socket);
  return socket->id;
}

void UdpSockets::close(SocketId id) {
  const auto found = sockets_.find(id);
  if (found == sockets_.end()) return;
  found->second->open = false;
  found->second->watch = {};
  found->second->descriptor.reset();
  sockets_.erase(found); // its own callback may be running, and holds it
}

Address UdpSockets::bound(SocketId id) const {
  const auto found = sockets_.find(id);
  return found == sockets_.end() ? Address{} : found->second->bound;
}

std::optional<Address> UdpSockets::source(SocketId id, const Address& remote, const Address& asked) const {
  Address own = bound(id);
  if (own.family != remote.family) return Address{};
  const std::uint16_t port = std::exchange(own.port, std::uint16_t{0});
  Probe probe;
  if (asked.family == own.family) {
    Address wanted = asked;
    wanted.port = 0;
    probe = probe_way(wanted, remote);
  }
  if (!probe.fd && !probe.refused) probe = probe_way(own, remote);
  if (probe.refused) return std::nullopt;
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  if (!probe.fd || ::getsockname(probe.fd.get(), reinterpret_cast<sockaddr*>(&name), &length) != 0) return Address{};
  Address chosen = from_sockaddr(name);
  chosen.port = port;
  return chosen;
}

std::size_t UdpSockets::max_train(SocketId id) const {
  const auto found = sockets_.find(id);
  return found != sockets_.end() && found->second->features.gso ? max_train_datagrams : 1;
}

std::size_t UdpSockets::max_payload(const Address& remote) const {
  const bool v6 = remote.is_v6();
  const std::size_t headers = v6 ? 48 : 28; // IP and UDP
  Address any;
  any.family = remote.family;
  const UniqueFd probe = probe_way(any, remote).fd;
  int mtu = 0;
  socklen_t size = sizeof mtu;
  if (!probe || ::getsockopt(probe.get(), v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU, &mtu, &size) != 0) return ethernet_payload;
  return std::max<std::size_t>(static_cast<std::size_t>(mtu), headers) - headers;
}

void UdpSockets::changed(Socket& socket, Readiness ready) {
  const auto held = sockets_.at(socket.id); // the receiver may close it
  if (ready.writable) {
    socket.blocked = false;
    socket.receiver.sendable(socket.id);
  }
  if (ready.readable && socket.open && !socket.again) receive(socket);
}

void UdpSockets::receive(Socket& socket) {
  Batch& batch = *batch_;
  const int got = ::recvmmsg(socket.fd(), batch.headers.data(), receive_batch, MSG_DONTWAIT, nullptr);
  if (got == static_cast<int>(receive_batch) || (got < 0 && !is_full(errno))) { // an error says nothing of the datagram behind it
    socket.again = true;
    reactor_.post([this, held = sockets_.at(socket.id)] {
      held->again = false;
      if (held->open) receive(*held);
    });
  }
  if (got <= 0) return;
  std::size_t count = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    msghdr& header = batch.headers[i].msg_hdr;
    const std::size_t size = batch.headers[i].msg_len;
    if (size > 0 && (header.msg_flags & MSG_TRUNC) == 0) {
      Datagram& datagram = batch.datagrams[count];
      datagram = {.socket = socket.id,
                  .local = socket.bound,
                  .remote = from_sockaddr(batch.names[i]),
                  .bytes = {static_cast<const std::uint8_t*>(batch.vectors[i].iov_base), size}};
      read_control(header, datagram);
      if (datagram.segment >= size) datagram.segment = 0;
      if (datagram.remote.port != 0) ++count; // nobody can be answered at port 0
    }
    batch.prepare(i);
  }
  if (count > 0) socket.receiver.received({batch.datagrams.data(), count});
}

int UdpSockets::Socket::transmit(const Datagram& datagram, ByteView bytes, bool train, bool with_ecn) {
  sockaddr_storage name;
  msghdr message{};
  message.msg_name = &name;
  message.msg_namelen = to_sockaddr(datagram.remote, name);
  iovec vector{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  ControlWriter control;
  control.add_source(datagram.local);
  if (with_ecn && datagram.ecn != 0) control.add_ecn(bound.is_v6(), datagram.ecn);
  if (train) control.add_segment(datagram.segment);
  control.attach(message);
  for (;;) {
    if (::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

/// The kernel refused a way of sending: tries the first datagram without one feature after the other and keeps what works. A packet that is at fault
/// itself (its source address is gone, it is larger than the link) fails in the plainest form too, and no feature is blamed.
int UdpSockets::send_plainer(Socket& socket, const Datagram& datagram, ByteView first, int refusal, bool was_train) {
  int failure = refusal;
  if (was_train) {
    failure = socket.transmit(datagram, first, false, socket.features.ecn);
    if (failure == 0) {
      socket.features.gso = false;
      log_.warn("io", "UDP_SEGMENT refused on " + socket.bound.text() + " (" + error_text(refusal) + "): sending datagram by datagram");
    }
  }
  if (is_refusal(failure) && socket.features.ecn && datagram.ecn != 0) {
    const int again = socket.transmit(datagram, first, false, false);
    if (again == 0) {
      socket.features.ecn = false;
      log_.warn("io", "ECN bits refused on " + socket.bound.text() + " (" + error_text(failure) + "): sending without");
    }
    failure = again;
  }
  return failure;
}

SendResult UdpSockets::send(const Datagram& datagram) {
  const auto found = sockets_.find(datagram.socket);
  if (found == sockets_.end() || datagram.bytes.empty() || datagram.remote.family != found->second->bound.family) return SendResult::dropped;
  Socket& socket = *found->second;
  if (socket.blocked) return SendResult::blocked;

  const std::size_t segment = datagram.segment == 0 ? datagram.bytes.size() : datagram.segment;
  ByteView rest = datagram.bytes;
  while (!rest.empty()) {
    const std::size_t most = socket.features.gso ? std::clamp<std::size_t>(max_train_bytes / segment, 1, max_train_datagrams) : 1;
    std::size_t size = std::min(rest.size(), most * segment);
    const bool train = size > segment;
    int failure = socket.transmit(datagram, rest.first(size), train, socket.features.ecn);
    if (is_refusal(failure)) {
      size = std::min(rest.size(), segment);
      failure = send_plainer(socket, datagram, rest.first(size), failure, train);
    }
    if (failure != 0) {
      const bool untouched = rest.size() == datagram.bytes.size(); // else what is left is lost, as if on the way
      if (is_full(failure)) {
        socket.blocked = true;
        socket.watch.want_writable();
      }
      return !untouched ? SendResult::sent : is_full(failure) ? SendResult::blocked : SendResult::dropped;
    }
    rest = rest.subspan(size);
  }
  return SendResult::sent;
}

} // namespace kith::io
