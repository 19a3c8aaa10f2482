# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and faults: a clear error, nothing lost, nothing half done."""
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import threading
import unittest

from harness import BUILD, PATIENCE, Case, Client, as_socket, read, write


class Programs(Case):
    def start_with(self, settings):
        """A daemon that has found these in its kith.yaml."""
        one = self.start("home")
        one.stop()
        write(one.home + "/kith.yaml", settings)
        return self.start("home")

    def test_vanishing_in_mid_call(self):
        a, b, _, two = self.pair(echo=False)
        served = self.provider(a)
        other = Client(two.home)
        other.send("call", target="alice", protocol="Prov", octets=b"")
        incoming = a.event(served, "incoming")
        other.close()
        cancelled = a.event(served, "cancelled")
        self.assertEqual((cancelled["call"], cancelled["code"]), (incoming["call"], "cancelled"))
        self.assertEqual(b.data("hello")["api"], 1)

    def test_a_stream_without_descriptors_says_whose(self):
        _, b, _, two = self.pair()
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        taken = {int(fd) for fd in os.listdir("/proc/%d/fd" % two.process.pid)}
        before = resource.prlimit(two.process.pid, resource.RLIMIT_NOFILE)
        free = next(fd for fd in range(len(taken) + 1) if fd not in taken)
        resource.prlimit(two.process.pid, resource.RLIMIT_NOFILE, (free, before[1]))
        text = self.refused("internal", b.ask, "stream", target="alice", protocol="Echo")
        self.assertEqual(text, "the daemon can't open a socket: Too many open files; raise its limit: max_open_files in kith.yaml, LimitNOFILE= of its service")
        resource.prlimit(two.process.pid, resource.RLIMIT_NOFILE, before)
        self.assertEqual(b.ask("stream", target="alice", protocol="Echo")["status"], "streaming")

    def test_line_of_17_mib(self):
        one = self.start("home")
        c, other = self.client_of(one), self.client_of(one)
        try:
            for _ in range(17 * 16):
                c.socket.sendall(b"x" * (1 << 16))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the daemon does not read it to its end
        try:
            self.assertEqual(c.read_message()["code"], "too_large")
        except ConnectionResetError:
            pass  # closed with our octets unread: the kernel may throw the answer away
        self.assertTrue(c.at_end())
        self.assertEqual(other.data("hello")["api"], 1)

    def test_line_just_too_long_is_answered(self):
        c = self.client_of(self.start("home"))
        c.socket.sendall(b"x" * ((1 << 20) + (1 << 16) + 1))
        self.assertEqual(c.read_message()["code"], "too_large")
        self.assertTrue(c.at_end())

    def test_client_that_never_reads(self):
        one = self.start_with("client_stall_timeout: 1s\nmax_client_queue: 1MiB\n")
        stuck = self.client_of(one)
        stuck.socket.settimeout(0.2)
        with self.assertRaises(TimeoutError):  # the daemon stops reading long before this is all sent
            for _ in range(1 << 20):
                stuck.socket.sendall(b'{"id":"x","type":"status"}\n' * 64)
        other = self.client_of(one)
        self.assertEqual(other.data("hello")["api"], 1)
        stuck.socket.settimeout(40)
        stuck.socket.shutdown(socket.SHUT_WR)
        # It is disconnected with most of its answers unsent: the daemon lets go of it without being read.
        self.until(lambda: len(os.listdir("/proc/%d/fd" % one.process.pid)) <= self.open_files(one, other), "closed")

    def open_files(self, daemon, client):
        """Open files of a daemon that has one client."""
        if not hasattr(self, "files"):
            clean = self.start("clean")
            extra = self.client_of(clean)
            extra.data("hello")
            self.files = len(os.listdir("/proc/%d/fd" % clean.process.pid))
        return self.files

    def test_more_octets_than_a_call_may_have_are_skipped(self):
        c = self.client_of(self.start("home"))
        c.ask("identity.create", name="alice")
        octets = b"\n" * (2 << 20)
        answer = c.answer(c.send("call", target="x", protocol="Echo", octets=octets))
        self.assertEqual(answer["code"], "too_large")
        self.assertEqual(c.data("hello")["api"], 1)

    def test_descriptors_that_nobody_announced_are_closed(self):
        one = self.start("home")
        c = self.client_of(one)
        mine, theirs = socket.socketpair()
        self.addCleanup(mine.close)
        c.send_line('{"id":"x","type":"hello"}', fds=[theirs.fileno()])
        theirs.close()
        c.answer("x")
        mine.settimeout(40)
        self.assertEqual(mine.recv(1), b"")
        c.send_line('{"id":"y","type":"identity.import","name":"z","fds":1}')
        self.assertEqual(c.answer("y")["code"], "bad_request")

    def test_too_many_clients(self):
        one = self.start_with("max_clients: 2\n")
        clients = [self.client_of(one) for _ in range(2)]
        for c in clients:
            c.data("hello")
        refused = self.client_of(one)  # it is in the reserve, for the owner's way out
        refused.send_line('{"id":"x","type":"protocol.list"}')
        self.assertEqual(refused.answer("x")["code"], "busy")
        self.assertTrue(refused.at_end())
        self.assertEqual(self.kith(one.home, "status").returncode, 0)
        self.assertEqual(self.kith(one.home, "doctor").returncode, 0)
        one.wait_log("the socket is full (max_clients: 2)")
        clients[0].close()
        self.until(lambda: self.served(one), "room for another")

    def test_the_owner_gets_into_a_full_daemon(self):
        one = self.start_with("max_clients: 1\n")
        kept = self.client_of(one)
        kept.data("hello")
        idle = [self.client_of(one) for _ in range(4)]
        for c in idle:
            c.data("hello")
        self.assertEqual(self.client_of(one).read_message()["code"], "busy")  # the reserve is full as well
        for c in idle:
            c.close()
        self.until(lambda: self.looked_at(one), "a place in the reserve")
        write(one.home + "/kith.yaml", "max_clients: 2\n")
        self.assertEqual(self.kith(one.home, "reload").returncode, 0)
        self.until(lambda: self.served(one), "room for another")
        more = self.client_of(one)
        self.until(lambda: more.data("hello"), "it is in")
        self.assertEqual(self.kith(one.home, "stop").returncode, 0)
        one.wait()

    def kith(self, home, *words):
        return subprocess.run([BUILD + "/bin/kith", "--home", home, *words], capture_output=True, text=True, timeout=PATIENCE, check=False)

    def looked_at(self, daemon):
        return self.kith(daemon.home, "status").returncode == 0

    def served(self, daemon):
        c = self.client_of(daemon)
        try:
            return c.data("protocol.list") is not None
        except (EOFError, BrokenPipeError, ConnectionResetError, Exception):
            return False

    def test_a_thousand_requests_in_flight_then_more(self):
        a, b, _, _ = self.pair(echo=False)
        served = self.provider(a, max_in_flight=1024)
        ids = [str(n) for n in range(1100)]
        # A thread of its own: the daemon reads no further while 1024 are under way, and how much then fits into the socket is the kernel's to say.
        sender = threading.Thread(target=lambda: [b.send("call", id=id, target="alice", protocol="Prov", octets=b"") for id in ids], daemon=True)
        sender.start()
        for _ in range(1100):
            a.send_line('{"type":"reply","call":"%s","bytes":0}' % a.event(served, "incoming")["call"])
        sender.join(PATIENCE)
        for id in ids:
            self.assertEqual(b.answer(id)["status"], "ok")

    def test_streams_that_are_being_opened_count(self):
        a, b, _, two = self.pair()
        write(two.home + "/kith.yaml", "max_client_streams: 3\n")
        b.ask("reload")
        lines = ['{"id":"s%d","type":"stream","target":"alice","protocol":"Echo"}' % at for at in range(10)]
        b.send_line("\n".join(lines))
        answers = [b.answer("s%d" % at) for at in range(10)]
        self.assertEqual([answer["status"] for answer in answers], ["streaming"] * 3 + ["error"] * 7)
        self.assertEqual({answer["code"] for answer in answers[3:]}, {"busy"})
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})
        for answer in answers[:3]:
            os.close(answer["taken"][0])
            b.wait(lambda m: m.get("id") == answer["id"] and "event" in m)
        self.assertEqual(b.ask("stream", target="alice", protocol="Echo")["status"], "streaming")


