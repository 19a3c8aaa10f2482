# SPDX-License-Identifier: GPL-3.0-or-later
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest

from harness import BUILD, Case, Client, as_socket, read_all

# A program that opens a stream to alice, uploads a little, says so, and waits for its end.
VICTIM = """
import os, sys
sys.path.insert(0, {folder!r})
from harness import Client, as_socket
client = Client({home!r})
answer = client.ask("stream", target="alice", protocol={protocol!r})
stream = as_socket(answer["taken"][0])
stream.sendall(b"half an upload")
{more}
print("ready", flush=True)
sys.stdin.read()
"""


class Streams(Case):
    def open(self, client, protocol="Echo", **fields):
        answer = client.ask("stream", target="alice", protocol=protocol, **fields)
        stream = as_socket(answer["taken"][0])
        self.addCleanup(stream.close)
        return answer["id"], stream

    def serve(self, client, **fields):
        return self.provider(client, **fields)

    def take(self, client, served):
        """Accepts the next stream that is offered to a provider."""
        incoming = client.event(served, "incoming")
        self.assertEqual(incoming["kind"], "stream")
        stream = as_socket(incoming["taken"][0])
        self.addCleanup(stream.close)
        client.ask("reply", **{"call": incoming["call"]})
        return incoming["call"], stream

    def test_echo_until_both_ends_are_shut(self):
        a, b, _, _ = self.pair()
        id, stream = self.open(b)
        stream.sendall(b"hello")
        self.assertEqual(stream.recv(100), b"hello")
        stream.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(stream), b"")
        closed = b.event(id, "closed")
        self.assertEqual((closed["status"], closed["sent"], closed["received"]), ("ok", 5, 5))

    def test_much_data_both_ways(self):
        a, b, _, _ = self.pair()
        id, stream = self.open(b)
        block = os.urandom(1 << 20)
        count = 24
        sent = hashlib.sha256(block * count).digest()

        def write():
            for _ in range(count):
                stream.sendall(block)
            stream.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=write)
        writer.start()
        got = hashlib.sha256()
        while part := stream.recv(1 << 18):
            got.update(part)
        writer.join()
        self.assertEqual(got.digest(), sent)
        closed = b.event(id, "closed")
        self.assertEqual((closed["status"], closed["sent"], closed["received"]), ("ok", count << 20, count << 20))

    def test_refused(self):
        a, b, _, _ = self.pair()
        self.refused("unknown_protocol", b.ask, "stream", target="alice", protocol="Nope")
        self.refused("unknown_peer", b.ask, "stream", target="nobody", protocol="Echo")

    def test_peer_ends_first(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.serve(a)
        id = b.send("stream", target="alice", protocol="Prov")
        call, far = self.take(a, served)
        stream = as_socket(b.answer(id)["taken"][0])
        self.addCleanup(stream.close)
        far.sendall(b"all that I say")
        far.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(stream), b"all that I say")
        stream.sendall(b"and I")  # the other direction is still open
        stream.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(far), b"and I")
        self.assertEqual(b.event(id, "closed")["status"], "ok")
        closed = a.event(served, "closed")
        self.assertEqual((closed["call"], closed["status"], closed["sent"], closed["received"]), (call, "ok", 14, 5))

    def victim(self, daemon, more=""):
        program = VICTIM.format(folder=os.path.dirname(os.path.abspath(__file__)), home=daemon.home, protocol="Prov", more=more)
        process = subprocess.Popen([sys.executable, "-B", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_program_killed_in_mid_upload_is_a_reset(self):
        a, _, _, two = self.pair(echo=False)
        served = self.serve(a)
        process = self.victim(two)
        call, far = self.take(a, served)
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertEqual(far.recv(100), b"half an upload")
        process.send_signal(signal.SIGKILL)
        closed = a.event(served, "closed")
        self.assertEqual((closed["call"], closed["status"], closed["code"]), (call, "error", "cancelled"))

    def test_program_killed_after_the_peers_end_is_a_reset(self):
        """Then poll says the same of an end and of a death: the case for sock_diag."""
        a, _, _, two = self.pair(echo=False)
        served = self.serve(a)
        process = self.victim(two, more="assert stream.recv(1) == b''")
        call, far = self.take(a, served)
        self.assertEqual(far.recv(100), b"half an upload")
        far.shutdown(socket.SHUT_WR)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGKILL)
        closed = a.event(served, "closed")
        self.assertEqual((closed["call"], closed["status"], closed.get("code")), (call, "error", "cancelled"))

    def test_closed_descriptor_without_shutdown_is_a_reset(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.serve(a)
        id = b.send("stream", target="alice", protocol="Prov")
        call, far = self.take(a, served)
        stream = as_socket(b.answer(id)["taken"][0])
        stream.sendall(b"x")
        self.assertEqual(far.recv(10), b"x")
        stream.close()
        self.assertEqual(b.event(id, "closed")["code"], "cancelled")
        self.assertEqual(a.event(served, "closed")["code"], "cancelled")

    def test_lost_control_socket_is_a_reset(self):
        a, _, _, two = self.pair(echo=False)
        served = self.serve(a)
        other = Client(two.home)
        id = other.send("stream", target="alice", protocol="Prov")
        call, far = self.take(a, served)
        stream = as_socket(other.answer(id)["taken"][0])
        self.addCleanup(stream.close)
        other.close()
        self.assertEqual(a.event(served, "closed")["code"], "cancelled")
        self.assertEqual(read_all(stream), b"")

    def test_cancel(self):
        a, b, _, _ = self.pair()
        id, stream = self.open(b)
        b.ask("cancel", request=id)
        closed = b.event(id, "closed")
        self.assertEqual((closed["status"], closed["code"]), ("error", "cancelled"))
        self.assertEqual(read_all(stream), b"")

    def test_peer_killed_is_connection_lost(self):
        a, b, one, _ = self.pair()
        id, stream = self.open(b)
        stream.sendall(b"x")
        self.assertEqual(stream.recv(10), b"x")
        one.kill()
        again = self.start("alice", listen=one.address())
        b.send("call", target="alice", protocol="Echo", data={"message": "x"})  # its packets find out
        self.assertEqual(b.event(id, "closed")["code"], "connection_lost")

    def test_unread_stream_holds_up_nothing(self):
        a, b, _, _ = self.pair()
        id, stuck = self.open(b)
        stuck.settimeout(None)
        stuck.setblocking(False)
        filled = 0
        try:
            while filled < (64 << 20):  # until pipes and windows are full
                filled += stuck.send(bytes(1 << 16))
        except BlockingIOError:
            pass
        ids = [b.send("call", target="alice", protocol="Echo", data={"message": str(n)}) for n in range(64)]
        for n, each in enumerate(ids):
            self.assertEqual(b.answer(each)["data"], {"echoed": str(n)})
        second, stream = self.open(b)
        stream.sendall(b"y")
        self.assertEqual(stream.recv(10), b"y")

    def test_offline_during_a_stream_then_online_and_a_call(self):
        a, b, _, _ = self.pair()
        id, stream = self.open(b)
        stream.sendall(b"x")
        self.assertEqual(stream.recv(10), b"x")
        self.assertEqual(a.data("identity.offline", drain="now")["state"], "offline")
        self.assertEqual(b.event(id, "closed")["status"], "error")
        self.refused("offline", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})
        a.ask("identity.online")
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})

    def test_drain_lets_a_stream_finish(self):
        a, b, _, _ = self.pair()
        id, stream = self.open(b)
        offline = a.data("identity.offline")
        self.assertEqual((offline["state"], offline["streams"]), ("offline", 1))
        stream.sendall(b"to the end")
        stream.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(stream), b"to the end")
        self.assertEqual(b.event(id, "closed")["status"], "ok")


