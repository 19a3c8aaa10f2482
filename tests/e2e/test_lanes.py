# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that wait for one another: several requests in one write, so that the later ones are there before the first is done."""
import json
import unittest

from harness import Case


class InOneWrite(Case):
    def together(self, client, *requests):
        """The answers of requests that come at once."""
        lines = [json.dumps({"id": "t%d" % at, "type": type, **fields}) for at, (type, fields) in enumerate(requests)]
        client.send_line("\n".join(lines))
        return [client.answer("t%d" % at) for at in range(len(requests))]

    def codes(self, answers):
        return [answer.get("code", "ok") for answer in answers]

    def test_a_removed_peer_gets_nothing_from_what_was_asked_before(self):
        a, b, _, _ = self.pair()
        a.ask("binding.configure", protocol="Echo", access=["admin"])
        answers = self.together(a, ("peer.role", {"peer": "bob", "role": "admin"}), ("peer.remove", {"peer": "bob"}))
        self.assertEqual(self.codes(answers), ["ok", "ok"])
        self.assertEqual(a.data("peer.list")["peers"], [])
        self.refused("denied", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})

    def test_a_peer_removed_twice_and_added_between_is_removed(self):
        a, b, _, _ = self.pair()
        bob = b.data("identity.show")["id"]
        answers = self.together(a, ("peer.remove", {"peer": "bob"}), ("peer.add", {"name": "bob", "peer": bob, "role": "admin"}), ("peer.remove", {"peer": bob}))
        self.assertEqual(self.codes(answers), ["ok", "ok", "ok"])
        self.assertEqual(a.data("peer.list")["peers"], [])
        a.ask("binding.configure", protocol="Echo", access=["admin"])
        self.refused("denied", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})

    def test_a_removed_peer_is_not_back_for_a_moment(self):
        a, b, one, _ = self.pair()
        watch = self.client_of(one)
        slow = [("binding.configure", {"protocol": "Echo", "access": [role]}) for role in ("viewer", "member") * 25]
        removal = len(slow) + 1
        requests = [("peer.role", {"peer": "bob", "role": "admin"}), *slow, ("peer.remove", {"peer": "bob"}), ("hello", {})]
        a.send_line("\n".join(json.dumps({"id": "t%d" % at, "type": type, **fields}) for at, (type, fields) in enumerate(requests)))
        a.answer("t%d" % (removal + 1))  # the removal is taken in
        while not any(message.get("id") == "t%d" % removal for message in a.messages):
            self.assertEqual(watch.data("peer.list")["peers"], [])
            a.messages.append(a.read_message())
        self.assertEqual(a.answer("t%d" % removal)["status"], "ok")
        self.assertEqual(watch.data("peer.list")["peers"], [])

    def test_more_removals_than_may_wait_have_ended_rights_all_the_same(self):
        a, _, one, _ = self.pair()
        ids = [self.client_of(one).data("identity.create", name="i%d" % at)["id"] for at in range(70)]
        for at, id in enumerate(ids):
            a.ask("peer.add", identity="alice", name="p%d" % at, peer=id, role="admin")
        answers = self.together(a, *(("peer.remove", {"identity": "alice", "peer": id}) for id in ids))
        late = [(id, answer) for id, answer in zip(ids, answers) if answer["status"] != "ok"]
        self.assertTrue(late)
        self.assertEqual([peer["name"] for peer in a.data("peer.list", identity="alice")["peers"]], ["bob"])
        for id, answer in late:
            self.assertEqual(answer["code"], "internal")
            self.assertIn("in force until restart", answer["data"])
            a.ask("peer.remove", identity="alice", peer=id)

    def test_offline_holds_whatever_was_asked_before(self):
        a, b, _, _ = self.pair()
        a.ask("identity.offline")
        for drain in ("background", "wait", "now"):
            answers = self.together(a, ("identity.online", {}), ("identity.offline", {"drain": drain}))
            self.assertEqual(self.codes(answers), ["ok", "ok"])
            show = a.data("identity.show")
            self.assertEqual((show["online"], show["state"]), (False, "offline"))
            self.assertEqual(answers[1]["data"]["state"], "offline")
            self.refused("offline", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})

    def test_changes_after_a_rename_are_of_the_same_identity(self):
        a, _, _, _ = self.pair()
        answers = self.together(a, ("identity.rename", {"identity": "alice", "name": "ann"}),
                                ("binding.add", {"identity": "alice", "protocol": "Echo", "alias": "second"}),
                                ("binding.configure", {"identity": "alice", "protocol": "Echo", "access": ["member"]}),
                                ("binding.disable", {"identity": "alice", "protocol": "Echo"}),
                                ("binding.remove", {"identity": "alice", "protocol": "Echo", "alias": "second"}),
                                ("identity.online", {"identity": "alice"}),
                                ("identity.offline", {"identity": "alice"}))
        self.assertEqual(self.codes(answers), ["ok"] * 7, answers)
        self.assertEqual([answer["data"].get("identity", answer["data"].get("name")) for answer in answers], ["ann"] * 7)
        show = a.data("identity.show")
        self.assertEqual((show["name"], show["state"]), ("ann", "offline"))
        self.assertEqual([(each["alias"], each["access"]) for each in show["bindings"]], [("default", ["member"])])
        self.assertEqual(a.data("reload")["changed"], [])

    def test_a_name_is_free_after_what_was_asked_before(self):
        c = self.client_of(self.start("home"))
        c.ask("identity.create", name="alice")
        c.ask("identity.create", name="bob")
        answers = self.together(c, ("identity.rename", {"identity": "alice", "name": "ann"}), ("identity.create", {"name": "alice"}),
                                ("identity.delete", {"identity": "bob"}), ("identity.create", {"name": "bob"}))
        self.assertEqual(self.codes(answers), ["ok"] * 4, answers)
        self.assertEqual([each["name"] for each in c.data("identity.list")["identities"]], ["alice", "ann", "bob"])


if __name__ == "__main__":
    unittest.main()
