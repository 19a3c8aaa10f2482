# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of plugins for their owner: the request `local`, `kith NOUN VERB`, and what subscribers hear of bindings."""
import os
import subprocess
import unittest

from harness import BUILD, PATIENCE, Case


class Local(Case):
    def kith(self, daemon, *arguments, **options):
        program = [os.path.join(BUILD, "bin", "kith"), "--home", daemon.home]
        return subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=PATIENCE, **options)

    def test_a_command_is_answered_like_a_call(self):
        _, a = self.notes()
        answer = a.ask("local", protocol="Notes", command="echo", raw='{"b":1.50,"a":[1e2],"a":2}')
        self.assertIn(b'"data":{"b":1.50,"a":[1e2],"a":2}', answer["line"])
        self.assertEqual(a.ask("local", identity="alice", protocol="Notes", command="echo", octets=b"\0\n\xff")["octets"], b"\0\n\xff")
        a.ask("local", protocol="Notes", command="add", octets=b"1234")
        self.assertEqual(a.data("local", protocol="Notes", command="count", raw="{}"), {"octets": 5, "role": "owner"})
        asked = [a.send("local", protocol="Notes", command="echo", raw=str(n)) for n in range(100)]
        self.assertEqual([a.answer(id)["data"] for id in asked], list(range(100)))
        large = "x" * 900_000
        self.assertEqual(a.ask("local", protocol="Notes", command="echo", octets=large.encode())["octets"], large.encode())

    def test_every_refusal_has_its_code(self):
        _, a = self.notes()
        for code, fields in (("unknown_command", {"command": "forget"}), ("unknown_command", {"command": "push"}), (1234, {"command": "refuse"}),
                             ("unknown_protocol", {"protocol": "Note", "command": "add"}), ("unknown_alias", {"alias": "x", "command": "add"}),
                             ("unknown_identity", {"identity": "zoe", "command": "add"}), ("timeout", {"command": "sleep", "timeout_ms": 50}),
                             ("too_large", {"command": "add", "octets": b"x" * (1 << 20) + b"x"})):
            text = self.refused(code, a.ask, "local", **{"protocol": "Notes", **fields})
            if fields["command"] == "push":
                self.assertIn("kith call alice PEER Notes --command push", text)
        a.ask("binding.disable", protocol="Notes")
        self.assertIn("disabled", self.refused("offline", a.ask, "local", protocol="Notes", command="add"))
        a.ask("identity.offline", drain="now")
        self.assertIn("identity-online", self.refused("offline", a.ask, "local", protocol="Notes", command="add"))

    def test_cancelled_and_left_alone(self):
        daemon, a = self.notes()
        asked = a.send("local", protocol="Notes", command="sleep")
        a.ask("cancel", request=asked)
        self.assertEqual(a.answer(asked)["code"], "cancelled")
        other = daemon.client()
        other.send("local", protocol="Notes", command="sleep")
        other.ask("hello")  # it was read
        other.close()
        a.ask("identity.offline", drain="wait")  # waits for nobody: who has gone has no command under way
        self.assertEqual(a.data("identity.show")["bindings"][0]["state"], "offline")

    def test_offline_ends_what_runs(self):
        _, a = self.notes()
        asked = a.send("local", protocol="Notes", command="sleep")
        a.ask("local", protocol="Notes", command="count")
        a.ask("identity.offline", drain="now")
        self.assertEqual(a.answer(asked)["code"], "shutting_down")

    def test_peers_may_name_what_is_for_them(self):
        _, a = self.notes(access=["public"])
        two = self.start("bob")
        b = self.client_of(two)
        b.ask("identity.create", name="bob", online=True)
        self.introduce(a, b, role="owner")
        for command in ("add", "forget"):
            self.refused("unknown_command", b.ask, "call", target="alice", protocol="Notes", command=command)
        self.assertEqual(b.data("call", target="alice", protocol="Notes", command="count", raw="{}"), {"octets": 0, "role": "owner"})
        self.assertEqual(a.data("local", protocol="Notes", command="count", raw="{}")["octets"], 0)

    def test_a_provider_takes_any_command_of_its_owner(self):
        daemon = self.start("alice")
        a = self.client_of(daemon)
        a.ask("identity.create", name="alice", online=True)
        served = self.provider(a)
        asked = a.send("local", protocol="Prov", command="tidy", data={"all": True})
        incoming = a.event(served, "incoming")
        self.assertEqual({k: incoming[k] for k in ("kind", "peer", "peer_name", "role", "command", "data")},
                         {"kind": "call", "peer": a.data("identity.show")["id"], "peer_name": "alice", "role": "owner", "command": "tidy", "data": {"all": True}})
        a.ask("reply", **{"call": incoming["call"]}, data=[1])
        self.assertEqual(a.answer(asked)["data"], [1])
        asked = a.send("local", protocol="Prov", command="tidy")
        a.event(served, "incoming")
        a.ask("cancel", request=served)
        self.assertEqual(a.answer(asked)["code"], "plugin_failed")
        self.refused("offline", a.ask, "local", protocol="Prov", command="tidy")

    def states(self, client, id, last):
        """The states that a subscriber hears of, up to `last`."""
        heard = []
        while not heard or heard[-1][0] != last:
            data = client.event(id, "topic")["data"]
            heard.append((data["state"], data.get("error", "")))
        return heard

    def test_a_subscriber_hears_of_a_binding(self):
        _, a = self.notes()
        id = a.ask("subscribe", topics=["instance:alice/Notes"])["id"]
        a.ask("binding.disable", protocol="Notes")
        self.assertEqual(self.states(a, id, "stopped"), [("draining", ""), ("stopped", "")])
        a.ask("binding.enable", protocol="Notes")
        self.assertEqual(self.states(a, id, "running"), [("starting", ""), ("running", "")])
        id = a.ask("subscribe", topics=["instance:alice/Notes/other"])["id"]
        self.refused("plugin_failed", a.ask, "binding.add", protocol="Notes", alias="other", config={"broken": 1})
        heard = self.states(a, id, "failed")
        self.assertEqual(heard[0][0], "starting")
        self.assertIn("the notes are broken", heard[-1][1])

    def test_the_command(self):
        daemon, _ = self.notes()
        done = self.kith(daemon, "note", "echo", '{"b":1.50}')
        self.assertEqual((done.returncode, done.stdout), (0, '{"b":1.50}\n'), done.stderr)
        self.assertEqual(self.kith(daemon, "note", "add", "alice", "-", input="7").returncode, 0)
        self.assertEqual(self.kith(daemon, "note", "count", "alice").stdout, '{"octets":2,"role":"owner"}\n')
        self.assertEqual(self.kith(daemon, "note", "refuse").returncode, 1)
        self.assertEqual(self.kith(daemon, "note", "count", "--alias", "x").returncode, 104)
        self.assertIn("note sleep", self.kith(daemon, "note", "--help").stdout)
        wrong = self.kith(daemon, "note", "cont")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("did you mean `count`?", wrong.stderr)
        self.assertIn("note count", self.kith(daemon, "list-protocols").stdout)
        daemon.stop()
        gone = self.kith(daemon, "note", "count")
        self.assertEqual((gone.returncode, gone.stdout), (2, ""))
        self.assertIn("there is no command `note`", gone.stderr)


if __name__ == "__main__":
    unittest.main()