class Network(Case):
    def test_peer_killed_and_started_again(self):
        a, b, one, _ = self.pair()
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        one.kill()
        self.start("alice", listen=one.address())
        answer = self.ask_restarted(b, "call", target="alice", protocol="Echo", data={"message": "y"}, timeout_ms=20000)
        self.assertEqual(answer, {"echoed": "y"})

    def test_own_daemon_killed_and_started_again(self):
        a, b, _, two = self.pair()
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        two.kill()
        b = self.client_of(self.start("bob"))
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "y"}), {"echoed": "y"})

    def test_peer_gone(self):
        a, b, one, _ = self.pair()
        one.kill()
        self.refused("unreachable", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"}, timeout_ms=1000)

    def test_peer_offline(self):
        a, b, _, _ = self.pair()
        a.ask("identity.offline")
        self.refused("offline", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})

    def test_own_identity_offline(self):
        a, b, _, _ = self.pair()
        b.ask("identity.offline")
        self.refused("offline", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})

    def test_another_identity_at_the_address(self):
        a, b, one, _ = self.pair()
        other = self.client_of(self.start("other"))
        id = other.data("identity.create", name="carol")["id"]
        b.ask("peer.add", name="carol", peer=id, addresses=[one.address()])
        self.refused("offline", b.ask, "call", target="carol", protocol="Echo", data={"message": "x"})

    def test_garbage_on_the_udp_port(self):
        a, b, one, _ = self.pair()
        host, port = one.address().rsplit(":", 1)
        noise = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(noise.close)
        for size in (0, 1, 7, 21, 1200, 1500, 9000, 60000):
            for fill in (b"\x00", b"\xff", b"\xc0", b"\x40"):
                noise.sendto(fill * size, (host, int(port)))
        noise.sendto(b"\xc0\x00\x00\x00\x01\x08" + bytes(8) + b"\x08" + bytes(8) + b"\x00\x44\x9e" + os.urandom(1200), (host, int(port)))
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})


