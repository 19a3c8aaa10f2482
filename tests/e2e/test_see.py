# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeing what the daemon does: pool, ping, trace, doctor."""
import json
import os
import signal
import socket
import subprocess
import unittest

from harness import BUILD, PATIENCE, Case, as_socket


class See(Case):
    def kith(self, home, *arguments, **options):
        program = [os.path.join(BUILD, "bin", "kith"), "--home", home]
        return subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=PATIENCE, **options)

    def test_pool_counts_bindings_and_reuse(self):
        a, b, one, two = self.pair()
        for _ in range(3):
            b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        opened = b.ask("stream", target="alice", protocol="Echo")
        stream = as_socket(opened["taken"][0])
        self.addCleanup(stream.close)
        stream.sendall(b"12345")
        self.assertEqual(stream.recv(5), b"12345")  # it runs on: what it carried so far counts
        (row,) = b.data("pool.list")["connections"]
        self.assertEqual((row["state"], row["streams"], row["opened"], row["idle_s"], row["lost"]), ("up", 1, 4, 0, 0))
        self.assertGreater(row["mtu"], 1199)
        self.assertGreater(row["cwnd"], 0)
        (echo,) = row["bindings"]
        self.assertEqual((echo["protocol"], echo["alias"], echo["ours"], echo["opened"]), ("Echo", "default", False, 4))
        self.assertEqual(echo["sent"], 3 * len('{"message": "x"}') + 5)
        self.assertEqual(echo["received"], 3 * len('{"echoed":"x"}') + 5)
        (served,) = a.data("pool.list", identity="alice")["connections"][0]["bindings"]
        self.assertEqual((served["ours"], served["opened"], served["sent"], served["received"]), (True, 4, echo["received"], echo["sent"]))
        shown = self.kith(two.home, "pool")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("Echo/default", shown.stdout)
        self.assertIn("1 of 4", shown.stdout)
        self.assertEqual(json.loads(self.kith(two.home, "pool", "--json").stdout)["connections"][0]["opened"], 4)
        self.assertEqual(self.kith(two.home, "pool", "close", "nobody").returncode, 106)
        self.assertEqual(self.kith(two.home, "pool", "close", "alice").stdout, "closed 1\n")
        self.assertEqual(b.data("pool.list")["connections"], [])

    def test_ping(self):
        a, b, one, two = self.pair(echo=False)
        shown = self.kith(one.home, "ping", "alice", "bob", "--count", "3", "--interval", "10ms")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        lines = shown.stdout.splitlines()
        self.assertRegex(lines[0], r"^bob at 127\.0\.0\.1:\d+ from 127\.0\.0\.1:\d+, direct, dialed by us; a new connection, there after ")
        self.assertEqual([line.split(":")[0] for line in lines[1:4]], ["1", "2", "3"])
        self.assertRegex(lines[4], r"^3 sent, 3 answered, 0 % lost; min/avg/max ")
        self.assertEqual(len(lines), 5)
        back = self.kith(two.home, "ping", "alice", "--count", "1", "--json")
        first, last = [json.loads(line) for line in back.stdout.splitlines()]
        self.assertEqual((first["seq"], first["ping"]["answered"], first["ping"]["new"], first["ping"]["dialed"]), (1, True, False, False))
        self.assertEqual((last["summary"]["sent"], last["summary"]["answered"]), (1, 1))
        self.assertEqual(a.data("pool.list")["connections"][0]["opened"], 0)  # no stream was opened

    def test_pings_that_nobody_answers(self):
        a, _, one, two = self.pair(echo=False)
        self.assertEqual(self.kith(one.home, "ping", "nobody").returncode, 106)
        self.assertEqual(self.kith(one.home, "ping", "bob", "--count", "0").returncode, 2)
        self.assertEqual(self.kith(one.home, "ping", "bob", "--interval", "soon").returncode, 2)
        self.assertEqual(self.kith(self.home("none"), "ping", "bob").returncode, 113)
        a.ask("ping", peer="bob")
        two.process.send_signal(signal.SIGSTOP)
        try:
            self.assertEqual(a.data("ping", peer="bob", timeout_ms=50)["answered"], False)
            shown = self.kith(one.home, "ping", "bob", "--count", "1")
        finally:
            two.process.send_signal(signal.SIGCONT)
        self.assertEqual(shown.returncode, 113, shown.stderr)
        self.assertIn("1: no answer", shown.stdout)
        self.assertIn("1 sent, 0 answered, 100 % lost", shown.stdout)
        self.refused("bad_request", a.ask, "ping", peer="bob", timeout_ms=0)
        self.refused("bad_request", a.ask, "ping")

    def test_a_ping_that_is_refused_names_the_peer(self):
        a, b, one, _ = self.pair(echo=False)
        b.ask("peer.remove", peer="alice")
        shown = self.kith(one.home, "ping", "bob", "--count", "1")
        self.assertEqual(shown.returncode, 109, shown.stdout + shown.stderr)
        self.assertRegex(shown.stdout + shown.stderr, r"no connection to bob \([0-9a-z]+…\)")
        self.assertIn("its owner decides, by the peer's role", shown.stdout + shown.stderr)

    def test_a_ping_that_is_interrupted_has_its_summary(self):
        _, _, one, _ = self.pair(echo=False)
        program = subprocess.Popen([os.path.join(BUILD, "bin", "kith"), "--home", one.home, "ping", "bob", "--interval", "1h"],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(program.stdout.close)
        self.assertIn("direct", program.stdout.readline())
        self.assertRegex(program.stdout.readline(), "^1: ")
        program.send_signal(signal.SIGINT)
        self.assertRegex(program.stdout.readline(), "^1 sent, 1 answered")
        self.assertEqual(program.wait(PATIENCE), 0)

    def ping_until(self, home, change):
        """A ping without end, once it has had an answer and `change` was done."""
        program = subprocess.Popen([os.path.join(BUILD, "bin", "kith"), "--home", home, "ping", "bob", "--interval", "10ms"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, restore_signals=False)
        for pipe in (program.stdout, program.stderr):
            self.addCleanup(pipe.close)
        self.assertIn("direct", program.stdout.readline())
        self.assertRegex(program.stdout.readline(), "^1: ")
        change(program)
        return program

    def test_a_ping_ends_when_nobody_reads_it(self):
        _, _, one, _ = self.pair(echo=False)
        program = self.ping_until(one.home, lambda program: program.stdout.close())  # SIGPIPE is ignored, as services have it
        self.assertIn("the output can't be written", program.stderr.read())
        self.assertEqual(program.wait(PATIENCE), 120)

    def test_a_ping_has_its_summary_when_the_daemon_dies(self):
        _, _, one, _ = self.pair(echo=False)
        program = self.ping_until(one.home, lambda program: one.kill())
        self.assertRegex(program.stdout.read().splitlines()[-1], r"^\d+ sent, \d+ answered, ")
        self.assertEqual(program.wait(PATIENCE), 118)

    def test_the_owners_own_stop_is_named_by_what_it_ends(self):
        _, _, one, _ = self.pair(echo=False)
        tracer = subprocess.Popen([os.path.join(BUILD, "bin", "kith"), "--home", one.home, "trace", "bob", "--qlog", self.folder, "--for", "1h"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for pipe in (tracer.stdout, tracer.stderr):
            self.addCleanup(pipe.close)
        self.assertRegex(tracer.stderr.readline(), "^tracing bob at ")
        program = self.ping_until(one.home, lambda program: one.stop())
        self.assertRegex(program.stderr.read(), "kith: the daemon (was stopped|is stopping)\n")
        self.assertIn(program.wait(PATIENCE), (118, 119))
        self.assertEqual(tracer.stderr.read(), "kith: the daemon was stopped; what was recorded until then is in %s\n" % self.folder)
        self.assertEqual(tracer.wait(PATIENCE), 118)

    def test_trace(self):
        a, b, one, two = self.pair()
        folder = self.home("traces")
        os.mkdir(folder)
        opened = b.ask("stream", target="alice", protocol="Echo")
        stream = as_socket(opened["taken"][0])
        self.addCleanup(stream.close)
        program = subprocess.Popen([os.path.join(BUILD, "bin", "kith"), "--home", two.home, "trace", "alice", "--qlog", folder, "--for", "1h"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for pipe in (program.stdout, program.stderr):
            self.addCleanup(pipe.close)
        self.assertRegex(program.stderr.readline(), "^tracing alice at .*, a new connection")
        b.ask("call", target="alice", protocol="Echo", data={"message": "secret words"})
        stream.sendall(b"still here")
        self.assertEqual(stream.recv(20), b"still here")
        self.refused("busy", b.ask, "trace", peer="alice", fds=[self.folder_fd(folder)])
        program.send_signal(signal.SIGINT)
        (file,) = program.stdout.read().splitlines()
        self.assertEqual(program.wait(PATIENCE), 0)
        self.assertTrue(file.startswith(folder + "/") and file.endswith(".sqlog"), file)
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        with open(file, "rb") as text:
            octets = text.read()
        records = [json.loads(record) for record in octets.split(b"\x1e")[1:]]
        self.assertIn("qlog_version", records[0])
        self.assertIn(records[0]["trace"]["common_fields"]["group_id"], file)
        self.assertGreater(len(records), 20)
        self.assertNotIn(b"secret words", octets)
        self.assertEqual(b.data("status")["pool"]["handshakes"], 2)
        open_files = [os.readlink(os.path.join("/proc/%d/fd" % two.process.pid, fd)) for fd in os.listdir("/proc/%d/fd" % two.process.pid)]
        self.assertEqual([path for path in open_files if path.startswith(folder)], [])  # though the connection lives on

    def folder_fd(self, path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, fd)
        return fd

    def test_traces_that_cannot_be(self):
        a, _, one, _ = self.pair()
        self.assertEqual(self.kith(one.home, "trace", "bob").returncode, 2)
        short = self.kith(one.home, "trace", "bob", "--qlog", self.folder, "--for", "10ms")
        self.assertEqual(short.returncode, 2)
        self.assertIn("`10ms` is not a time from 100ms to 1h", short.stderr)
        missing = self.kith(one.home, "trace", "bob", "--qlog", self.home("nowhere"))
        self.assertEqual(missing.returncode, 101)
        self.assertIn("can't open the folder", missing.stderr)
        self.assertEqual(self.kith(one.home, "trace", "nobody", "--qlog", self.folder).returncode, 106)
        a.ask("peer.add", name="gone", peer=self.client_of(self.start("third")).data("identity.create", name="x")["id"])
        self.assertEqual(self.kith(one.home, "trace", "gone", "--qlog", self.folder).returncode, 113)
        # /proc takes no files, not even root's.
        asked = a.send("trace", peer="bob", fds=[self.folder_fd("/proc")])
        message = a.wait(lambda m: m.get("id") == asked)
        if message.get("event") is None and message["status"] == "ok":
            message = a.event(asked, "traced")
        self.assertEqual(message["code"], "internal", message)
        self.assertIn("can't write", message["data"])
        self.assertEqual(message.get("files", []), [])  # none could be made

    def doctor(self, home, code, **options):
        shown = self.kith(home, "doctor", "--json", **options)
        self.assertEqual(shown.returncode, code, shown.stdout + shown.stderr)
        return {check["what"]: check for check in json.loads(shown.stdout)["checks"]}

    def test_doctor(self):
        a, _, one, _ = self.pair()
        a.ask("ping", peer="bob")
        checks = self.doctor(one.home, 0)
        for what in ("home", "keys", "socket", "disk", "clock", "open files", "daemon", "port", "plugin Echo", "identity alice", "alice → bob"):
            self.assertEqual(checks[what]["state"], "ok", checks[what])
        for what in ("UDP receive buffer", "UDP send buffer", "GSO and GRO", "GSO of the daemon", "MTU alice → bob"):
            self.assertIn(what, checks)
        self.assertIn("connected at", checks["alice → bob"]["found"])
        shown = self.kith(one.home, "doctor")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertRegex(shown.stdout, r"\d+ ok, \d+ to look at, 0 bad\n$")

    def test_doctor_finds_what_is_wrong(self):
        a, _, one, _ = self.pair()
        key = one.home + "/keys/alice.key"
        os.chmod(key, 0o644)
        plugin = one.home + "/plugins/mine.so"
        open(plugin, "w").close()
        os.chmod(plugin, 0o666)
        with open(one.home + "/identities/alice.yaml", "a") as file:
            file.write("nonsense: 1\n")
        with open(one.home + "/identities/carol.yaml", "w") as file:
            file.write("id: none\n")
        a.ask("reload")
        checks = self.doctor(one.home, 1)
        self.assertEqual((checks["key alice.key"]["state"], checks["key alice.key"]["advice"]), ("bad", "chmod go= '%s'" % key))
        self.assertEqual(checks["plugin mine.so"]["state"], "bad")
        self.assertEqual(checks["identity carol"]["state"], "bad")
        self.assertEqual(checks["file"]["state"], "bad")
        one.stop()
        checks = self.doctor(one.home, 1)  # the files speak for themselves
        self.assertEqual(checks["daemon"]["state"], "warn")
        self.assertEqual(checks["key alice.key"]["state"], "bad")
        os.chmod(key, 0o600)
        os.chmod(plugin, 0o600)
        os.unlink(one.home + "/identities/carol.yaml")
        self.assertEqual(self.doctor(one.home, 0)["keys"]["state"], "ok")

    def test_doctor_knows_who_keeps_packets_small(self):
        a, _, one, _ = self.pair()
        with open(one.home + "/kith.yaml", "w", encoding="utf-8") as file:
            file.write("max_packet: 1200B\n")
        a.ask("reload")
        a.ask("ping", peer="bob")
        found = self.doctor(one.home, 0)["MTU alice → bob"]
        self.assertEqual((found["state"], found["found"]), ("ok", "1200 octets of UDP payload, which is max_packet"))

    def test_doctor_says_that_a_group_is_nobody(self):
        a, _, one, _ = self.pair(echo=False)
        a.ask("binding.add", protocol="Echo", access=["member", "group:friends"])
        found = self.doctor(one.home, 0)["alice Echo/default"]
        self.assertEqual(found["state"], "warn", found)
        self.assertIn("group:friends", found["found"])

    def test_doctor_sees_a_home_that_was_moved(self):
        _, _, one, _ = self.pair()
        moved = self.home("moved")
        os.rename(one.home, moved)
        self.addCleanup(os.rename, moved, one.home)
        found = self.doctor(moved, 1)["daemon's home"]
        self.assertEqual(found["state"], "bad", found)
        self.assertIn(one.home, found["found"])

    def test_doctor_and_what_a_daemon_left_behind(self):
        one = self.start("alice")
        one.kill()
        os.chmod(one.home + "/daemon.sock", 0o755)
        checks = self.doctor(one.home, 0)
        self.assertIn("replaces it", checks["socket"]["found"])
        self.assertIn("kith daemon --home '%s' --detach" % one.home, checks["daemon"]["advice"])

    def test_doctor_reads_ports_and_places_whole(self):
        a, _, one, _ = self.pair()
        port = one.address().rsplit(":", 1)[1]
        with open(one.home + "/port", "w") as file:
            file.write(port[:-1] + "\n")
        os.unlink(one.home + "/keys/alice.key")
        a.ask("reload")
        checks = self.doctor(one.home, 1)
        self.assertEqual(checks["port"]["state"], "warn", checks["port"])
        self.assertIn("alice.key is not there", checks["identity alice"]["found"])
        self.assertNotIn("file", checks)
        with open(one.home + "/port", "w") as file:
            file.write(port + "\n")
        self.assertEqual(self.doctor(one.home, 1)["port"]["state"], "ok")

    def test_doctor_knows_what_keeps_a_daemon_from_starting(self):
        home = self.start("alice").home
        self.daemons[-1].stop()
        there = sorted(os.listdir(home))
        self.assertEqual(self.doctor(home, 0)["start"]["state"], "ok")
        self.assertEqual(sorted(os.listdir(home)), there)

        def written(name, text):
            def change():
                with open(os.path.join(home, name), "w") as file:
                    file.write(text)
            return change

        def opened(name, mode):
            return lambda: os.chmod(os.path.join(home, name), mode)

        damages = [(name, opened(name, 0o755), opened(name, 0o700)) for name in ("", "keys", "identities", "logs", "data", "deleted", "plugins")]
        damages.append(("keys/daemon.secret", opened("keys/daemon.secret", 0o644), opened("keys/daemon.secret", 0o600)))
        damages.append(("kith.yaml:1:1", written("kith.yaml", "nonsense: 1\n"), written("kith.yaml", "")))
        damages.append(("port", written("port", "many"), written("port", "4433\n")))
        damages.append(("daemon.lock", lambda: (os.unlink(home + "/daemon.lock"), os.mkdir(home + "/daemon.lock")), lambda: os.rmdir(home + "/daemon.lock")))
        damages.append(("daemon.sock", written("daemon.sock", ""), lambda: os.unlink(home + "/daemon.sock")))
        damages.append(("kith.yaml:1:29", written("kith.yaml", 'listen: ["127.0.0.1:40999", "127.0.0.1:40999"]\n'), written("kith.yaml", "")))
        for name, damage, mend in damages:
            damage()
            checks = self.doctor(home, 1)
            self.assertEqual(checks["start"]["state"], "bad", name)
            self.assertIn(os.path.join(home, name).rstrip("/"), checks["start"]["found"])
            refused = subprocess.run([BUILD + "/bin/kithd", "--home", home], capture_output=True, text=True, timeout=60)
            self.assertIn(checks["start"]["found"], refused.stderr)
            mend()
            self.assertEqual(self.doctor(home, 0)["start"]["state"], "ok", name)
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        for address in ("192.0.2.1:5000", "127.0.0.1:%d" % taken.getsockname()[1]):
            written("kith.yaml", 'listen: ["%s"]\n' % address)()
            found = self.doctor(home, 1)["start"]["found"]
            self.assertIn("cannot listen on " + address, found)
            self.assertIn(found, subprocess.run([BUILD + "/bin/kithd", "--home", home], capture_output=True, text=True, timeout=60).stderr)
        written("kith.yaml", 'listen: ["127.0.0.1:0"]\n')()
        written("port", "many")()  # nobody reads it
        self.assertEqual(self.doctor(home, 0)["start"]["state"], "ok")
        self.start("alice", listen=None)
        self.assertEqual(self.doctor(home, 0)["start"]["state"], "ok", "its own sockets are not in its way")
        self.daemons[-1].stop()
        with open(home + "/state.db", "r+b") as file:
            file.write(b"this is no database at all")
        self.assertIn("state.db", self.doctor(home, 1)["start"]["found"])

    def test_doctor_names_a_file_once(self):
        a, _, one, _ = self.pair(echo=False)
        a.ask("identity.create", name="carol")
        a.ask("identity.create", name="dora")
        os.rename(one.home + "/identities/alice.yaml", one.home + "/alice.yaml")
        os.unlink(one.home + "/keys/carol.key")
        with open(one.home + "/identities/dora.yaml", "a", encoding="utf-8") as file:
            file.write("nonsense: 1\n")
        with open(one.home + "/plugins/junk.so", "w", encoding="utf-8") as file:
            file.write("junk")
        self.assertTrue(a.data("reload")["errors"])
        checks = json.loads(self.kith(one.home, "doctor", "--json").stdout)["checks"]
        with open(one.home + "/identities/dora.yaml", encoding="utf-8") as file:
            place = "dora.yaml:%d:1: " % len(file.readlines())
        for what in ("alice.yaml", "carol.key", place):
            rows = [check["what"] for check in checks if what in check["found"]]
            self.assertEqual([check["what"] for check in checks if "junk.so" in check["found"]], ["plugin"])
            self.assertEqual(rows, ["file" if what.startswith("dora") else "identity " + what.split(".")[0]], checks)

    def test_doctor_without_a_home(self):
        checks = self.doctor(self.home("nowhere"), 0)
        self.assertEqual((checks["home"]["state"], checks["daemon"]["state"]), ("warn", "warn"))
        self.assertFalse(os.path.exists(self.home("nowhere")))

    def test_a_daemon_without_gso(self):
        a, _, one, _ = self.pair(environment={"LD_PRELOAD": os.path.join(BUILD, "lib", "libkith_no_gso.so"),
                                              "ASAN_OPTIONS": "verify_asan_link_order=0"})
        self.assertEqual(a.data("health")["gso"], False)
        self.assertEqual(self.doctor(one.home, 0)["GSO of the daemon"]["state"], "warn")
        a.ask("ping", peer="bob")


if __name__ == "__main__":
    unittest.main()
