# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays the examples of docs/control-socket.md against real daemons: each request as printed (ids, tickets and paths replaced by real ones), each answer
with the members, types, statuses and codes that the page shows."""
import json
import os
import re
import unittest

from harness import Case, as_socket

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/control-socket.md")
EXAMPLE_ID = "35vmm8v1di2j5hlbp0sfljauku4rs33mma906d03jft8mf9mhlgg"
FIXED = ("status", "code", "event", "kind", "state", "role", "protocol", "alias", "mode", "api", "name", "new", "purged", "online", "enabled", "connected")
# What a real answer may have besides, or may lack: parts that depend on the moment.
OPTIONAL = {"address", "rtt_us", "streams", "error", "grants", "deadline_ms", "overruns"}


def examples():
    """Of every id: the request and the lines that the daemon sends for it."""
    found = {}
    with open(PAGE) as file:
        text = file.read()
    for block in re.findall(r"```jsonl\n(.*?)```", text, re.S):
        for line in block.splitlines():
            if line.startswith("> ") and not line.startswith('> {'):
                continue
            message = json.loads(line[2:])
            if "id" not in message:
                continue
            entry = found.setdefault(message["id"], {"request": None, "answers": []})
            if line.startswith("> "):
                entry["request"] = line[2:]
            else:
                entry["answers"].append(message)
    return found


class Examples(Case):
    @classmethod
    def setUpClass(cls):
        cls.examples = examples()

    def same_shape(self, shown, real, where):
        self.assertEqual(type(shown), type(real), where)
        if isinstance(shown, dict):
            if "id" in real and isinstance(real.get("line"), bytes):  # a message: what the harness adds
                real = {k: v for k, v in real.items() if k not in ("line", "octets", "taken")}
            self.assertEqual(set(shown) - OPTIONAL, set(real) - OPTIONAL, where)
            for key in set(shown) & set(real):
                if key in FIXED:
                    self.assertEqual(shown[key], real[key], where + "." + key)
                self.same_shape(shown[key], real[key], where + "." + key)
        elif isinstance(shown, list) and shown and real:
            self.same_shape(shown[0], real[0], where + "[0]")

    def replay(self, client, id, octets=b"", fds=(), **replaced):
        """Sends the request of an example and compares the answer; gives the answer."""
        line = self.examples[id]["request"]
        for old, new in replaced.pop("text", {}).items():
            self.assertIn(old, line)
            line = line.replace(old, new)
        client.send_line(line, octets, fds)
        answer = client.answer(id)
        self.same_shape(self.examples[id]["answers"][0], answer, "answer " + id)
        return answer

    def couple(self):
        """The page's world: alice here knows bob there, and the other way round; both serve Echo."""
        a, b, one, two = self.pair()
        b.ask("binding.add", protocol="Echo", access=["public"])
        return a, b, one, two

    def test_every_example_is_replayed(self):
        with open(__file__) as file:
            text = file.read()
        for id in self.examples:
            if id != "":
                self.assertRegex(text, r'"%s"' % id, "the example with the id %s is replayed nowhere" % id)

    def test_calls(self):
        a, b, _, _ = self.couple()
        a.send_line("nonsense")
        self.assertEqual({k: v for k, v in a.read_message().items() if k != "line"}, self.examples[""]["answers"][0])
        self.assertEqual(self.replay(a, "1")["line"], b'{"id":"1","status":"ok","data":{"echoed":"hi"}}')
        b.ask("binding.configure", protocol="Echo", access=[])
        self.replay(a, "2")
        b.ask("binding.configure", protocol="Echo", access=["public"])
        self.assertEqual(self.replay(a, "3")["data"], self.examples["3"]["answers"][0]["data"])
        self.replay(a, "0")
        self.assertEqual(self.replay(a, "5", octets=b"abc")["octets"], b"abc")
        b.ask("identity.offline")
        self.replay(a, "4", text={EXAMPLE_ID: b.data("identity.show")["id"]})

    def test_streams(self):
        a, b, _, _ = self.couple()
        stream = as_socket(self.replay(a, "6")["taken"][0])
        self.addCleanup(stream.close)
        stream.shutdown(1)
        self.same_shape(self.examples["6"]["answers"][1], a.event("6", "closed"), "closed")
        a.send("call", target="bob", protocol="Echo", octets=b"x", id="4")
        self.assertEqual(a.answer("4")["status"], "ok")
        again = as_socket(self.replay(a, "6")["taken"][0])
        self.addCleanup(again.close)
        a.send_line(self.examples["8"]["request"].replace('"request":"4"', '"request":"6"'))
        self.same_shape(self.examples["8"]["answers"][0], a.answer("8"), "cancel")
        self.same_shape({**self.examples["6"]["answers"][2], "code": "cancelled"}, a.event("6", "closed"), "closed")
        self.replay(a, "7")

    def test_providers(self):
        a, b, _, _ = self.pair(echo=False)
        a.ask("binding.add", protocol="Chat", provider=True, access=["public"])
        self.replay(a, "9")
        shown = {(e.get("event"), e.get("call")): e for e in self.examples["9"]["answers"]}
        asked = b.send("call", target="alice", protocol="Chat", command="say", data={"text": "hi"})
        self.same_shape(shown["incoming", "c1"], a.event("9", "incoming"), "incoming")
        self.replay(a, "10")
        self.assertEqual(b.answer(asked)["data"], {"ok": True})
        a.ask("peer.remove", peer="bob")
        asked = b.send("call", target="alice", protocol="Chat", octets=b"12345")
        self.same_shape(shown["incoming", "c2"], a.event("9", "incoming"), "incoming")
        a.send_line('{"type":"reject","call":"c2","code":1001,"text":"no room"}')
        self.assertEqual((b.answer(asked)["code"]), 1001)
        asked = b.send("call", target="alice", protocol="Chat", octets=b"")
        a.event("9", "incoming")
        b.ask("cancel", request=asked)
        self.same_shape(shown["cancelled", "c3"], a.event("9", "cancelled"), "cancelled")
        self.introduce(a, b)
        asked = b.send("stream", target="alice", protocol="Chat")
        incoming = a.event("9", "incoming")
        self.same_shape(shown["incoming", "c4"], incoming, "incoming")
        a.send_line('{"type":"reply","call":"c4"}')
        far, near = as_socket(incoming["taken"][0]), as_socket(b.answer(asked)["taken"][0])
        for each in (far, near):
            self.addCleanup(each.close)
            each.shutdown(1)
        self.same_shape(shown["closed", "c4"], a.event("9", "closed"), "closed")

    def test_subscriptions_and_local_commands(self):
        a, b, _, _ = self.couple()
        self.replay(a, "11")
        shown = [e for e in self.examples["11"]["answers"] if e.get("event") == "topic"]
        a.ask("call", target="bob", protocol="Echo", data={"message": "x"})
        self.same_shape({**shown[0], "data": {k: v for k, v in shown[0]["data"].items()}}, a.event("11", "topic"), "topic")
        a.ask("identity.offline")
        self.same_shape(shown[1], a.wait(lambda m: m.get("topic") == "identities"), "topic")
        self.same_shape(shown[2], a.wait(lambda m: m.get("data", {}).get("state") == "stopped"), "topic")

    def test_local_commands(self):
        _, a = self.notes()
        self.replay(a, "12")
        self.assertEqual(self.replay(a, "13")["data"], self.examples["13"]["answers"][0]["data"])

    def test_identities(self):
        c = self.client_of(self.start("home"))
        self.replay(c, "20")
        self.replay(c, "21")
        c.ask("binding.add", protocol="Echo", config={"max_length": 1000}, access=["public"])
        self.replay(c, "22")
        path = self.home("key.pem")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self.addCleanup(os.close, fd)
        c.ask("identity.offline")
        self.replay(c, "27", fds=[fd])
        c.ask("identity.online")
        self.replay(c, "25")
        self.replay(c, "26")
        c.ask("identity.online")
        self.replay(c, "23")
        self.replay(c, "24")
        os.lseek(fd, 0, os.SEEK_SET)
        self.replay(c, "28", fds=[fd])

    def test_bindings(self):
        c = self.client_of(self.start("home"))
        c.ask("identity.create", name="alice", online=True)
        self.replay(c, "30")
        self.replay(c, "31", text={"max_length: 1000": "max_length: -5"})
        self.replay(c, "32")
        c.send_line(self.examples["33"]["request"])
        c.answer("33")
        self.until(lambda: c.data("identity.show")["bindings"][0]["state"] == "disabled", "drained")
        self.replay(c, "33")
        self.replay(c, "34")
        self.replay(c, "35")
        self.replay(c, "36")

    def test_peers(self):
        a, b, _, _ = self.pair()
        a.ask("peer.remove", peer="bob")
        self.replay(a, "40")
        ticket = b.data("ticket")
        self.replay(a, "41", text={"kith:04g20": ticket["ticket"], "127.0.0.1:4433": ticket["addresses"][0]})
        a.ask("binding.configure", protocol="Echo", access=["member"])
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        self.replay(a, "42")
        b.ask("identity.offline", drain="now")
        self.until(lambda: not a.data("peer.show", peer="bob")["connected"], "gone")
        for id in ("43", "44", "45", "47", "48", "46"):
            self.replay(a, id)

    def test_looking(self):
        a, _, _, _ = self.couple()
        self.replay(a, "60")
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        self.addCleanup(os.close, folder)
        self.replay(a, "61", fds=[folder])
        a.ask("cancel", request="61")
        self.same_shape(self.examples["61"]["answers"][1], a.event("61", "traced"), "traced")
        self.replay(a, "62")

    def test_the_daemon(self):
        a, b, one, _ = self.couple()
        a.ask("call", target="bob", protocol="Echo", data={"message": "x"})
        self.replay(a, "50")
        file = one.home + "/identities/alice.yaml"
        with open(file) as text:
            good = text.read()
        with open(file, "a") as out:
            out.write("# by hand\n")
        self.replay(a, "51")
        with open(file, "a") as out:
            out.write("bindings: []\n")
        answer = self.replay(a, "52", text={"/home/ann/.kith/identities/alice.yaml": file})
        self.assertEqual(len(answer["data"]["errors"]), 1)
        self.replay(a, "54")
        self.replay(a, "55")
        self.replay(a, "53")
        self.assertEqual(one.wait(), 0)


if __name__ == "__main__":
    unittest.main()