class Start(Case):
    def fails(self, home, *arguments, **environment):
        done = subprocess.run([BUILD + "/bin/kithd", "--home", home, "--listen", "127.0.0.1:0", *arguments], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)
        self.assertNotEqual(done.returncode, 0)
        return done.returncode, done.stderr

    def made(self):
        """A home with alice in it, and no daemon."""
        one = self.start("home")
        self.client_of(one).ask("identity.create", name="alice", online=True)
        self.assertEqual(one.stop(), 0)
        return one.home

    def test_second_daemon_on_the_home(self):
        one = self.start("home")
        code, text = self.fails(one.home)
        self.assertEqual(code, 111)
        self.assertIn(str(one.process.pid), text)
        self.assertEqual(self.client_of(one).data("hello")["pid"], one.process.pid)

    def test_wrong_usage(self):
        for arguments in (["--nope"], ["--listen"], ["--listen", "nowhere"]):
            self.assertEqual(subprocess.run([BUILD + "/bin/kithd", *arguments], capture_output=True, timeout=60).returncode, 2)

    def test_socket_path_too_long(self):
        home = self.home("x" * 100)
        code, text = self.fails(home)
        self.assertEqual(code, 101)
        self.assertIn(home, text)

    def test_home_open_to_others(self):
        home = self.made()
        os.chmod(home, 0o755)
        code, text = self.fails(home)
        self.assertIn("chmod", text)

    def test_newer_state(self):
        home = self.made()
        state = sqlite3.connect(home + "/state.db")
        state.execute("PRAGMA user_version = 9999")
        state.close()
        code, text = self.fails(home)
        self.assertEqual(code, 102)
        self.assertIn("9999", text)

    def test_bad_settings(self):
        home = self.made()
        write(home + "/kith.yaml", "max_clients: 5\nmax_cleints: 6\n")
        code, text = self.fails(home)
        self.assertEqual(code, 101)
        self.assertIn("kith.yaml:2:1", text)

    def test_a_bad_identity_file_stops_nothing_else(self):
        home = self.made()
        one = self.start("home")
        self.client_of(one).ask("identity.create", name="bob", online=True)
        one.stop()
        write(home + "/identities/alice.yaml", read(home + "/identities/alice.yaml") + "online: false\n")
        c = self.client_of(self.start("home"))
        alice, bob = c.data("identity.list")["identities"]
        self.assertEqual((alice["state"], bob["state"]), ("failed", "online"))
        self.assertIn("alice.yaml:", alice["error"])
        self.assertEqual(c.data("status")["errors"][0]["file"], home + "/identities/alice.yaml")
        self.refused("offline", c.ask, "call", **{"from": "alice"}, target=bob["id"], protocol="Echo", data={})

    def test_key_readable_by_others(self):
        home = self.made()
        os.chmod(home + "/keys/alice.key", 0o644)
        c = self.client_of(self.start("home"))
        (alice,) = c.data("identity.list")["identities"]
        self.assertEqual(alice["state"], "failed")
        self.assertIn("chmod", alice["error"])
        os.chmod(home + "/keys/alice.key", 0o600)
        c.ask("reload")
        self.assertEqual(c.data("identity.list")["identities"][0]["state"], "online")

    def test_key_of_another_identity(self):
        home = self.made()
        one = self.start("home")
        self.client_of(one).ask("identity.create", name="bob", online=True)
        one.stop()
        shutil.copy(home + "/keys/bob.key", home + "/keys/alice.key")
        c = self.client_of(self.start("home"))
        alice, bob = c.data("identity.list")["identities"]
        self.assertEqual((alice["state"], bob["state"]), ("failed", "online"))

    def test_plugins_that_are_none(self):
        home = self.made()
        write(home + "/plugins/junk.so", "this is no shared library")
        shutil.copy(BUILD + "/lib/kith/plugins/Echo.so", home + "/plugins/open.so")
        os.chmod(home + "/plugins/open.so", 0o666)
        c = self.client_of(self.start("home"))
        texts = " ".join(e["text"] + e["file"] for e in c.data("status")["errors"])
        self.assertIn("junk.so", texts)
        self.assertIn("open.so", texts)
        c.ask("binding.add", protocol="Echo")


