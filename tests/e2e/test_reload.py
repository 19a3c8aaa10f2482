# SPDX-License-Identifier: GPL-3.0-or-later
"""Reloads that change who is there and where it listens."""
import os
import socket
import unittest

from harness import Case, read, write


class Reloads(Case):
    def file(self, daemon, name):
        return os.path.join(daemon.home, "identities", name + ".yaml")

    def states(self, client):
        return {each["name"]: (each["id"], each["state"]) for each in client.data("identity.list")["identities"]}

    def test_two_identities_change_names(self):
        a, b, one, _ = self.pair()
        carol = a.data("identity.create", name="carol", online=True)["id"]
        alice = a.data("identity.show", identity="alice")["id"]
        for folder, ending in (("identities", ".yaml"), ("keys", ".key")):
            at = [os.path.join(one.home, folder, name + ending) for name in ("alice", "carol", "between")]
            for old, new in ((0, 2), (1, 0), (2, 1)):
                os.rename(at[old], at[new])
        answer = a.data("reload")
        self.assertEqual((answer["changed"], answer["errors"]), (["alice", "carol"], []))
        self.assertEqual(self.states(a), {"alice": (carol, "online"), "carol": (alice, "online")})
        self.assertEqual([peer["name"] for peer in a.data("peer.list", identity="carol")["peers"]], ["bob"])
        self.assertEqual(a.data("peer.list", identity="alice")["peers"], [])
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})  # bob goes by her id
        self.assertEqual(a.data("reload")["changed"], [])

    def test_the_log_has_what_a_reload_did(self):
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        write(one.home + "/kith.yaml", "log_level: info\nrace_delay: 70ms\nplugin_threads: 3\n")
        file = self.file(one, "alice")
        write(file, read(file) + "# mine\n")
        c.ask("reload")
        for text in ("changed: alice", "settings now in force: race_delay", "after a restart: plugin_threads"):
            one.wait_log(text)

    def test_a_name_that_another_takes_over(self):
        a, b, one, _ = self.pair()
        gone = a.data("identity.create", name="carol", online=True)["id"]
        alice = a.data("identity.show", identity="alice")["id"]
        for folder, ending in (("identities", ".yaml"), ("keys", ".key")):
            os.rename(os.path.join(one.home, folder, "alice" + ending), os.path.join(one.home, folder, "carol" + ending))
        answer = a.data("reload")
        self.assertEqual((answer["changed"], answer["errors"]), (["carol"], []))
        self.assertEqual(self.states(a), {"carol": (alice, "online")})
        self.refused("unknown_identity", a.ask, "identity.show", identity=gone)
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})

    def test_a_file_that_is_gone_is_a_problem(self):
        a, b, one, _ = self.pair()
        file = one.home + "/identities/alice.yaml"
        os.rename(file, self.home("aside"))
        answer = a.data("reload")
        self.assertEqual(answer["changed"], ["alice"])
        (error,) = answer["errors"]
        self.assertEqual(error["file"], file)
        self.assertIn("kith delete-identity alice", error["text"])
        self.assertEqual(a.data("config.check")["errors"], [error])
        (shown,) = a.data("identity.list")["identities"]
        self.assertEqual(shown["state"], "failed")
        self.assertIn("gone", shown["error"])
        self.refused("offline", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})
        self.assertIn("delete-identity", self.refused("bad_request", a.ask, "identity.create", name="alice"))
        os.rename(self.home("aside"), file)
        self.assertEqual(a.data("reload")["errors"], [])
        self.assertEqual([p["name"] for p in a.data("peer.list")["peers"]], ["bob"])
        self.until(lambda: a.data("identity.show")["bindings"][0]["state"] == "running", "started again")
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        os.unlink(file)
        self.assertEqual(one.stop(), 0)
        a = self.client_of(self.start("alice"))
        self.assertEqual(a.data("status")["errors"], [error])
        self.assertIn("moved_to", a.data("identity.delete", identity="alice"))
        self.assertEqual(a.data("reload")["errors"], [])
        self.assertEqual(a.data("identity.create", name="alice")["name"], "alice")
        self.assertEqual(a.data("peer.list")["peers"], [])

    def test_another_listen_is_live(self):
        a, b, one, _ = self.pair()
        a.ask("identity.create", name="carol", online=True)  # another one stays as it is
        client = self.client_of(one)
        client.ask("binding.add", identity="alice", protocol="Prov", provider=True, access=["public"])
        client.ask("serve", identity="alice", protocol="Prov")
        text = read(self.file(one, "alice"))
        write(self.file(one, "alice"), text + 'listen: ["127.0.0.1:0"]\n')
        answer = a.data("reload")
        self.assertEqual((answer["changed"], answer["restart"], answer["errors"]), (["alice"], [], []))
        (own,) = a.data("ticket", identity="alice")["addresses"]
        self.assertNotEqual(own, one.address())
        self.assertEqual(a.data("ticket", identity="carol")["addresses"], [one.address()])
        self.assertEqual(a.data("identity.show", identity="alice")["listen"], [own])
        self.assertNotIn("listen", a.data("identity.show", identity="carol"))
        b.ask("peer.add", name="alice", peer=a.data("ticket", identity="alice")["ticket"])
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})
        call = b.send("call", target="alice", protocol="Prov", data=1)
        offered = client.wait(lambda m: m.get("event") == "incoming")
        client.ask("reply", **{"call": offered["call"]}, data=2)
        self.assertEqual(b.answer(call)["data"], 2)
        self.assertEqual(a.data("reload")["changed"], [])
        write(self.file(one, "alice"), read(self.file(one, "alice")).replace('listen: ["127.0.0.1:0"]\n', ""))
        self.assertEqual(a.data("reload")["changed"], ["alice"])
        self.assertEqual(a.data("ticket", identity="alice")["addresses"], [one.address()])

    def test_a_port_that_is_taken_is_tried_again_at_each_reload(self):
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.1", 0))
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice", online=True)
        write(self.file(one, "alice"), read(self.file(one, "alice")) + 'listen: ["127.0.0.1:%d"]\n' % taken.getsockname()[1])
        self.assertEqual(one.stop(), 0)
        one = self.start("home")
        c = self.client_of(one)
        for _ in range(2):
            answer = c.data("reload")
            self.assertEqual(answer["changed"], [])
            (error,) = answer["errors"]
            self.assertEqual(error["file"], self.file(one, "alice"))
            self.assertIn("cannot listen on", error["text"])
            self.assertNotIn("--listen", error["text"])
            self.assertEqual(c.data("identity.show")["state"], "offline")
            self.assertEqual(c.data("status")["errors"], [error])
        asked = read(self.file(one, "alice"))
        write(self.file(one, "alice"), asked.replace("listen:", "lisen:"))
        (error,) = c.data("reload")["errors"]  # of the port no more: that line is not in the file
        self.assertIn("'lisen'", error["text"])
        write(self.file(one, "alice"), asked)
        (error,) = c.data("reload")["errors"]
        self.assertIn("cannot listen on", error["text"])
        taken.close()
        self.assertEqual(c.data("reload")["errors"], [])
        self.assertEqual(c.data("identity.show")["state"], "online")

    def test_offline_that_was_not_saved_is_not_undone(self):
        a, b, one, _ = self.pair(file_limit=True)
        one.fill_disk()
        self.assertIn("in force until restart", self.refused("internal", a.ask, "identity.offline"))
        one.empty_disk()
        self.assertEqual(a.data("reload")["changed"], [])
        self.refused("offline", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})


if __name__ == "__main__":
    unittest.main()
