# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's life: several addresses, signals, the service manager, its log; and what runs on it when everything is busy at once."""
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import unittest

from harness import BUILD, PATIENCE, Case, as_socket, read, read_all, write

KITH = os.path.join(BUILD, "bin", "kith")
# Has a UDP port until its input ends.
TAKES_PORT = """
import socket, sys
socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
socket.bind(("0.0.0.0", int(sys.argv[1])))
print("taken", flush=True)
sys.stdin.read()
"""
ECHO = {"target": "alice", "protocol": "Echo", "data": {"message": "x"}}


class Daemons(Case):
    def stream(self, client, **fields):
        answer = client.ask("stream", target="alice", **{"protocol": "Echo", **fields})
        stream = as_socket(answer["taken"][0])
        self.addCleanup(stream.close)
        return answer["id"], stream

    def says(self, stream, text):
        stream.sendall(text)
        got = b""
        while len(got) < len(text):
            got += stream.recv(len(text) - len(got))
        self.assertEqual(got, text)


class Life(Daemons):
    def with_settings(self, name, text):
        """A home whose kith.yaml says this; no daemon runs."""
        one = self.start(name)
        self.assertEqual(one.stop(), 0)
        write(one.home + "/kith.yaml", text)

    def test_several_addresses_of_both_families(self):
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
                probe.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        more = ("--listen", "[::1]:0", "--listen", "127.0.0.1:0")
        a, b = (self.client_of(self.start(name, *more)) for name in ("alice", "bob"))
        a.ask("identity.create", name="alice", online=True)
        b.ask("identity.create", name="bob", online=True)
        a.ask("binding.add", protocol="Echo", access=["public"])
        listen = a.data("status")["listen"]
        self.assertEqual(len(set(listen)), 3, listen)
        for address in listen:
            b.ask("peer.add", name="alice", peer=a.data("identity.show")["id"], addresses=[address])
            self.assertEqual(b.data("call", **ECHO), {"echoed": "x"})
            (peer,) = b.data("status")["identities"][0]["peers"]
            self.assertEqual(peer["address"], address)
            b.ask("peer.remove", peer="alice")

    def test_the_port_is_remembered_and_another_is_taken_when_somebody_has_it(self):
        network = self.namespace()

        def listen():
            one = self.start("home", listen=None, inside=network.inside)
            found = self.client_of(one).data("status")["listen"]
            self.assertEqual(one.stop(), 0)
            return found, one.log()

        (first, *_), _ = listen()
        (again, *_), log = listen()
        self.assertEqual(again, first)
        with subprocess.Popen([*network.inside, sys.executable, "-c", TAKES_PORT, first.rsplit(":", 1)[1]], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as other:
            self.assertEqual(other.stdout.readline(), "taken\n")
            (third, *_), log = listen()
            other.stdin.close()
        self.assertNotEqual(third, first)
        self.assertIn("taking another port", log)
        (fourth, *_), _ = listen()
        self.assertEqual(fourth, third)

    def test_status_tells_peers_and_counts(self):
        a, b, one, _ = self.pair()
        for _ in range(3):
            b.ask("call", **ECHO)
        _, stream = self.stream(b)
        self.says(stream, b"x")
        status = b.data("status")
        (alice,) = status["identities"][0]["peers"]
        self.assertEqual((alice["name"], alice["address"], alice["streams"], alice["dialed"]), ("alice", one.address(), 1, True))
        self.assertGreater(alice["rtt_us"], 0)
        self.assertEqual({k: status["pool"][k] for k in ("connections", "handshakes", "reuses", "failed")},
                         {"connections": 1, "handshakes": 1, "reuses": 3, "failed": 0})
        self.assertGreaterEqual(status["uptime_s"], 0)
        self.assertRegex(status["version"], r"^\d+\.\d+")

    def test_sigterm_lets_streams_end(self):
        _, b, one, _ = self.pair()
        id, stream = self.stream(b)
        self.says(stream, b"before")
        one.process.send_signal(signal.SIGTERM)
        one.wait_log("stopping")
        self.refused("offline", b.ask, "call", **ECHO)
        self.says(stream, b"after")
        stream.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(stream), b"")
        self.assertEqual(b.event(id, "closed")["status"], "ok")
        self.assertEqual(one.wait(), 0)
        self.assertFalse(os.path.exists(one.home + "/daemon.sock"))

    def test_sigterm_has_a_deadline(self):
        self.with_settings("alice", "drain_deadline: 200ms\n")
        _, b, one, _ = self.pair()
        id, stream = self.stream(b)
        self.says(stream, b"for ever")
        one.process.send_signal(signal.SIGTERM)
        self.assertEqual(one.wait(), 0)
        self.assertEqual(b.event(id, "closed")["status"], "error")

    def test_a_drain_is_seen_and_hastened(self):
        self.with_settings("alice", "drain_deadline: 1h\n")
        _, b, one, _ = self.pair()
        id, stream = self.stream(b)
        self.says(stream, b"for ever")
        self.assertNotIn("stopping", self.client_of(one).data("status"))
        self.client_of(one).ask("stop")
        one.wait_log("stopping")
        late = self.client_of(one)
        self.assertIs(late.data("status")["stopping"], True)
        self.refused("offline", b.ask, "call", **ECHO)
        late.ask("config.check")  # on the disk's thread, behind what the lock's file is to say
        for words in (("daemon",), ("doctor",), ("status",)):
            done = subprocess.run([KITH, "--home", one.home, *words], capture_output=True, text=True, timeout=PATIENCE)
            self.assertIn("stopping", done.stdout + done.stderr, words)
            self.assertNotIn("no daemon", done.stdout + done.stderr, words)
        late.ask("stop", drain="now")
        self.assertEqual(one.wait(), 0)
        self.assertEqual(b.event(id, "closed")["status"], "error")
        self.assertFalse(os.path.exists(one.home + "/daemon.sock"))

    def test_nothing_begins_during_a_drain_and_nothing_ends_it(self):
        self.with_settings("alice", "drain_deadline: 1h\n")
        a, b, one, _ = self.pair()
        id, stream = self.stream(b)
        self.says(stream, b"before")
        file = one.home + "/identities/alice.yaml"
        before = read(file)
        a.ask("stop")
        for type, fields in (("identity.online", {"identity": "alice"}), ("identity.create", {"name": "carol", "online": True}), ("reload", {}),
                             ("call", {"target": "bob", "protocol": "Echo", "data": {"message": "x"}}), ("ping", {"peer": "bob"}),
                             ("local", {"protocol": "Echo", "command": "echo", "data": {}})):
            self.assertEqual(self.refused("shutting_down", a.ask, type, **fields), "the daemon is stopping", type)
        done = subprocess.run([KITH, "--home", one.home, "trace", "bob", "--qlog", self.folder], capture_output=True, text=True, timeout=PATIENCE)
        self.assertIn("the daemon is stopping", done.stderr)
        self.assertEqual(read(file), before)
        a.ask("identity.offline")  # shortens no drain, and lengthens none: it is saved for the next start
        self.says(stream, b"after")
        stream.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(stream), b"")
        self.assertEqual(b.event(id, "closed")["status"], "ok")
        self.assertEqual(one.wait(), 0)

    def test_many_mistakes_are_counted(self):
        one = self.start("home")
        one.stop()
        for number in range(12):
            with open(one.home + "/identities/i%02d.yaml" % number, "w", encoding="utf-8") as file:
                file.write("id: none\n")
        kith = os.path.join(BUILD, "bin", "kith")
        done = subprocess.run([kith, "--home", one.home, "daemon", "--detach", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=PATIENCE)
        self.addCleanup(subprocess.run, [kith, "--home", one.home, "stop", "--now"], capture_output=True, timeout=PATIENCE)
        said = done.stderr.splitlines()
        self.assertEqual((done.returncode, len(said)), (0, 11), done.stderr)
        self.assertRegex(said[-1], r"^kithd: and \d+ more mistakes: kith config check$")

    def test_a_socket_that_somebody_deleted_comes_back_at_sighup(self):
        _, b, one, two = self.pair()
        _, stream = self.stream(b)
        self.says(stream, b"before")
        path = two.home + "/daemon.sock"
        os.unlink(path)
        for words in (("status",), ("stop",), ("doctor",)):
            done = subprocess.run([KITH, "--home", two.home, *words], capture_output=True, text=True, timeout=PATIENCE)
            self.assertIn("kill -HUP %d" % two.process.pid, done.stdout + done.stderr, words)
        two.process.send_signal(signal.SIGHUP)
        two.wait_log("made again")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(self.client_of(two).data("call", **ECHO), {"echoed": "x"})
        self.assertEqual(b.data("call", **ECHO), {"echoed": "x"})  # on the socket from before
        self.says(stream, b"after")
        stream.close()
        two.process.send_signal(signal.SIGHUP)  # and one that is there stays
        self.assertEqual(two.stop(), 0)
        self.assertEqual(two.log().count("made again"), 1)
        self.assertFalse(os.path.exists(path))

    def test_sighup_does_not_end_a_daemon_that_is_starting(self):
        one = self.start("home")
        self.assertEqual(one.stop(), 0)
        with contextlib.closing(sqlite3.connect(one.home + "/state.db", isolation_level=None)) as other:  # a start waits for who has it
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
            other.execute("BEGIN EXCLUSIVE")
            two = self.start("home", ready=False)
            lock = one.home + "/daemon.lock"
            self.until(lambda: read(lock).split() == [str(two.process.pid)], "the lock is taken")
            two.process.send_signal(signal.SIGHUP)
            other.execute("ROLLBACK")
        two.wait_log("is ready")
        self.assertEqual(two.stop(), 0)

    def test_a_home_that_was_replaced_gets_no_socket(self):
        one = self.start("home")
        os.rename(one.home, one.home + ".moved")
        os.mkdir(one.home, 0o700)
        one.process.send_signal(signal.SIGHUP)
        self.assertIn("kill %d" % one.process.pid, one.wait_log("was moved or replaced"))
        self.assertEqual(os.listdir(one.home), [])
        two = self.start("home")  # its own
        self.assertEqual(self.client_of(two).data("status")["identities"], [])
        self.assertEqual(two.stop(), 0)
        one.process.send_signal(signal.SIGTERM)
        self.assertEqual(one.wait(), 0)

    def test_a_second_signal_ends_it_at_once(self):
        _, b, one, _ = self.pair()
        _, stream = self.stream(b)
        self.says(stream, b"for ever")
        one.process.send_signal(signal.SIGINT)
        one.wait_log("stopping")
        one.process.send_signal(signal.SIGINT)
        self.assertEqual(one.wait(), 130)
        self.start("alice")  # and nothing is in the way of the next

    def test_the_service_manager_is_told(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(os.path.join(self.folder, "notify"))
        manager.settimeout(PATIENCE)
        one = self.start("home", environment={"NOTIFY_SOCKET": os.path.join(self.folder, "notify")})
        self.assertEqual(manager.recv(200), b"READY=1")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        with open(one.home + "/identities/alice.yaml", "a", encoding="utf-8") as file:
            file.write("nonsense: 1\n")
        one.process.send_signal(signal.SIGHUP)
        self.assertRegex(manager.recv(200).decode(), r"^RELOADING=1\nMONOTONIC_USEC=\d+")
        self.assertEqual(manager.recv(200), b"READY=1")
        self.assertIn("nonsense", c.data("status")["errors"][0]["text"])  # SIGHUP is a reload
        one.process.send_signal(signal.SIGTERM)
        self.assertEqual(manager.recv(200), b"STOPPING=1")
        self.assertEqual(one.wait(), 0)

    def test_the_log_is_capped_and_followed_over_rotations(self):
        self.with_settings("home", "log_file_size: 64KiB\nlog_files: 3\n")
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        follower = subprocess.Popen([KITH, "--home", one.home, "logs", "-f", "-n", "1"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(follower.stdout.close)
        self.addCleanup(follower.wait)
        self.addCleanup(follower.kill)
        self.assertIn("is ready", follower.stdout.readline())  # it is there
        file = one.home + "/identities/alice.yaml"
        with open(file, encoding="utf-8") as text:
            good = text.read()
        for n in range(300):  # each mistake is a line of some 200 octets
            write(file, good + "".join("mistake-%d-%d-%s: 1\n" % (n, of, "x" * 60) for of in range(4)))
            c.ask("reload")
            for of in range(4):
                line = follower.stdout.readline()
                while "mistake-" not in line:
                    line = follower.stdout.readline()
                self.assertIn("mistake-%d-%d-" % (n, of), line)  # none is left out
        logs = {name: os.path.getsize(os.path.join(one.home, "logs", name)) for name in os.listdir(one.home + "/logs")}
        self.assertEqual(sorted(logs), ["kithd.1.log", "kithd.2.log", "kithd.log"])
        self.assertLessEqual(max(logs.values()), 64 * 1024)
        for name in logs:
            self.assertEqual(os.stat(os.path.join(one.home, "logs", name)).st_mode & 0o077, 0, name)


class Busy(Daemons):
    def test_calls_beside_an_unread_stream_and_a_large_one(self):
        _, b, _, _ = self.pair()
        _, stuck = self.stream(b)
        stuck.setblocking(False)
        try:
            while True:
                stuck.send(bytes(1 << 16))
        except BlockingIOError:
            pass  # pipes and windows are full, and nobody reads
        id, large = self.stream(b)
        block, over, moved = os.urandom(1 << 20), threading.Event(), [0, 0]

        def upload():
            while not over.is_set():
                large.sendall(block)
                moved[0] += len(block)
            large.shutdown(socket.SHUT_WR)

        def download():
            while part := large.recv(1 << 18):
                moved[1] += len(part)

        threads = [threading.Thread(target=each, daemon=True) for each in (upload, download)]
        for each in threads:
            each.start()
        for _ in range(8):
            before = moved[1]
            ids = [b.send("call", target="alice", protocol="Echo", data={"message": str(n)}) for n in range(64)]
            for n, each in enumerate(ids):
                self.assertEqual(b.answer(each)["data"], {"echoed": str(n)})
            self.until(lambda: moved[1] > before, "the large stream goes on")
        over.set()
        for each in threads:
            each.join(PATIENCE)
        closed = b.event(id, "closed")
        self.assertEqual((closed["status"], closed["sent"], closed["received"], moved[1]), ("ok", moved[0], moved[0], moved[0]))

    def test_online_again_while_a_stream_still_drains(self):
        a, b, _, _ = self.pair()
        id, stream = self.stream(b)
        self.says(stream, b"before")
        self.assertEqual(a.data("identity.offline")["streams"], 1)
        self.refused("offline", b.ask, "call", **ECHO)
        a.ask("identity.online")
        self.assertEqual(b.data("call", **ECHO), {"echoed": "x"})
        self.says(stream, b"and after")
        stream.shutdown(socket.SHUT_WR)
        self.assertEqual(b.event(id, "closed")["status"], "ok")


class Rights(Daemons):
    """What is written by hand into a file, and what becomes of streams that run."""

    def edited(self, client, daemon, old, new):
        path = daemon.home + "/identities/alice.yaml"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(old, text)
        write(path, text.replace(old, new))
        self.assertEqual(client.data("reload")["changed"], ["alice"])

    def test_access_narrowed_in_the_file_ends_live_streams(self):
        a, b, one, _ = self.pair()
        id, stream = self.stream(b)
        self.says(stream, b"x")
        self.edited(a, one, "access: [public]", "access: [admin]")
        self.assertEqual(b.event(id, "closed")["code"], "cancelled")
        self.refused("denied", b.ask, "call", **ECHO)
        self.edited(a, one, "access: [admin]", "access: [admin, {peer: bob, as: admin}]")
        self.assertEqual(b.data("call", **ECHO), {"echoed": "x"})

    def test_denied_in_the_file_wins(self):
        a, b, one, _ = self.pair()
        id, stream = self.stream(b)
        self.says(stream, b"x")
        self.edited(a, one, "access: [public]", "access: [public]\n    deny: [peer:bob]")
        self.assertEqual(b.event(id, "closed")["code"], "cancelled")
        self.refused("denied", b.ask, "call", **ECHO)
        stranger = "peer:" + b.data("identity.create", name="eve")["id"]
        self.edited(a, one, "deny: [peer:", "deny: [%s, admin, peer:" % stranger)
        for binding in a.data("status")["identities"][0]["bindings"] + a.data("identity.show")["bindings"]:
            self.assertEqual(binding["deny"], [stranger, "admin", "peer:bob"])
        self.edited(a, one, stranger + ", admin, ", "")
        for words in (("status",), ("show-identity", "alice"), ("configure-protocol", "alice", "--protocol", "Echo", "--access", "member")):
            done = subprocess.run([KITH, "--home", one.home, *words], capture_output=True, text=True, timeout=PATIENCE)
            self.assertIn("running, denies peer:bob", done.stdout, words)
        self.edited(a, one, "deny: [peer:", "deny: [] # peer:[")
        self.assertEqual(a.data("identity.show")["bindings"][0]["deny"], [])

    def test_a_removed_peers_streams_end(self):
        a, b, _, _ = self.pair()
        a.ask("binding.configure", protocol="Echo", access=["member"])
        id, stream = self.stream(b)
        self.says(stream, b"x")
        a.ask("peer.remove", peer="bob")
        self.assertIn(b.event(id, "closed")["code"], ("cancelled", "connection_lost"))  # its connection goes with it
        self.refused("denied", b.ask, "call", **ECHO)

    def test_a_removed_peers_own_entries_go_with_it(self):
        a, b, one, _ = self.pair()
        bob = b.data("identity.show")["id"]
        a.ask("binding.configure", protocol="Echo", access=["peer:bob"])
        a.ask("binding.add", protocol="Echo", alias="more", access=["admin", {"peer": "bob", "as": "owner"}])
        b.ask("call", **ECHO)
        id, stream = self.stream(b)
        self.says(stream, b"x")
        self.assertEqual(a.data("peer.remove", peer="bob")["bindings"], ["Echo/default", "Echo/more"])
        self.assertIn(b.event(id, "closed")["code"], ("cancelled", "connection_lost"))
        for _ in range(2):
            self.refused("denied", b.ask, "call", **ECHO)
            self.assertEqual([each["access"] for each in a.data("identity.show")["bindings"]], [[], ["admin"]])
            with open(one.home + "/identities/alice.yaml", encoding="utf-8") as file:
                self.assertNotIn(bob, file.read())
            self.assertEqual(a.data("reload")["changed"], [])
        self.assertEqual(a.data("peer.add", name="bob", peer=bob, role="member")["new"], True)
        self.refused("denied", b.ask, "call", **ECHO)

    def test_disabled_and_enabled_in_the_file(self):
        a, b, one, _ = self.pair()
        b.ask("call", **ECHO)
        self.edited(a, one, "protocol: Echo", "protocol: Echo\n    enabled: false")
        answer = b.answer(b.send("call", **ECHO))
        self.assertEqual(answer["status"], "error", answer)
        self.assertEqual(a.data("identity.show")["state"], "online")
        self.edited(a, one, "enabled: false", "enabled: true")
        self.assertEqual(b.data("call", **ECHO), {"echoed": "x"})


class Data(Case):
    def folder_of(self, client, daemon):
        return os.path.join(daemon.home, "data", client.data("identity.show")["id"], "Notes", "default")

    def test_data_stays_until_it_is_purged(self):
        daemon, a = self.notes()
        folder = self.folder_of(a, daemon)
        self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700)
        write(folder + "/mine", "kept")
        a.ask("binding.remove", protocol="Notes")
        self.assertTrue(os.path.exists(folder + "/mine"))
        a.ask("binding.add", protocol="Notes")
        self.assertTrue(os.path.exists(folder + "/mine"))
        self.assertTrue(a.data("binding.remove", protocol="Notes", purge=True)["purged"])
        self.assertFalse(os.path.exists(folder))

    def test_a_namesake_inherits_no_data(self):
        daemon, a = self.notes()
        old = self.folder_of(a, daemon)
        write(old + "/mine", "kept")
        moved = a.data("identity.delete", identity="alice")["moved_to"]
        self.assertFalse(os.path.exists(old))
        self.assertTrue(any("mine" in files for _, _, files in os.walk(moved)))
        a.ask("identity.create", name="alice", online=True)
        a.ask("binding.add", protocol="Notes")
        self.assertNotEqual(self.folder_of(a, daemon), old)
        self.assertEqual(os.listdir(self.folder_of(a, daemon)), [])
        self.assertFalse(os.path.exists(os.path.join(daemon.home, "data", "alice", "Notes", "default", "mine")))


if __name__ == "__main__":
    unittest.main()
