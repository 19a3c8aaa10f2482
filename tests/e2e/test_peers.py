# SPDX-License-Identifier: GPL-3.0-or-later
"""What plugins know of peers (kith.peer/1), and what they open to them (kith.dial/1): both are drafts."""
import unittest

from harness import Case

MEMBER, ADMIN, NONE = "3", "4", "0"


class Plugins(Case):
    def pair_with(self, **fields):
        """alice with Peers, bob with Echo; they know each other."""
        _, a = self.with_plugin("Peers")
        b = self.client_of(self.start("bob"))
        b.ask("identity.create", name="bob", online=True)
        b.ask("binding.add", protocol="Echo", access=["public"])
        return a, b

    def told(self, client, command, **fields):
        return client.ask("local", protocol="Peers", command=command, octets=b"", **fields)["octets"].decode()

    def until_told(self, client, command, wanted, **fields):
        got = ""

        def complete():
            nonlocal got
            more = self.told(client, command, **fields)
            got = got + more if command == "changes" else more
            return got == wanted

        self.until(complete, (command, wanted))

    def test_peers_and_their_changes(self):
        a, b = self.pair_with()
        self.assertEqual(self.told(a, "list"), "")
        self.introduce(a, b)
        self.until_told(a, "changes", "bob %s offline\n" % MEMBER)
        self.assertEqual(self.told(a, "list"), "bob %s offline\n" % MEMBER)
        a.ask("binding.add", protocol="Peers", alias="second")  # one that comes later knows them at once, and hears of no change
        self.assertEqual(self.told(a, "list", alias="second"), "bob %s offline\n" % MEMBER)
        a.ask("call", target="bob", protocol="Echo", data={"message": "x"})
        self.until_told(a, "changes", "bob %s online\n" % MEMBER)
        a.ask("peer.role", peer="bob", role="admin")
        self.until_told(a, "changes", "bob %s online\n" % ADMIN)
        a.ask("peer.rename", peer="bob", name="robert")
        self.until_told(a, "changes", "robert %s online\n" % ADMIN)
        a.ask("pool.close", peer="robert")
        self.until_told(a, "list", "robert %s offline\n" % ADMIN)
        a.ask("peer.remove", peer="robert")
        self.until_told(a, "changes", "robert %s offline\n %s offline\n" % (ADMIN, NONE))
        self.assertEqual(self.told(a, "list"), "")
        self.until_told(a, "changes", "".join(("bob 3 online\n", "bob 4 online\n", "robert 4 online\n", "robert 4 offline\n", " 0 offline\n")), alias="second")

    def test_peers_on_the_network_thread(self):
        a, b = self.pair_with()
        a.ask("identity.offline", drain="now")
        path = self.home("alice") + "/identities/alice.yaml"
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("protocol: Peers", "protocol: Peers\n    inline: true"))
        a.ask("reload")
        a.ask("identity.online")
        self.introduce(a, b)
        self.until_told(a, "list", "bob %s offline\n" % MEMBER)
        a.ask("call", target="bob", protocol="Echo", data={"message": "x"})
        self.until_told(a, "changes", "bob 3 offline\nbob 3 online\n")

    def test_a_plugin_calls_a_peer(self):
        a, b = self.pair_with()
        self.introduce(a, b)
        dial = lambda octets: a.ask("local", protocol="Peers", command="dial", octets=octets)
        self.assertEqual(dial(b"as it is\x00")["octets"], b"as it is\x00")
        self.assertEqual(b.data("status")["pool"]["handshakes"], 1)
        b.ask("binding.remove", protocol="Echo")
        answer = a.answer(a.send("local", protocol="Peers", command="dial", octets=b"x"))
        self.assertEqual((answer["status"], answer["code"]), ("app_error", 1003), answer)  # 1000 + unknown_protocol
        self.assertIn("no such protocol here: Echo", answer["data"])


if __name__ == "__main__":
    unittest.main()