class Inline(Case):
    def frame(self, octets):
        return struct.pack(">I", len(octets)) + octets

    def read_frame(self, client):
        (head,) = struct.unpack(">I", client.read_octets(4))
        return head, client.read_octets(head & 0x7FFFFFFF)

    def test_echo(self):
        a, b, _, _ = self.pair()
        answer = b.ask("stream", target="alice", protocol="Echo", mode="inline")
        self.assertNotIn("fds", answer)
        b.socket.sendall(self.frame(b"hello") + self.frame(bytes(1 << 16)) + struct.pack(">I", 0))
        got = b""
        while True:
            head, octets = self.read_frame(b)
            if head == 0:
                break
            self.assertLess(head, 0x80000000)
            got += octets
        self.assertEqual(got, b"hello" + bytes(1 << 16))
        head, octets = self.read_frame(b)
        self.assertGreater(head, 0x80000000)
        self.assertIn(b'"event":"closed","status":"ok","sent":65541,"received":65541', octets)
        self.assertTrue(b.at_end())

    def test_needs_the_socket_for_itself(self):
        a, b, _, _ = self.pair()
        stream = b.ask("stream", target="alice", protocol="Echo")
        self.addCleanup(os.close, stream["taken"][0])
        self.refused("bad_request", b.ask, "stream", target="alice", protocol="Echo", mode="inline")

    def test_a_head_that_means_nothing_is_a_reset(self):
        a, b, _, _ = self.pair()
        b.ask("stream", target="alice", protocol="Echo", mode="inline")
        b.socket.sendall(struct.pack(">I", 65537))
        head, octets = self.read_frame(b)
        self.assertGreater(head, 0x80000000)
        self.assertIn(b'"code":"cancelled"', octets)


if __name__ == "__main__":
    unittest.main()
