# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
import pty
import socket
import subprocess
import unittest

from harness import BUILD, PATIENCE, Case, as_socket


class Command(Case):
    """The command kith against real daemons."""

    def kith(self, daemon, *arguments, **options):
        program = [os.path.join(BUILD, "bin", "kith"), "--home", daemon.home]
        return subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=PATIENCE, **options)

    def test_a_closed_standard_input_is_an_end(self):
        _, _, _, two = self.pair()
        line = 'exec "$0" --home "$1" stream bob alice Echo <&-'
        done = subprocess.run(["sh", "-c", line, os.path.join(BUILD, "bin", "kith"), two.home], capture_output=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)

    def test_a_closed_standard_output_takes_nothing(self):
        _, _, _, two = self.pair()
        line = 'exec "$0" --home "$1" status >&-'
        done = subprocess.run(["sh", "-c", line, os.path.join(BUILD, "bin", "kith"), two.home], capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 120, done.stderr)

    def test_logs_end_when_nobody_reads_them(self):
        _, _, one, _ = self.pair()
        program = subprocess.Popen([os.path.join(BUILD, "bin", "kith"), "--home", one.home, "logs", "-f"], stdout=subprocess.PIPE)
        self.addCleanup(program.wait, PATIENCE)
        self.addCleanup(program.kill)
        self.assertTrue(program.stdout.readline())
        program.stdout.close()  # the log itself is quiet
        program.wait(PATIENCE)

    def test_what_a_peer_said_stays_on_one_line(self):
        a, b, _, two = self.pair()
        served = self.provider(a)
        for code, text, shown in ((1001, "no \x1b[31m\nkith: way", "kith: no \\x1b[31m\\x0akith: way (code 1001)\n"),
                                  (1002, "", "kith: (code 1002)\n"),
                                  ("denied", "no\nway", "): no\\x0away\n")):
            program = subprocess.Popen([os.path.join(BUILD, "bin", "kith"), "--home", two.home, "call", "alice", "Prov", "1"],
                                       stderr=subprocess.PIPE, text=True)
            self.addCleanup(program.stderr.close)
            a.ask("reject", call=a.event(served, "incoming")["call"], code=code, text=text)
            said = program.stderr.read()
            self.assertTrue(said.startswith("kith: ") and said.endswith(shown), said)
            self.assertEqual(said.count("\n"), 1)
            self.assertNotEqual(program.wait(PATIENCE), 0)

    def test_a_config_file_that_is_none_changes_nothing(self):
        _, _, one, _ = self.pair()
        self.kith(one, "configure-protocol", "alice", "--protocol", "Echo", "--config", '{"max_length": 77}')
        empty = os.path.join(self.folder, "empty.yaml")
        open(empty, "w").close()
        for path, said in ((self.folder, "is a directory"), (empty, "is empty"), (empty + ".not", "No such file"), ("/dev/zero", "longer than")):
            done = self.kith(one, "configure-protocol", "alice", "--protocol", "Echo", "--config-file", path)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(said, done.stderr)
        with open(os.path.join(one.home, "identities", "alice.yaml"), encoding="utf-8") as file:
            self.assertIn("77", file.read())

    def test_what_is_no_key_is_named(self):
        _, _, one, _ = self.pair()
        done = self.kith(one, "import-identity", "carol", self.folder)
        self.assertIn(self.folder + ": is not a file", done.stderr)
        self.assertNotIn("chmod", done.stderr)
        for octets in (b"", b"hello\n", b"-----BEGIN RSA PRIVATE KEY-----\n", os.urandom(100), os.urandom(100_000)):
            foreign = os.path.join(self.folder, "foreign")
            with open(os.open(foreign, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(octets)
            done = self.kith(one, "import-identity", "carol", foreign)
            self.assertEqual(done.returncode, 101)
            self.assertIn(foreign + ": not a key file: ", done.stderr)
            self.assertIn("a key that kith reads is ", done.stderr)
        done = self.kith(one, "import-identity", "carol", "-", input="hello")
        self.assertIn("standard input: not a key file: ", done.stderr)

    def test_a_folder_is_no_file_to_check(self):
        _, _, one, _ = self.pair()
        for folder in (".", self.folder, "/"):
            done = self.kith(one, "config", "check", folder, cwd=one.home)
            self.assertEqual(done.returncode, 101)
            self.assertIn(" is a folder: name one file, or leave it out to check all files of the home", done.stderr)

    def test_deleting_asks(self):
        a, _, one, _ = self.pair()
        for answer, code in ((b"no\n", 2), (b"y\n", 2), (b"\n", 2), (b"alice\n", 0)):
            self.assertEqual([i["name"] for i in a.data("identity.list")["identities"]], ["alice"])
            outer, inner = pty.openpty()
            os.write(outer, answer)
            done = self.kith(one, "delete-identity", "alice", stdin=inner)
            os.close(inner)
            os.close(outer)
            self.assertEqual(done.returncode, code, (answer, done.stderr))
            self.assertIn("Type its name", done.stderr)
        self.assertEqual(a.data("identity.list")["identities"], [])
        done = self.kith(one, "delete-identity", "alice", stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--yes", done.stderr)

    def test_a_daemon_in_the_foreground(self):
        home = os.path.join(self.folder, "home")
        kith = [os.path.join(BUILD, "bin", "kith"), "--home", home]
        daemon = subprocess.Popen([*kith, "daemon", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for pipe in (daemon.stdout, daemon.stderr):
            self.addCleanup(pipe.close)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        ready = json.loads(daemon.stdout.readline())
        self.assertEqual((ready["pid"], ready["home"], len(ready["listen"])), (daemon.pid, home, 2))
        status = json.loads(subprocess.run([*kith, "status", "--json"], capture_output=True, timeout=PATIENCE, check=True).stdout)
        self.assertEqual((status["pid"], status["listen"]), (ready["pid"], ready["listen"]))
        stopped = subprocess.run([*kith, "stop"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((stopped.returncode, stopped.stdout), (0, "stopped\n"), stopped.stderr)
        self.assertEqual(daemon.wait(PATIENCE), 0)

    def test_a_peers_host_may_be_a_name(self):
        try:
            known = {each[4][0] for each in socket.getaddrinfo("localhost", 1, type=socket.SOCK_DGRAM)}
        except OSError:
            self.skipTest("this system does not know localhost")
        a, b, one, two = self.pair()
        b.ask("peer.remove", peer="alice")
        port = one.address().rsplit(":", 1)[1]
        id = a.data("identity.show")["id"]
        done = self.kith(two, "peer", "add", "bob", "alice", id, "--addr", "localhost:" + port, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({each.rsplit(":", 1)[0].strip("[]") for each in json.loads(done.stdout)["addresses"]}, known)
        if "127.0.0.1" in known:
            self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})
        for wrong in ("localhost", "localhost:", "localhost:0", "localhost:99999", "localhost:x", ":1", "[::1:1", "1:2:3", ""):
            done = self.kith(two, "peer", "add", "bob", "alice", id, "--addr", wrong)
            self.assertIn(done.returncode, (2, 101), (wrong, done.stderr))

    def test_a_call_has_a_timeout(self):
        a, _, _, two = self.pair(echo=False)
        self.provider(a)
        done = self.kith(two, "call", "bob", "alice", "Prov", "1", "--timeout", "200ms")
        self.assertEqual((done.returncode, done.stdout), (121, ""), done.stderr)

    def test_offline_may_wait_for_streams(self):
        a, b, one, _ = self.pair()
        answer = b.ask("stream", target="alice", protocol="Echo")
        stream = as_socket(answer["taken"][0])
        self.addCleanup(stream.close)
        program = subprocess.Popen([os.path.join(BUILD, "bin", "kith"), "--home", one.home, "identity-offline", "alice", "--wait"], stdout=subprocess.PIPE)
        self.addCleanup(program.stdout.close)
        self.until(lambda: a.data("identity.show")["state"] != "online", "offline")
        stream.sendall(b"still here")
        self.assertEqual(stream.recv(20), b"still here")
        self.assertIsNone(program.poll())
        stream.shutdown(1)
        self.assertEqual(program.wait(PATIENCE), 0)
        self.assertEqual(b.event(answer["id"], "closed")["status"], "ok")

    def test_a_config_file_is_taken_with_its_comments(self):
        _, _, one, _ = self.pair(echo=False)
        path = os.path.join(self.folder, "echo.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# short ones\nmax_length: 5   # characters\n")
        done = self.kith(one, "add-protocol", "alice", "--protocol", "Echo", "--config-file", path, "--access", "public", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["config"], {"max_length": 5})
        with open(path, "w", encoding="utf-8") as file:
            file.write("max_length: 5\nmax_lenght: 6\n")
        done = self.kith(one, "configure-protocol", "alice", "--protocol", "Echo", "--config-file", path)
        self.assertEqual(done.returncode, 101)
        self.assertIn("echo.yaml:2:1: ", done.stderr)


class Streams(Case):
    """kith stream against a program that serves: what ends it, and what its ends say."""

    def serving(self):
        """alice serves Prov here, bob's daemon is there: (her client, the id of her serve, his daemon)."""
        a, _, _, two = self.pair(echo=False)
        return a, self.provider(a), two

    def stream(self, daemon, **options):
        program = subprocess.Popen([os.path.join(BUILD, "bin", "kith"), "--home", daemon.home, "stream", "bob", "alice", "Prov"], stderr=subprocess.PIPE,
                                   **options)
        for pipe in (program.stdin, program.stdout, program.stderr):
            if pipe:
                self.addCleanup(pipe.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        return program

    def taken(self, a, served):
        incoming = a.event(served, "incoming")
        far = as_socket(incoming["taken"][0])
        self.addCleanup(far.close)
        a.ask("reply", **{"call": incoming["call"]})
        return far

    def test_a_reset_of_the_peer_is_no_success(self):
        a, served, two = self.serving()
        path = os.path.join(self.folder, "f")
        with open(path, "wb") as out:
            program = self.stream(two, stdin=subprocess.DEVNULL, stdout=out)
            far = self.taken(a, served)
            far.sendall(b"the first half")
            self.until(lambda: os.path.getsize(path) == 14, "what came is in the file")
            far.close()  # without a shutdown: a reset
            self.assertEqual(program.wait(PATIENCE), 115, program.stderr.read())
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"the first half")

    def test_a_daemon_that_goes_is_no_success(self):
        a, served, two = self.serving()
        program = self.stream(two, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.taken(a, served)
        two.kill()
        self.assertEqual(program.wait(PATIENCE), 118, program.stderr.read())

    def test_it_ends_when_both_ends_have(self):
        a, served, two = self.serving()
        program = self.stream(two, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        far = self.taken(a, served)
        far.sendall(b"all that I say")
        far.shutdown(1)
        program.stdin.write(b"and I")
        program.stdin.flush()
        self.assertEqual(far.recv(5), b"and I")
        self.assertIsNone(program.poll())
        program.stdin.close()
        self.assertEqual(program.wait(PATIENCE), 0, program.stderr.read())
        self.assertEqual(program.stdout.read(), b"all that I say")
        self.assertEqual(a.event(served, "closed")["status"], "ok")

    def test_killed_in_mid_upload_is_a_reset(self):
        a, served, two = self.serving()
        program = self.stream(two, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        far = self.taken(a, served)
        program.stdin.write(b"half")
        program.stdin.flush()
        self.assertEqual(far.recv(4), b"half")
        program.kill()
        self.assertEqual(a.event(served, "closed")["code"], "cancelled")

    def test_an_input_that_can_not_be_read_is_no_end(self):
        a, served, two = self.serving()
        folder = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        program = self.stream(two, stdin=folder, stdout=subprocess.PIPE)
        self.taken(a, served)
        closed = a.event(served, "closed")
        self.assertEqual((closed["status"], closed.get("code")), ("error", "cancelled"))
        self.assertEqual(program.wait(PATIENCE), 101)
        self.assertIn("reading the input: ", program.stderr.read().decode())


if __name__ == "__main__":
    unittest.main()
