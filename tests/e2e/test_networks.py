# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons in network namespaces of their own, joined by a veth pair, whose addresses change. Needs root (or CAP_NET_ADMIN and CAP_SYS_ADMIN); skipped without."""
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time

from harness import PATIENCE, Case, Refused, as_socket


# Prints who sent QUIC packets with short headers to whom under which connection id, until its input ends.
SNIFFER = """
import select, socket, sys
all, ipv4 = 3, 0x0800
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(all))
wire.bind(("net0", all))
print("up", flush=True)
seen = set()
while sys.stdin not in select.select([wire, sys.stdin], [], [])[0]:
    packet, (_, protocol, *_) = wire.recvfrom(64)
    if protocol == ipv4 and packet[9] == socket.IPPROTO_UDP and not packet[28] & 0x80:
        seen.add((socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]), packet[29:37].hex()))
for each in seen:
    print(*each)
"""


class Networks(Case):
    def setUp(self):
        super().setUp()
        self.here, self.there = self.namespace(), self.namespace()
        self.here.ip("link", "add", "net0", "type", "veth", "peer", "name", "net0", "netns", str(self.there.holder.pid))
        for namespace, address in ((self.here, "10.77.0.1/24"), (self.there, "10.77.0.2/24")):
            namespace.ip("link", "set", "net0", "up")
            namespace.ip("address", "add", address, "dev", "net0")

    def move(self, namespace, old, new):
        namespace.ip("address", "add", new + "/24", "dev", "net0")
        namespace.ip("address", "del", old + "/24", "dev", "net0")  # takes the new one, its secondary, along
        namespace.ip("address", "replace", new + "/24", "dev", "net0")

    def couple(self):
        """alice here, with Echo, and bob there, who knows her and has called her: (a, b, alice's daemon)."""
        daemon = self.start("alice", listen=None, inside=self.here.inside)
        a = self.client_of(daemon)
        b = self.client_of(self.start("bob", listen=None, inside=self.there.inside))
        a.ask("identity.create", name="alice", online=True)
        b.ask("identity.create", name="bob", online=True)
        a.ask("binding.add", protocol="Echo", access=["public"])
        self.introduce(a, b)
        self.assertEqual(self.call(b), "hi")
        return a, b, daemon

    def ids_of(self, address, action):
        """Runs it; the connection ids that alice's packets and those for her had meanwhile, by bob's address: ({address: ids}, {address: ids})."""
        sniffer = subprocess.Popen([*self.here.inside, sys.executable, "-c", SNIFFER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with sniffer:
            self.assertEqual(sniffer.stdout.readline(), "up\n")
            action()
            sniffer.stdin.close()
            to_bob, from_bob = {}, {}
            for line in sniffer.stdout:
                source, to, id = line.split()
                where, ids = (to, to_bob) if source == address else (source, from_bob)
                ids.setdefault(where, set()).add(id)
        return to_bob, from_bob

    def call(self, b, **fields):
        return b.data("call", target="alice", protocol="Echo", data={"message": "hi"}, **fields)["echoed"]

    def echoes_through(self, b, change):
        """48 MiB to alice and back, with `change` in their middle: all of it comes back, on the connection that was there."""
        handshakes = b.data("status")["pool"]["handshakes"]
        answer = b.ask("stream", target="alice", protocol="Echo")
        stream = as_socket(answer["taken"][0])
        self.addCleanup(stream.close)
        block = os.urandom(1 << 20)
        count = 48

        def write():
            for _ in range(count):
                stream.sendall(block)
            stream.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        got = hashlib.sha256()
        size = 0
        while part := stream.recv(1 << 18):
            got.update(part)
            size += len(part)
            if change and size > count << 18:
                change()
                change = None
        writer.join(PATIENCE)
        self.assertEqual(size, count << 20)
        self.assertEqual(got.digest(), hashlib.sha256(block * count).digest())
        self.assertEqual(b.event(answer["id"], "closed")["status"], "ok")
        self.assertEqual(b.data("status")["pool"]["handshakes"], handshakes, "the connection did not live through it")

    def test_the_dialer_moves_under_a_transfer(self):
        a, b, _ = self.couple()
        self.assertTrue(b.data("ping", peer="alice")["local"].startswith("10.77.0.2:"))
        move = lambda: self.move(self.there, "10.77.0.2", "10.77.0.22")
        for seen in self.ids_of("10.77.0.1", lambda: self.echoes_through(b, move)):
            self.assertEqual(set(seen), {"10.77.0.2", "10.77.0.22"})
            self.assertFalse(seen["10.77.0.2"] & seen["10.77.0.22"], "a connection id went along")
        self.assertEqual(self.call(b), "hi")
        self.assertTrue(a.data("peer.show", peer="bob")["address"].startswith("10.77.0.22:"))
        self.assertTrue(b.data("ping", peer="alice")["local"].startswith("10.77.0.22:"))
        self.assertTrue(b.data("pool.list")["connections"][0]["local"].startswith("10.77.0.22:"))
        self.echoes_through(b, lambda: self.move(self.there, "10.77.0.22", "10.77.0.2"))

    def test_a_route_changes_and_no_address(self):
        self.there.ip("address", "add", "10.77.0.22/24", "dev", "net0")
        _, b, _ = self.couple()
        self.assertTrue(b.data("ping", peer="alice")["local"].startswith("10.77.0.2:"))
        self.there.ip("route", "replace", "10.77.0.0/24", "dev", "net0", "src", "10.77.0.22")
        self.until(lambda: b.data("ping", peer="alice")["local"].startswith("10.77.0.22:"), "packets stay with the address of a route that is gone")
        self.assertEqual(b.data("status")["pool"]["handshakes"], 1)

    def test_packets_fill_jumbo_frames_and_live_through_a_link_that_shrinks(self):
        for namespace in (self.here, self.there):
            namespace.ip("link", "set", "net0", "mtu", "9000")
        _, b, _ = self.couple()
        mtu = lambda: b.data("pool.list")["connections"][0]["mtu"]
        self.assertEqual(mtu(), 1200, "a few calls need no more")
        self.echoes_through(b, None)
        self.assertEqual(mtu(), 8848)

        def shrink():
            for namespace in (self.here, self.there):
                namespace.ip("link", "set", "net0", "mtu", "1500")

        self.echoes_through(b, shrink)

    def test_the_acceptor_moves(self):
        _, b, _ = self.couple()
        moved = time.monotonic()
        self.move(self.here, "10.77.0.1", "10.77.0.11")

        def works():
            try:
                return self.call(b, timeout_ms=250) == "hi"
            except Refused as refused:
                self.assertIn(refused.code, ("timeout", "connection_lost", "unreachable"))
                return False

        self.until(works, "no call reaches alice at her new address")
        print("calls succeed again after %.2f s" % (time.monotonic() - moved))
        self.assertTrue(b.data("peer.show", peer="alice")["address"].startswith("10.77.0.11:"))

    def test_the_link_is_down_for_a_while(self):
        _, b, _ = self.couple()

        def cut():
            self.there.ip("link", "set", "net0", "down")
            self.there.ip("link", "set", "net0", "up")

        self.echoes_through(b, cut)

    def test_the_link_in_use_goes_down_and_another_leads_there(self):
        # The kernel tells no route and no address of IPv4 when a link goes down, and there is nothing of IPv6 to tell.
        for namespace in (self.here, self.there):
            namespace.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6")
        self.here.ip("link", "add", "net1", "type", "veth", "peer", "name", "net1", "netns", str(self.there.holder.pid))
        for namespace, address in ((self.here, "10.78.0.1/24"), (self.there, "10.78.0.2/24")):
            namespace.ip("link", "set", "net1", "up")
            namespace.ip("address", "add", address, "dev", "net1")
        a, b, _ = self.couple()
        (port,) = {listen.rsplit(":", 1)[1] for listen in a.data("status")["listen"]}
        b.ask("peer.addresses", peer="alice", addresses=["10.77.0.1:" + port, "10.78.0.1:" + port])
        b.ask("pool.close", peer="alice")
        self.assertEqual(self.call(b), "hi")
        first = b.data("peer.show", peer="alice")["address"]
        used, other = ("net0", "10.78.0.1:") if first.startswith("10.77.0.1:") else ("net1", "10.77.0.1:")
        answer = b.ask("stream", target="alice", protocol="Echo")
        stream = as_socket(answer["taken"][0])
        self.addCleanup(stream.close)
        stream.sendall(b"x")
        self.assertEqual(stream.recv(1), b"x")
        self.there.ip("link", "set", used, "down")

        def answers():
            try:
                return self.call(b, timeout_ms=5_000) == "hi"
            except Refused:  # put on the old connection, before the kernel's word came
                return False

        self.until(answers, "the other way is taken")
        self.assertTrue(b.data("peer.show", peer="alice")["address"].startswith(other))

    def test_a_daemon_is_killed_and_comes_back(self):
        _, b, daemon = self.couple()
        daemon.kill()
        self.start("alice", listen=None, inside=self.here.inside)
        answer = self.ask_restarted(b, "call", target="alice", protocol="Echo", data={"message": "hi"})
        self.assertEqual(answer, {"echoed": "hi"})

    def test_a_wildcard_daemon_answers_from_the_address_that_was_asked(self):
        self.here.ip("address", "add", "10.77.0.3/24", "dev", "net0")
        a, b, _ = self.couple()
        port = next(at.rsplit(":", 1)[1] for at in a.data("status")["listen"] if at.startswith("0.0.0.0:"))
        id = a.data("ticket")["id"]
        for address in ("10.77.0.3", "10.77.0.1"):
            b.ask("peer.remove", peer="alice")
            b.ask("peer.add", name="alice", peer=id, addresses=["%s:%s" % (address, port)])
            self.assertEqual(self.call(b), "hi")
            self.assertEqual(b.data("peer.show", peer="alice")["address"], "%s:%s" % (address, port))


if __name__ == "__main__":
    unittest.main()
