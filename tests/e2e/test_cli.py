# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as a person or a script uses it: texts, exit codes, --json, terminals."""
import base64
import fcntl
import json
import os
import pty
import re
import resource
import socket
import struct
import subprocess
import termios
import threading
import unittest

from harness import BUILD, PATIENCE, Case

KITH = os.path.join(BUILD, "bin", "kith")


class Cli(Case):
    def kith(self, home, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL) if "input" not in options else None
        options.setdefault("stdout", subprocess.PIPE)
        return subprocess.run([KITH, "--home", getattr(home, "home", home), *arguments], stderr=subprocess.PIPE, timeout=PATIENCE, **options)

    def says(self, code, home, *arguments, **options):
        """What it prints on standard error, with that exit code."""
        done = self.kith(home, *arguments, **options)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done.stderr.decode()

    def prints(self, home, *arguments, **options):
        done = self.kith(home, *arguments, **options)
        self.assertEqual(done.returncode, 0, (arguments, done.stderr))
        return done.stdout.decode()

    def on_terminal(self, columns, home, *arguments):
        """What a terminal of so many columns gets."""
        outer, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([KITH, "--home", home.home, *arguments], stdin=subprocess.DEVNULL, stdout=inner, stderr=inner,
                                   env={**os.environ, "TERM": "dumb"})
        os.close(inner)
        text = b""
        while True:
            try:
                part = os.read(outer, 65536)
            except OSError:  # the other end is gone
                break
            text += part
            if not part:
                break
        os.close(outer)
        process.wait(PATIENCE)
        return text.replace(b"\r\n", b"\n").decode()

    # --- texts

    def test_errors_name_the_peer_and_what_to_do(self):
        a, b, one, two = self.pair()
        id = a.data("identity.show")["id"]
        called = "alice (%s…)" % id[:4]
        a.ask("peer.role", peer="bob", role="public")
        a.ask("binding.configure", protocol="Echo", access=["member"])
        for arguments in (("call", "alice", "Echo", '{"message":"x"}'), ("stream", "alice", "Echo")):
            denied = self.says(109, two, *arguments)
            self.assertIn(called + ": denied", denied)
            self.assertIn("kith peer role", denied)
            self.assertNotIn(id, denied)
        self.assertIn(called, json.loads(self.says(109, two, "call", "alice", "Echo", "1", "--json"))["error"]["text"])
        a.ask("peer.role", peer="bob", role="member")
        a.ask("binding.configure", protocol="Echo", access=[])
        self.assertIn("`access` and `deny`", self.says(109, two, "call", "alice", "Echo", "1"))  # a role would not help
        a.ask("identity.offline")
        for arguments in (("call", "alice", "Echo", "1"), ("stream", "alice", "Echo")):
            offline = self.says(110, two, *arguments)
            self.assertIn(called, offline)
            self.assertNotIn(id, offline)
        b.ask("peer.remove", peer="alice")  # a peer without a name is called by its id
        self.assertIn(id, self.says(113, two, "call", id, "Echo", "1"))

    def test_wrong_words(self):
        a, b, one, two = self.pair()
        role = self.says(2, one, "peer", "role", "alice", "bob")
        self.assertIn("no role `bob`", role)
        self.assertIn("[IDENTITY] PEER ROLE", role)
        self.assertIn("ROLE is missing", self.says(2, one, "peer", "role", "bob"))
        self.assertIn("PEER and ROLE are missing", self.says(2, one, "peer", "role"))
        a.ask("identity.create", name="carol")
        missing = "is the ticket missing? kith peer add [IDENTITY] NAME TICKET"
        self.assertIn(missing, self.says(101, one, "peer", "add", "carol", "dora"))
        self.assertNotIn(missing, self.says(101, one, "peer", "add", "carol", "dora", "emil"))
        self.assertNotIn(missing, self.says(101, one, "peer", "add", "dora", "kith:emil"))
        a.ask("identity.delete", identity="carol")
        self.assertIn("did you mean `--protocol Echo`", self.says(2, one, "add-protocol", "alice", "Echo"))
        self.assertIn("--protocol takes one value", self.says(2, one, "add-protocol", "alice", "--protocol"))
        self.assertIn("a word is empty", self.says(2, one, "create-identity", ""))
        self.assertIn("a word is empty", self.says(2, one, "rename-identity", "alice", ""))
        self.assertIn("did you mean `close`", self.says(2, one, "pool", "clos"))
        self.assertIn("did you mean `add`", self.says(2, one, "peer", "ad"))
        self.assertIn("not JSON", self.says(2, two, "call", "alice", "Echo", ""))
        self.assertIn("not JSON", self.says(2, two, "call", "bob", "alice", "Echo", ""))
        self.assertIn("peer `Echo`, protocol `1`, from `bob`", self.says(2, two, "call", "bob", "Echo", "1"))  # three words, the first an identity
        self.assertEqual(json.loads(self.prints(one, "peer", "--json", "list"))["identity"], "alice")  # options go anywhere

    def test_texts_name_the_way_on(self):
        one = self.start("home")
        c = self.client_of(one)
        for number in range(20):
            c.ask("identity.create", name="i%02d" % number)
        self.assertIn("there are several identities (i00, i01, i02, i03, i04, i05, i06, i07 and 12 more)", self.says(101, one, "ticket"))
        self.assertIn("kith list-identities", self.says(108, one, "show-identity", "nobody"))
        self.assertIn("i00 is what it is called already", self.says(101, one, "rename-identity", "i00", "i00"))
        id, other = (c.data("ticket", identity=name)["id"] for name in ("i01", "i02"))
        c.ask("peer.add", identity="i00", name="anna", peer=id)
        self.assertIn("kith peer rename", self.says(101, one, "peer", "add", "i00", "anna", other))
        self.assertIn("did you mean `peer`", self.says(2, one, "peers"))
        self.assertIn("-n", self.says(2, one, "logs", "-n", "abc"))
        long = self.says(2, one, "x" * 100000)
        self.assertIn("there is no command `xxx", long)
        self.assertLess(len(long), 500)
        good = self.prints(one, "config", "check")
        self.assertEqual(good, "good: 21 files\n")
        self.assertEqual(self.prints(one, "config", "check", one.home + "/kith.yaml"), "good: %s/kith.yaml\n" % one.home)

    def test_mistakes_are_placed_without_a_daemon_as_well(self):
        one = self.start("in: 1:2: here")  # what looks like a place in a path is none
        one.stop()
        with open(one.home + "/kith.yaml", "w", encoding="utf-8") as file:
            file.write("\nmax_packet: 7B\nnameless: nobody\n")
        done = self.kith(one, "config", "check", "--json")
        self.assertEqual(done.returncode, 101, done.stderr)
        (error,) = json.loads(done.stdout)["errors"]
        self.assertEqual((error["file"], error["line"], error["column"]), (one.home + "/kith.yaml", 2, 13))
        self.assertTrue(error["text"].startswith("max_packet: '7B' is out of range"), error)
        alone = subprocess.run([BUILD + "/bin/kithd", "--home", one.home, "--check", "--json"], stdout=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual((alone.returncode, alone.stdout), (1, done.stdout))
        with open(one.home + "/kith.yaml", "w", encoding="utf-8") as file:
            file.write("\nmax_packet: 7B\nidle_timeout: never\n")
        both = json.loads(self.kith(one.home, "config", "check", "--json").stdout)["errors"]
        self.assertEqual([error["line"] for error in both], [2, 3])
        with open(one.home + "/kith.yaml", "w", encoding="utf-8") as file:
            file.write("\nnameless: nobody\n")
        again = self.start("in: 1:2: here")
        self.assertIn("kith.yaml:2:11: nameless: there is no identity", again.wait_log("nameless"))

    def test_a_start_without_descriptors_says_so(self):
        home = self.start("home").home
        self.daemons[-1].stop()
        for most in (9, 14, 20, 63, 64):
            done = self.kith(home, "daemon", "--detach", "--listen", "127.0.0.1:0", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
            if most < 64:
                self.assertIn("at most %d files may be open here, a daemon needs 64" % most, done.stderr.decode(), done)
            else:
                self.assertEqual(done.returncode, 0, done)
                self.prints(home, "stop", "--now")

    def test_kithd_and_kith_agree_where_the_home_is(self):
        others = {name: value for name, value in os.environ.items() if name not in ("HOME", "KITH_HOME")}

        def run(program, word, **variables):
            return subprocess.run([BUILD + "/bin/" + program, word], env={**others, **variables}, cwd=self.folder, capture_output=True, text=True,
                                  timeout=PATIENCE)

        user, chosen = self.folder + "/user", self.folder + "/chosen"
        for home in (user + "/.kith", chosen):
            os.makedirs(home, 0o700)
            with open(home + "/kith.yaml", "w", encoding="utf-8") as file:
                file.write("mistake: 1\n")
        for home, variables in ((user + "/.kith", {"HOME": user}), (user + "/.kith", {"HOME": user + "/", "KITH_HOME": ""}),
                                (chosen, {"HOME": user, "KITH_HOME": chosen + "/"}), (chosen, {"HOME": "", "KITH_HOME": "chosen"})):
            self.assertIn(home + "/kith.yaml:1:", run("kithd", "--check", **variables).stdout)
            self.assertIn("no daemon at %s: " % home, run("kith", "status", **variables).stderr)
        for variables in ({}, {"HOME": ""}):  # it is the system's then, where a test has nothing to look for: that there is one has to do
            done = run("kithd", "--version", **variables)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_closing_what_is_not_there(self):
        a, b, one, two = self.pair()
        self.assertIn("no connection to bob", self.says(0, one, "pool", "close", "bob"))
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        self.assertIn("closed 1", self.prints(one, "pool", "close", "bob"))

    def test_half_of_a_surrogate_pair_is_no_json(self):
        a, b, one, two = self.pair()
        for half in (r'"\ud800"', r'"\udc00"', r'"\ud800\u0041"', r'{"\udfff":1}'):
            self.assertIn("half of a surrogate pair", self.says(2, two, "call", "alice", "Echo", half))
            b.send("call", target="alice", protocol="Echo", raw=half)
            answer = b.answer("")  # the line is no JSON, so nobody knows whose it was
            self.assertEqual(answer["code"], "bad_request")
            self.assertIn("half of a surrogate pair", answer["data"])
        self.assertEqual(json.loads(self.prints(two, "call", "alice", "Echo", r'{"message":"\ud83d\ude00"}')), {"echoed": "\U0001f600"})

    def test_every_command_and_noun_has_help(self):
        commands = self.commands()
        self.assertIn("peer add", commands)
        for name in commands + sorted({name.split()[0] for name in commands if " " in name}):
            text = self.prints("/nowhere", *name.split(), "--help")
            self.assertIn("Usage: kith " + name, text)
            self.assertRegex(text, r"Examples:\n +kith|Examples:\n +\w", name)
        self.assertIn("peer rename", self.prints("/nowhere", "help", "peer"))
        self.assertIn("kith peer rename [IDENTITY] PEER NEWNAME", self.prints("/nowhere", "help", "peer", "rename"))
        page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/man/kith.1")
        with open(page, encoding="utf-8") as file:
            manual = file.read().replace("\\-", "-")
        for name in commands:
            self.assertRegex(manual, r'(?m)^\.B "?%s[ "\n]' % re.escape(name), "the manual page")

    def commands(self):
        text = self.prints("/nowhere", "--help")
        part = text[: text.index("Everywhere:")]
        return re.findall(r"(?m)^  ([a-z-]+(?: [a-z-]+)?)(?:  | (?=[a-z]+ ))", part)

    def test_a_broken_file_is_told_once(self):
        a, b, one, two = self.pair()
        with open(os.path.join(one.home, "identities", "alice.yaml"), "w", encoding="utf-8") as file:
            file.write("online: maybe\n")
        self.says(101, one, "reload")
        done = self.kith(one, "status")
        self.assertEqual((done.stdout + done.stderr).decode().count("is missing"), 1, done)
        self.assertIn("plugins  Echo", done.stdout.decode())

    # --- keys

    def test_a_key_goes_through_pipes(self):
        a, b, one, two = self.pair()
        folder = {"cwd": self.folder}
        key = self.prints(one, "export-identity", "alice", "-", **folder)
        self.assertIn("BEGIN PRIVATE KEY", key)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "-")))
        self.assertIn("--json has no room", self.says(2, one, "export-identity", "alice", "-", "--json"))
        self.assertNotIn("PRIVATE", self.on_terminal(80, one, "export-identity", "alice", "-"))
        self.prints(two, "import-identity", "twin", "-", input=key.encode())
        self.assertEqual(a.data("identity.show")["id"], b.data("identity.show", identity="twin")["id"])
        self.says(101, two, "import-identity", "other", "-", input=b"x" * 100_000)

    # --- outputs

    def test_an_output_that_fails_is_one_exit_code(self):
        a, b, one, two = self.pair()
        with open("/dev/full", "wb") as full:
            for arguments in (("status",), ("--help",), ("peer", "--help"), ("logs",), ("ticket",), ("call", "alice", "Echo", '{"message":"x"}'), ("status", "--json"),
                              ("export-identity", "bob", "-"), ("list-identities",)):
                self.assertIn("the output can't be written", self.says(120, two, *arguments, stdout=full), arguments)
            self.assertIn("the output can't be written", self.says(120, two, "stream", "alice", "Echo", input=b"octets", stdout=full))

    def test_a_reader_that_has_enough_is_no_error(self):
        a, b, one, two = self.pair()
        for line in ("--help | head -n 1", "logs | head -n 1", "stream alice Echo < /dev/zero | head -c 1 | wc -c", "status | true"):
            done = subprocess.run(["sh", "-c", '"$0" --home "$1" ' + line, KITH, two.home], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, timeout=PATIENCE)
            self.assertEqual((done.returncode, done.stderr), (0, b""), line)

    def test_log_lines(self):
        a, b, one, two = self.pair()
        self.assertEqual(self.prints(one, "logs", "-n", "0"), "")
        self.assertEqual(self.prints(one, "logs", "-n", "1").count("\n"), 1)
        self.assertEqual(json.loads(self.prints(one, "logs", "-n", "0", "--json"))["lines"], [])

    def test_an_error_is_one_write(self):
        for command in ([KITH, "--home", self.home("none"), "status"], [KITH, "--home", self.home("none"), "status", "--json"],
                        [BUILD + "/bin/kithd", "--home", "/dev/null/none"], [BUILD + "/bin/kithd", "--home", "/dev/null/none", "--json"]):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # a packet for each write
            with ours:
                with theirs:
                    self.assertGreater(subprocess.run(command, stderr=theirs, timeout=PATIENCE).returncode, 0)
                written = [ours.recv(65536), ours.recv(65536)]
            self.assertRegex(written[0], rb"(?s)\Akithd?: .*\n\Z|\A\{.*\}\n\Z")
            self.assertEqual(written[1], b"", command)

    # --- json

    def test_every_command_has_json(self):
        home = self.home("json")
        key = os.path.join(self.folder, "k.key")
        said = json.loads(self.prints(home, "daemon", "--detach", "--listen", "127.0.0.1:0", "--json"))
        self.addCleanup(self.kith, home, "stop", "--now")
        self.assertEqual(said["home"], home)
        self.assertEqual(len(said["listen"]), 1)
        ran = {"daemon", "stop", "call", "stream"}

        def value(name, *arguments, code=0):
            ran.add(name)
            done = self.kith(home, *name.split(), *arguments, "--json")
            self.assertEqual(done.returncode, code, (name, done.stderr))
            return json.loads(done.stdout)

        self.assertEqual(value("create-identity", "alice", "--online")["state"], "online")
        self.assertEqual(value("create-identity", "bob", "--online")["name"], "bob")
        self.assertEqual(len(value("list-identities")["identities"]), 2)
        self.assertIn("Echo", [each["protocol"] for each in value("list-protocols")["protocols"]])
        self.assertEqual(value("add-protocol", "alice", "--protocol", "Echo", "--access", "public")["state"], "running")
        self.assertEqual(value("configure-protocol", "alice", "--protocol", "Echo", "--config", "{}")["protocol"], "Echo")
        self.assertEqual(value("show-identity", "alice")["bindings"][0]["alias"], "default")
        ticket = value("ticket", "alice")["ticket"]
        self.assertTrue(value("peer add", "bob", "al", ticket)["new"])
        self.assertEqual(value("peer rename", "bob", "al", "alice")["name"], "alice")
        self.assertEqual(value("peer role", "bob", "alice", "member")["role"], "member")
        self.assertEqual(value("peer show", "bob", "alice")["role"], "member")
        self.assertEqual(value("peer addresses", "bob", "alice", "--addr", "127.0.0.1:9", "--addr", "127.0.0.1:10")["addresses"], ["127.0.0.1:9", "127.0.0.1:10"])
        self.assertEqual(value("peer addresses", "bob", "alice", "--remove", "127.0.0.1:9")["addresses"], ["127.0.0.1:10"])
        self.assertEqual(len(value("peer list", "bob")["peers"]), 1)
        self.assertEqual(value("call", "bob", "alice", "Echo", '{"message":"x"}'), {"echoed": "x"})
        done = self.kith(home, "call", "bob", "alice", "Echo", "--bytes", "--json", input=b"\xff\x00\x01y")
        self.assertEqual(base64.b64decode(json.loads(done.stdout)["base64"]), b"\xff\x00\x01y")
        self.assertEqual(self.prints(home, "stream", "bob", "alice", "Echo", "--json", input=b"as it is"), "as it is")
        self.assertEqual(len(value("pool")["connections"]), 2)
        self.assertEqual(len(value("pool list", "bob")["connections"]), 1)
        self.assertEqual(value("pool close", "bob", "alice")["closed"], 1)
        self.assertEqual(value("peer remove", "bob", "alice")["name"], "alice")
        self.assertEqual(value("status")["errors"], [])
        self.assertEqual(value("reload")["changed"], [])
        self.assertEqual(value("config check")["errors"], [])
        self.assertTrue(value("logs")["lines"])
        self.assertEqual(value("identity-offline", "bob")["state"], "offline")
        self.assertEqual(value("identity-online", "bob")["state"], "online")
        self.assertEqual(value("rename-identity", "bob", "robert")["name"], "robert")
        self.assertEqual(value("export-identity", "robert", key)["name"], "robert")
        self.assertIn("moved_to", value("delete-identity", "robert", "--yes"))
        self.assertEqual(value("import-identity", "bob", key)["name"], "bob")
        self.assertEqual(value("remove-protocol", "alice", "--protocol", "Echo")["protocol"], "Echo")
        self.assertEqual(list(json.loads(self.prints(home, "--version", "--json"))), ["version"])
        self.assertEqual(json.loads(self.prints(home, "stop", "--json")), {})
        elsewhere = {"ping", "trace", "doctor"}  # they have tests of their own
        self.assertEqual(set(self.commands()) - ran - elsewhere, set(), "commands that this test does not run")

    def test_every_error_has_json(self):
        def error(code, *arguments, **options):
            done = self.kith(self.home("none"), *arguments, "--json", **options)
            self.assertEqual((done.returncode, done.stdout), (code, b""), (arguments, done.stderr))
            self.assertEqual(done.stderr.count(b"\n"), 1)
            found = json.loads(done.stderr)
            self.assertEqual((list(found), list(found["error"])), (["error"], ["code", "text"]))
            return found["error"]["code"]

        self.assertEqual(error(2), "bad_request")
        for wrong in (("cal",), ("peer",), ("peer", "ad"), ("call",), ("call", "a", "--alais", "x"), ("logs", "-n", "x"), ("logs", "-f"), ("status", "too", "much"),
                      ("daemon", "--listen", "nowhere"), ("delete-identity", "a"), ("pool", "clos"), ("call", "b", "E", "--timeout", "0s")):
            self.assertEqual(error(2, *wrong), "bad_request", wrong)
        for name in self.commands():
            if name in ("daemon", "logs", "doctor"):
                continue
            words = "pool" if name == "pool" else re.search(r"Usage: kith (.*?)( --|$)", self.prints("/nowhere", *name.split(), "--help"), re.MULTILINE).group(1)
            words = [w.lower() for w in re.sub(r"\[\w+\]", "", words).split()]
            more = {"add-protocol": ["--protocol", "Echo"], "remove-protocol": ["--protocol", "Echo"], "delete-identity": ["--yes"], "peer role": [],
                    "configure-protocol": ["--protocol", "Echo", "--disable"], "peer addresses": ["--remove", "127.0.0.1:9"]}.get(name, [])
            words = ["member" if w == "role" and words[1] == "role" and i > 1 else w for i, w in enumerate(words)]
            if name == "import-identity":
                words[-1] = os.path.join(self.folder, "x.key")
                os.close(os.open(words[-1], os.O_CREAT, 0o600))
            if name not in ("ping", "trace"):
                self.assertEqual(error(113, *words, *more), "unreachable", name)
        with open(self.home("file"), "w", encoding="utf-8"):
            pass
        done = self.kith(self.home("file") + "/below", "daemon", "--json")
        self.assertIn("error", json.loads(done.stderr))

    def test_config_check_without_a_daemon(self):
        home = self.start("home").home
        self.daemons[-1].stop()
        self.assertIn("nothing in the home keeps it from starting", self.says(113, home, "config", "check"))
        self.assertNotIn("keeps it from", self.says(113, home, "config", "check", home + "/kith.yaml"))
        with open(home + "/kith.yaml", "a", encoding="utf-8") as file:
            file.write("no_such_setting: 1\n")
        self.assertIn("no_such_setting", self.says(101, home, "config", "check"))
        done = self.kith(home, "config", "check", "--json")
        self.assertEqual((done.returncode, done.stderr), (101, b""))
        found = json.loads(done.stdout)
        self.assertEqual([found["files"], len(found["errors"])], [[], 1])
        self.assertIn("no_such_setting", found["errors"][0]["text"])

    # --- terminals

    def test_sixty_columns(self):
        a, b, one, two = self.pair()
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        id = a.data("identity.show")["id"]
        for arguments in (("status",), ("list-identities",), ("show-identity",), ("peer", "list"), ("peer", "show", "bob"), ("pool",), ("identity-online",), ("peer", "role", "bob", "admin"),
                          ("--help",), ("peer", "--help"), ("call", "--help"), ("add-protocol", "--help")):
            for line in self.on_terminal(60, one, *arguments).split("\n"):
                if "/" not in line and not re.search("[0-9a-z]{52}", line):  # paths and ids are copied from there: they are whole
                    self.assertLessEqual(len(line), 60, (arguments, line))
        for columns in (40, 60, 80):
            for arguments in (("show-identity",), ("list-identities",), ("identity-online",), ("status",)):
                self.assertIn(id, self.on_terminal(columns, one, *arguments))
            shown = self.on_terminal(columns, two, "peer", "list")
            self.assertIn(id, shown)
            self.assertIn(a.data("ticket")["addresses"][0], shown)

    def test_nothing_from_outside_steers_a_terminal(self):
        a, b, one, two = self.pair(echo=False)
        served = self.provider(a)
        evil = "\x1b]0;owned\x07\x9b31m\u202e\u200b\x7f"
        answers = [{"text": evil}, {"data": {evil: evil}}] * 2

        def serve():
            for answer in answers:
                call = a.event(served, "incoming")["call"]
                if "text" in answer:
                    a.send("reject", call=call, code=1001, **answer)
                else:
                    a.send("reply", call=call, **answer)

        server = threading.Thread(target=serve)
        server.start()
        for arguments in ((), (), ("--json",), ("--json",)):
            text = self.on_terminal(200, two, "call", "alice", "Prov", "1", *arguments)
            self.assertIn("owned", text)
            self.assertFalse(set(text) & set(evil) - set("]0;owned31m"), text)
            if arguments:
                self.assertIn(evil, str(json.loads(text).get("error", {}).get("text")) + "".join(json.loads(text)))
        server.join(PATIENCE)
        self.assertFalse(set(self.on_terminal(200, two, "call", evil, "Prov", "1")) & set(evil) - set("]0;owned31m"))


if __name__ == "__main__":
    unittest.main()