class FullDisk(Case):
    def test_what_is_taken_away_is_in_force_until_restart(self):
        a, b, one, _ = self.pair(file_limit=True)
        one.fill_disk()
        text = self.refused("internal", a.ask, "identity.offline")
        self.assertIn("in force until restart", text)
        self.refused("offline", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})
        one.empty_disk()
        self.assertEqual(one.stop(), 0)
        self.assertEqual(self.client_of(self.start("alice")).data("identity.show")["state"], "online")

    def test_roles_taken_away(self):
        a, b, one, _ = self.pair(file_limit=True)
        a.ask("binding.configure", protocol="Echo", access=["member"])
        one.fill_disk()
        self.assertIn("in force until restart", self.refused("internal", a.ask, "peer.role", peer="bob", role="public"))
        self.refused("denied", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})

    def test_a_removal_that_was_not_saved_can_be_asked_for_again(self):
        a, b, one, _ = self.pair(file_limit=True)
        one.fill_disk()
        self.assertIn("in force until restart", self.refused("internal", a.ask, "peer.remove", peer="bob"))
        self.refused("internal", a.ask, "peer.remove", peer=b.data("identity.show")["id"])
        one.empty_disk()
        self.assertEqual(a.data("peer.remove", peer="bob")["id"], b.data("identity.show")["id"])
        self.refused("unknown_peer", a.ask, "peer.remove", peer="bob")
        self.refused("unknown_peer", a.ask, "peer.remove", peer=b.data("identity.show")["id"])
        self.assertEqual(one.stop(), 0)
        self.assertEqual(self.client_of(self.start("alice")).data("peer.list")["peers"], [])

    def test_an_identity_that_could_not_be_deleted_goes_on(self):
        a, b, one, _ = self.pair(file_limit=True)
        one.fill_disk()
        text = self.refused("internal", a.ask, "identity.delete", identity="alice")
        self.assertIn("nothing of alice was deleted", text)
        self.assertEqual(a.data("identity.show")["state"], "online")
        self.assertEqual([p["name"] for p in a.data("peer.list")["peers"]], ["bob"])
        self.until(lambda: a.data("identity.show")["bindings"][0]["state"] == "running", "started again")
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        one.empty_disk()
        self.assertIn("moved_to", a.data("identity.delete", identity="alice"))
        self.assertEqual(a.data("identity.list")["identities"], [])

    def test_an_identity_that_was_deleted_in_part_can_be_deleted(self):
        a, _, one, _ = self.pair()
        os.rmdir(one.home + "/deleted")
        write(one.home + "/deleted", "")
        text = self.refused("internal", a.ask, "identity.delete", identity="alice")
        self.assertIn("deleted in part", text)
        (shown,) = a.data("identity.list")["identities"]
        self.assertEqual((shown["state"], shown["error"]), ("failed", text))
        os.unlink(one.home + "/deleted")
        os.mkdir(one.home + "/deleted", 0o700)
        moved = a.data("identity.delete", identity="alice")["moved_to"]
        self.assertEqual(sorted(os.listdir(moved)), ["alice.key", "alice.yaml", "data"])
        self.assertEqual(a.data("identity.list")["identities"], [])

    def test_what_is_given_does_not_happen_unsaved(self):
        a, b, one, _ = self.pair(file_limit=True)
        file = one.home + "/identities/alice.yaml"
        before = read(file)
        one.fill_disk()
        self.refused("internal", a.ask, "identity.create", name="carol")
        self.refused("internal", a.ask, "binding.add", protocol="Echo", alias="more")
        self.refused("internal", a.ask, "peer.add", name="carol", peer=b.data("identity.create", name="carol")["id"])
        one.empty_disk()
        self.assertEqual(read(file), before)
        self.assertEqual([i["name"] for i in a.data("identity.list")["identities"]], ["alice"])
        self.assertEqual(len(a.data("identity.show")["bindings"]), 1)
        self.assertEqual([p["name"] for p in a.data("peer.list")["peers"]], ["bob"])
        a.ask("identity.create", name="carol")


if __name__ == "__main__":
    unittest.main()
