# SPDX-License-Identifier: GPL-3.0-or-later
import os
import select
import stat
import subprocess
import unittest

from harness import BUILD, PATIENCE, Case, Client, Refused, as_socket, read, write


class Identities(Case):
    def test_made_offline_unless_told_otherwise(self):
        one = self.start("home")
        c = self.client_of(one)
        self.assertEqual(c.data("identity.create", name="alice")["state"], "offline")
        self.assertEqual(c.data("identity.create", name="bob", online=True)["state"], "online")
        self.assertEqual([i["name"] for i in c.data("identity.list")["identities"]], ["alice", "bob"])
        self.assertEqual(stat.S_IMODE(os.stat(one.home + "/keys/alice.key").st_mode), 0o600)

    def test_forbidden_names(self):
        c = self.client_of(self.start("home"))
        id = c.data("identity.create", name="alice")["id"]
        for name in ("..", ".", "", "x" * 65, "a/b", "a b", "ends.", id, "f" * 64, "alice"):
            self.refused("bad_request", c.ask, "identity.create", name=name)
        self.assertEqual(len(c.data("identity.list")["identities"]), 1)

    def test_state_survives_a_restart(self):
        one = self.start("home")
        c = self.client_of(one)
        id = c.data("identity.create", name="alice", online=True)["id"]
        c.ask("identity.create", name="bob", online=True)
        c.ask("identity.offline", identity="bob")
        self.assertEqual(one.stop(), 0)
        c = self.client_of(self.start("home"))
        alice, bob = c.data("identity.list")["identities"]
        self.assertEqual((alice["id"], alice["state"], bob["state"]), (id, "online", "offline"))

    def test_rename_keeps_everything(self):
        a, b, one, _ = self.pair()
        before = a.data("identity.show")
        self.refused("bad_request", a.ask, "identity.rename", name="..")
        self.assertEqual(a.data("identity.rename", name="ann")["id"], before["id"])
        after = a.data("identity.show", identity="ann")
        self.assertEqual((after["peers"], len(after["bindings"]), after["state"]), (1, 1, "online"))
        self.refused("unknown_identity", a.ask, "identity.show", identity="alice")
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})
        self.assertEqual(os.listdir(one.home + "/keys").count("ann.key"), 1)

    def test_deleted_data_moves_aside_and_a_namesake_inherits_nothing(self):
        a, b, one, _ = self.pair()
        old = a.data("identity.show")["id"]
        self.refused("bad_request", a.ask, "identity.delete")
        moved = a.data("identity.delete", identity="alice")["moved_to"]
        self.assertTrue(os.path.isdir(moved), moved)
        self.refused("offline", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})
        new = a.data("identity.create", name="alice", online=True)
        self.assertNotEqual(new["id"], old)
        show = a.data("identity.show")
        self.assertEqual((show["peers"], show["bindings"]), (0, []))

    def test_export_and_import(self):
        one, two = self.start("one"), self.start("two")
        c, d = self.client_of(one), self.client_of(two)
        id = c.data("identity.create", name="alice")["id"]
        path = self.home("key.pem")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        c.ask("identity.export", identity="alice", fds=[fd])
        self.assertTrue(read(path).startswith("-----BEGIN PRIVATE KEY-----"))
        os.lseek(fd, 0, os.SEEK_SET)
        self.assertEqual(d.data("identity.import", name="again", fds=[fd])["id"], id)
        self.refused("bad_request", d.ask, "identity.import", name="twice", fds=[fd])
        os.close(fd)
        self.refused("bad_request", c.ask, "identity.export", identity="alice")
        for mode in (0o644, 0o640):
            open_fd = os.open(self.home("bad"), os.O_RDWR | os.O_CREAT, 0o600)
            os.fchmod(open_fd, mode)
            self.refused("bad_request", c.ask, "identity.export", identity="alice", fds=[open_fd])
            self.assertEqual(os.fstat(open_fd).st_size, 0)
            os.write(open_fd, read(path).encode())
            os.lseek(open_fd, 0, os.SEEK_SET)
            self.refused("bad_request", self.client_of(self.start("three%o" % mode)).ask, "identity.import", name="x", fds=[open_fd])
            os.close(open_fd)
            os.unlink(self.home("bad"))

    def test_offline_waits_for_streams_when_told(self):
        a, b, _, _ = self.pair()
        answer = b.ask("stream", target="alice", protocol="Echo")
        stream = as_socket(answer["taken"][0])
        self.addCleanup(stream.close)
        asked = a.send("identity.offline", drain="wait")
        self.until(lambda: b.answer(b.send("call", target="alice", protocol="Echo", data={"message": "x"})).get("code") == "offline", "offline")
        stream.shutdown(1)
        self.assertEqual(a.answer(asked)["data"]["streams"], 0)
        self.assertEqual(b.event(answer["id"], "closed")["status"], "ok")

    def test_nobody_else_notices(self):
        a, b, _, _ = self.pair()
        a.ask("identity.create", name="carol", online=True)
        answer = b.ask("stream", target="alice", protocol="Echo")
        stream = as_socket(answer["taken"][0])
        self.addCleanup(stream.close)
        a.ask("identity.offline", identity="carol", drain="now")
        stream.sendall(b"x")
        self.assertEqual(stream.recv(10), b"x")


class Bindings(Case):
    def test_add_configure_disable_enable_remove_live(self):
        a, b, _, _ = self.pair(echo=False)
        echo = lambda text: b.data("call", target="alice", protocol="Echo", data={"message": text})
        added = a.data("binding.add", protocol="Echo", config={"max_length": 5}, access=["public"])
        self.assertEqual((added["state"], added["config"], added["grants"]), ("running", {"max_length": 5}, []))
        self.assertEqual(b.answer(b.send("call", target="alice", protocol="Echo", data={"message": "longer"}))["status"], "app_error")
        a.ask("binding.configure", protocol="Echo", config={"max_length": 6})
        self.assertEqual(echo("longer"), {"echoed": "longer"})
        self.assertFalse(a.data("binding.disable", protocol="Echo")["enabled"])
        with self.assertRaises(Refused):
            echo("x")
        self.until(lambda: a.data("identity.show")["bindings"][0]["state"] == "disabled", "drained")
        self.assertEqual(a.data("binding.enable", protocol="Echo")["state"], "running")
        self.assertEqual(echo("x"), {"echoed": "x"})
        self.assertEqual(a.data("binding.remove", protocol="Echo", purge=True)["purged"], True)
        self.assertEqual(a.data("identity.show")["bindings"], [])
        self.refused("unknown_protocol", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})

    def test_aliases_are_bindings_of_their_own(self):
        a, b, _, _ = self.pair()
        a.ask("binding.add", protocol="Echo", alias="short", config={"max_length": 1}, access=["public"])
        self.refused("bad_request", a.ask, "binding.add", protocol="Echo", alias="short")
        self.assertEqual(b.answer(b.send("call", target="alice", protocol="Echo", alias="short", data={"message": "xy"}))["status"], "app_error")
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "xy"}), {"echoed": "xy"})
        self.refused("unknown_alias", a.ask, "binding.disable", protocol="Echo", alias="none")

    def test_unknown_plugin_names_the_known_ones_and_the_folders(self):
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        text = self.refused("unknown_protocol", c.ask, "binding.add", protocol="Ecko")
        self.assertIn("Echo", text)
        self.assertIn("lib/kith/plugins", text)
        self.assertIn(one.home + "/plugins", text)

    def test_config_that_the_schema_refuses_changes_nothing(self):
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        file = one.home + "/identities/alice.yaml"
        before = read(file)
        self.assertIn("max_length", self.refused("bad_request", c.ask, "binding.add", protocol="Echo", config={"max_length": "many"}))
        text = self.refused("bad_request", c.ask, "binding.add", protocol="Echo", config_yaml="# mine\nmax_length: -1\n", config_name="echo.yaml")
        self.assertIn("echo.yaml:2:13", text)
        self.refused("bad_request", c.ask, "binding.add", protocol="Echo", config_yaml="a: [", config_name="echo.yaml")
        large = "x" * (1 << 16)
        self.assertIn("64 KiB", self.refused("too_large", c.ask, "binding.add", protocol="Echo", config_yaml="a: " + large))
        self.assertIn("64 KiB", self.refused("too_large", c.ask, "binding.add", protocol="Echo", config={"a": large}))
        self.refused("bad_request", c.ask, "binding.add", protocol="Echo", config=[1])
        self.refused("bad_request", c.ask, "binding.add", protocol="Echo", access=["everybody"])
        self.refused("unknown_peer", c.ask, "binding.add", protocol="Echo", access=["peer:nobody"])
        self.assertEqual(read(file), before)
        self.assertEqual(c.data("identity.show")["bindings"], [])

    def test_comments_survive(self):
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        file = one.home + "/identities/alice.yaml"
        text = read(file) + "# a word of my own\n"
        write(file, text)
        c.ask("reload")
        c.ask("binding.add", protocol="Echo", config={"max_length": 7})
        self.assertIn("# a word of my own\n", read(file))
        c.ask("binding.remove", protocol="Echo")
        self.assertIn("# a word of my own\n", read(file))

    def test_file_changed_under_the_daemon(self):
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        file = one.home + "/identities/alice.yaml"
        changed = read(file) + "# by hand\n"
        write(file, changed)
        self.assertIn("kith reload", self.refused("busy", c.ask, "binding.add", protocol="Echo"))
        self.assertEqual(read(file), changed)
        c.ask("reload")
        c.ask("binding.add", protocol="Echo")

    def test_access_entries_are_stored_as_ids(self):
        a, b, one, _ = self.pair()
        id = b.data("identity.show")["id"]
        answer = a.data("binding.configure", protocol="Echo", access=["admin", {"peer": "bob", "as": "viewer"}])
        self.assertEqual(answer["access"], ["admin", {"peer": "bob", "as": "viewer"}])
        answer = a.data("binding.configure", protocol="Echo", access=["peer:bob", "public", "peer:" + id, "public", {"peer": "bob", "as": "admin"}])
        self.assertEqual(answer["access"], ["peer:bob", "public", {"peer": "bob", "as": "admin"}])
        self.assertIn("# bob", read(one.home + "/identities/alice.yaml"))
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})
        answer = a.data("binding.configure", protocol="Echo", access=["group:family=viewer", "peer:bob=admin"])
        self.assertEqual(answer["access"], [{"group": "family", "as": "viewer"}, {"peer": "bob", "as": "admin"}])
        self.assertIn("'king' beside 'group:family' is not a role", self.refused("bad_request", a.ask, "binding.configure", protocol="Echo", access=["group:family=king"]))


class Peers(Case):
    def test_a_name_means_an_identity_here_or_a_peer(self):
        a, b, one, two = self.pair()
        for name, fields in (("identity.create", {"name": "bob"}), ("identity.rename", {"identity": "alice", "name": "bob"})):
            self.assertIn("is a peer with another id here", self.refused("bad_request", a.ask, name, **fields))
        b.data("identity.create", name="carol")

        def kith(home, *words):
            return subprocess.run([BUILD + "/bin/kith", "--home", home, *words], capture_output=True, timeout=30, check=False)

        keys = {name: os.path.join(self.folder, name + ".key") for name in ("bob", "carol")}
        for name, key in keys.items():
            self.assertEqual(kith(two.home, "export-identity", name, key).returncode, 0)
        self.assertIn(b"nothing was imported", kith(one.home, "import-identity", "bob", keys["carol"]).stderr)
        done = kith(one.home, "import-identity", "bob", keys["bob"])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_rights_change_at_once_on_live_streams(self):
        a, b, _, _ = self.pair()
        a.ask("binding.configure", protocol="Echo", access=["member"])
        answer = b.ask("stream", target="alice", protocol="Echo")
        stream = as_socket(answer["taken"][0])
        self.addCleanup(stream.close)
        stream.sendall(b"x")
        self.assertEqual(stream.recv(10), b"x")
        self.assertEqual(a.data("peer.role", peer="bob", role="viewer")["role"], "viewer")
        self.assertEqual(b.event(answer["id"], "closed")["code"], "cancelled")
        self.refused("denied", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})
        a.ask("peer.role", peer="bob", role="member")
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})

    def test_add_again_updates(self):
        a, b, _, _ = self.pair()
        id = a.data("identity.show")["id"]
        self.refused("bad_request", b.ask, "peer.add", name="another", peer=id)
        self.refused("bad_request", b.ask, "peer.add", name="bob", peer=id)
        self.assertIn("own id", self.refused("bad_request", a.ask, "peer.add", name="me", peer=id))
        again = b.data("peer.add", name="alice", peer=id, addresses=["127.0.0.1:9"], role="viewer")
        self.assertEqual((again["new"], again["role"]), (False, "viewer"))
        self.assertIn("127.0.0.1:9", again["addresses"])
        self.assertEqual(len(again["addresses"]), 2)

    def test_addresses(self):
        a, b, _, two = self.pair()
        own = a.data("peer.show", peer="bob")["addresses"]
        a.data("peer.add", name="bob", peer=b.data("identity.show")["id"], addresses=["127.0.0.1:9"])
        self.assertEqual(a.data("peer.addresses", peer="bob", remove=["127.0.0.1:9"])["addresses"], own)
        self.assertIn("127.0.0.1:9 is none of", self.refused("bad_request", a.ask, "peer.addresses", peer="bob", remove=["127.0.0.1:9"]))
        self.assertEqual(a.data("peer.addresses", peer="bob", addresses=["127.0.0.1:9"])["addresses"], ["127.0.0.1:9"])
        self.refused("unreachable", a.ask, "call", target="bob", protocol="Echo", data={}, timeout_ms=100)
        self.assertEqual(a.data("peer.addresses", peer="bob", remove=["127.0.0.1:9"])["addresses"], [])
        for fields in ({}, {"addresses": []}, {"addresses": own, "remove": own}, {"addresses": ["0.0.0.0:1"]}, {"remove": "127.0.0.1:9"}):
            self.refused("bad_request", a.ask, "peer.addresses", peer="bob", **fields)
        self.refused("unknown_peer", a.ask, "peer.addresses", peer="carol", addresses=own)
        self.assertEqual(a.data("peer.addresses", peer="bob", addresses=own)["addresses"], own)

    def test_where_a_peer_dialed_from_is_kept_once_it_answers(self):
        a, b, one, _ = self.pair()
        own = a.data("peer.show", peer="bob")["addresses"]
        a.data("peer.addresses", peer="bob", addresses=["127.0.0.1:9"])
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        a.data("pool.close", peer="bob")
        self.assertIn(a.data("ping", peer="bob")["address"], own)
        kept = a.data("peer.show", peer="bob")["addresses"]
        self.assertEqual(sorted(kept), sorted(["127.0.0.1:9"] + own))
        one.stop()
        self.assertEqual(sorted(self.client_of(self.start(os.path.basename(one.home))).data("peer.show", peer="bob")["addresses"]), sorted(kept))

    def test_addresses_that_a_peer_has_no_room_for_are_named(self):
        a, b, one, _ = self.pair()
        known = ["127.0.0.1:%d" % port for port in range(20001, 20017)]
        self.assertEqual(a.data("peer.addresses", peer="bob", addresses=known)["addresses"], known)
        id = b.data("identity.show")["id"]
        more = a.data("peer.add", name="bob", peer=id, addresses=["127.0.0.1:9"])
        self.assertEqual((more["addresses"], more["left_out"]), (["127.0.0.1:9"] + known[:-1], known[-1:]))
        self.assertNotIn("left_out", a.data("peer.add", name="bob", peer=id, addresses=["127.0.0.1:9"]))
        done = subprocess.run([BUILD + "/bin/kith", "--home", one.home, "peer", "add", "bob", id, "--addr", "127.0.0.1:8"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertIn("left out: %s" % known[-2], done.stderr)
        self.assertIn("16 are allowed", self.refused("bad_request", a.ask, "peer.addresses", peer="bob", addresses=known + ["127.0.0.1:9"]))

    def test_rename_show_list_remove(self):
        a, b, _, _ = self.pair()
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        shown = a.data("peer.show", peer="bob")
        self.assertEqual((shown["connected"], shown["role"]), (True, "member"))
        self.assertEqual(a.data("peer.rename", peer="bob", name="robert")["name"], "robert")
        self.assertEqual([p["name"] for p in a.data("peer.list")["peers"]], ["robert"])
        self.refused("unknown_peer", a.ask, "peer.show", peer="bob")
        a.ask("peer.remove", peer="robert")
        self.assertEqual(a.data("peer.list")["peers"], [])

    def test_bad_tickets_and_ids(self):
        a, b, _, _ = self.pair()
        ticket = a.data("ticket")["ticket"]
        wrong = ticket[:-10] + ("0" if ticket[-10] != "0" else "1") + ticket[-9:]
        self.refused("bad_request", b.ask, "peer.add", name="x", peer=wrong)
        self.refused("bad_request", b.ask, "peer.add", name="x", peer=ticket[:-1] + "!")
        id = a.data("identity.show")["id"]
        spare = id[:-1] + ("1" if id[-1] == "0" else "h")
        self.refused("bad_request", b.ask, "peer.add", name="x", peer=spare)
        self.refused("bad_request", b.ask, "peer.add", name="x", peer=id, addresses=["example.org:1"])
        self.refused("bad_request", b.ask, "peer.add", name="x", peer=id, addresses=["0.0.0.0:1"])
        self.refused("bad_request", b.ask, "peer.add", name="x", peer=id, role="king")

    def test_forbidden_names(self):
        a, b, _, _ = self.pair()
        id = a.data("identity.create", name="carol")["id"]
        for name in ("..", ".", "", "x" * 65, "a/b", "a b", "ends.", id, "f" * 64, "bob", "alice"):
            self.refused("bad_request", a.ask, "peer.add", identity="alice", name=name, peer=id)
            if name != "bob":
                self.refused("bad_request", a.ask, "peer.rename", identity="alice", peer="bob", name=name)
        for name in ("..", "", "x" * 65, "a/b", id):
            self.refused("bad_request", a.ask, "binding.add", identity="alice", protocol="Echo", alias=name)
            self.refused("bad_request", a.ask, "binding.add", identity="alice", protocol=name or "a b", provider=True)
        self.refused("bad_request", a.ask, "binding.add", identity="alice", protocol="kith.peer", provider=True)
        self.assertEqual([p["name"] for p in a.data("peer.list", identity="alice")["peers"]], ["bob"])
        self.assertEqual(len(a.data("identity.show", identity="alice")["bindings"]), 1)

    def test_a_ticket_says_what_it_has_no_room_for(self):
        one = self.start("home", *["--listen", "127.0.0.1:0"] * 17)
        c = self.client_of(one)
        c.ask("identity.create", name="alice", online=True)
        ticket = c.data("ticket")
        self.assertEqual((len(ticket["addresses"]), len(ticket["left_out"])), (16, 2))
        self.assertEqual(set(ticket["addresses"] + ticket["left_out"]), set(c.data("status")["listen"]))
        done = subprocess.run([BUILD + "/bin/kith", "--home", one.home, "ticket"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertIn(", ".join(ticket["left_out"]), done.stderr)
        self.assertEqual(done.stdout, ticket["ticket"] + "\n")

    def test_ticket_of_a_wildcard_names_real_addresses(self):
        network = self.namespace()
        network.ip("link", "add", "net0", "type", "veth", "peer", "name", "net1")
        network.ip("link", "set", "net0", "up")
        network.ip("address", "add", "10.77.0.1/24", "dev", "net0")
        one = self.start("home", listen=None, inside=network.inside)
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        ticket = c.data("ticket")
        self.assertTrue(any(address.startswith("10.77.0.1:") for address in ticket["addresses"]), ticket)
        for address in ticket["addresses"]:
            self.assertFalse(address.startswith(("0.0.0.0", "[::]")), address)

    def test_peers_survive_a_restart(self):
        a, b, one, two = self.pair()
        self.assertEqual(two.stop(), 0)
        c = self.client_of(self.start("bob"))
        self.assertEqual(c.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})


class TheDaemon(Case):
    def test_status(self):
        a, b, one, _ = self.pair()
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        status = a.data("status")
        self.assertEqual((status["pid"], status["home"], status["listen"]), (one.process.pid, one.home, [one.address()]))
        (alice,) = status["identities"]
        self.assertEqual([p["name"] for p in alice["peers"]], ["bob"])
        self.assertEqual(alice["bindings"][0]["state"], "running")
        self.assertIn("Echo", [p["protocol"] for p in status["plugins"]])
        self.assertEqual(status["errors"], [])

    def test_reload_applies_the_difference(self):
        a, b, one, _ = self.pair()
        file = one.home + "/identities/alice.yaml"
        self.assertEqual(a.data("reload"), {"changed": [], "settings": [], "loaded": [], "restart": [], "protocols": ["Echo"], "errors": []})
        write(file, read(file) + "  - protocol: Echo\n    alias: second\n    access: [public]\n    config: {max_length: 2}\n")
        self.assertEqual(a.data("reload")["changed"], ["alice"])
        self.assertEqual(b.data("call", target="alice", protocol="Echo", alias="second", data={"message": "xy"}), {"echoed": "xy"})
        write(file, read(file).replace("online: true", "online: false"))
        a.ask("reload")
        self.refused("offline", b.ask, "call", target="alice", protocol="Echo", data={"message": "x"})
        os.rename(file, self.home("kept"))
        os.rename(one.home + "/keys/alice.key", self.home("kept.key"))
        self.assertEqual(a.data("reload")["changed"], ["alice"])
        self.assertEqual(a.data("identity.list")["identities"], [])

    def test_a_file_that_went_and_came_back_has_its_peers(self):
        a, b, one, _ = self.pair()
        path = os.path.join(one.home, "identities", "alice.yaml")
        os.rename(path, path + ".aside")
        a.ask("reload")
        self.assertIn("gone", self.refused("bad_request", a.ask, "peer.list", identity="alice"))
        os.rename(path + ".aside", path)
        a.ask("reload")
        self.assertEqual([peer["name"] for peer in a.data("peer.list", identity="alice")["peers"]], ["bob"])
        b.data("call", target="alice", protocol="Echo", data={"message": "hi"})

    def test_reload_of_bad_files_changes_nothing(self):
        a, b, one, _ = self.pair()
        file = one.home + "/identities/alice.yaml"
        good = read(file)
        for bad in (good + "bindings: []\n", good + "nonsense: 1\n", "\ufeff" + good, good.replace("id: ", "id: x"), "a: [\n", good.replace("true", "&a true")):
            write(file, bad)
            answer = a.data("reload")
            self.assertEqual(answer["changed"], [])
            self.assertEqual([e["file"] for e in answer["errors"]], [file], bad)
            self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})
        self.assertGreater(a.data("config.check", file=file)["errors"][0]["line"], 0)
        write(file, good)
        self.assertEqual(a.data("reload"), {"changed": [], "settings": [], "loaded": [], "restart": [], "protocols": ["Echo"], "errors": []})

    def test_settings_that_need_a_restart_are_named(self):
        one = self.start("home")
        c = self.client_of(one)
        write(one.home + "/kith.yaml", "log_files: 7\n")
        self.assertEqual(c.data("reload")["restart"], ["log_files"])
        write(one.home + "/kith.yaml", "max_clients: many\n")
        answer = c.data("reload")
        self.assertEqual((answer["restart"], answer["errors"][0]["line"]), ([], 1))

    def test_config_check(self):
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        answer = c.data("config.check")
        self.assertEqual((answer["errors"], len(answer["files"])), ([], 2))
        write(self.home("kith.yaml"), "max_clients: 1\nmax_clients: 2\n")
        (error,) = c.data("config.check", file=self.home("kith.yaml"))["errors"]
        self.assertEqual((error["line"], error["column"]), (2, 1))

    def test_bindings_that_can_not_run_are_named_with_their_place_and_stop_no_other(self):
        a, b, one, _ = self.pair()
        file = one.home + "/identities/alice.yaml"
        good = read(file)
        lines = good.count("\n")
        write(file, good + "  - protocol: Echo\n    alias: second\n    config: {max_length: many}\n  - protocol: Nope\n")
        errors = a.data("config.check", file=file)["errors"]
        self.assertEqual([e["line"] for e in errors][:1], [lines + 3])
        errors = a.data("reload")["errors"]
        self.assertEqual([(e["file"], e["line"]) for e in errors], [(file, lines + 3), (file, lines + 4)])
        self.assertEqual([i["state"] for i in a.data("identity.show")["bindings"]], ["running"])
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})
        one.stop()
        a = self.client_of(self.start("alice"))
        self.until(lambda: [i["state"] for i in a.data("identity.show")["bindings"]] == ["running", "failed", "failed"], "running")
        self.assertEqual(len(a.data("status")["errors"]), 2)
        write(file, good)
        self.assertEqual(a.data("reload"), {"changed": ["alice"], "settings": [], "loaded": [], "restart": [], "protocols": ["Echo"], "errors": []})

    def test_a_name_in_the_file_is_good_once_the_peer_is_there(self):
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice", online=True)
        write(one.home + "/identities/alice.yaml", read(one.home + "/identities/alice.yaml").rstrip().removesuffix("bindings: []") +
              "\nbindings:\n  - protocol: Echo\n    access: [peer:bob]\n")
        self.assertEqual(len(c.data("reload")["errors"]), 1)
        c.ask("peer.add", name="bob", peer=self.client_of(self.start("other")).data("identity.create", name="bob")["id"])
        self.assertEqual(c.data("reload"), {"changed": ["alice"], "settings": [], "loaded": [], "restart": [], "protocols": ["Echo"], "errors": []})
        self.until(lambda: c.data("identity.show")["bindings"][0]["state"] == "running", "running")

    def test_pool(self):
        a, b, _, _ = self.pair()
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        (row,) = b.data("pool.list")["connections"]
        self.assertEqual((row["name"], row["dialed"], row["state"]), ("alice", True, "up"))
        self.assertEqual(b.data("pool.close", peer="alice")["closed"], 1)
        b.ask("call", target="alice", protocol="Echo", data={"message": "x"})
        self.assertEqual(b.data("status")["pool"]["handshakes"], 2)

    def test_stop_ends_when_streams_have(self):
        a, b, one, _ = self.pair()
        answer = b.ask("stream", target="alice", protocol="Echo")
        stream = as_socket(answer["taken"][0])
        self.addCleanup(stream.close)
        a.ask("stop")
        stream.sendall(b"last words")
        self.assertEqual(stream.recv(20), b"last words")
        stream.shutdown(1)
        self.assertEqual(b.event(answer["id"], "closed")["status"], "ok")
        self.assertTrue(a.at_end())
        self.assertEqual(one.wait(), 0)
        self.assertFalse(os.path.exists(one.home + "/daemon.sock"))

    def test_stop_now_resets_streams(self):
        a, b, one, _ = self.pair()
        answer = b.ask("stream", target="alice", protocol="Echo")
        self.addCleanup(os.close, answer["taken"][0])
        a.ask("stop", drain="now")
        self.assertEqual(b.event(answer["id"], "closed")["status"], "error")
        self.assertEqual(one.wait(), 0)

    def test_detach_returns_when_it_is_ready(self):
        home = self.home("home")
        done = subprocess.run([BUILD + "/bin/kithd", "--home", home, "--listen", "127.0.0.1:0", "--detach"], timeout=60)
        self.assertEqual(done.returncode, 0)
        c = Client(home)
        self.addCleanup(c.close)
        pid = c.data("hello")["pid"]
        fd = os.pidfd_open(pid)
        self.addCleanup(os.close, fd)
        again = subprocess.run([BUILD + "/bin/kithd", "--home", home, "--detach"], timeout=60, capture_output=True, text=True)
        self.assertEqual(again.returncode, 111)
        self.assertIn(str(pid), again.stderr)
        c.ask("stop")
        self.assertTrue(c.at_end())
        self.assertTrue(select.select([fd], [], [], 60)[0])

    def test_detach_says_what_is_wrong_with_the_files(self):
        home = self.home("home")
        one = self.start("home")
        self.client_of(one).ask("identity.create", name="alice")
        self.assertEqual(one.stop(), 0)
        write(home + "/identities/alice.yaml", "online: maybe\n")
        with open(self.folder + "/stderr", "w+", encoding="utf-8") as said:  # a pipe would stay open in the daemon if it failed to let go
            done = subprocess.run([BUILD + "/bin/kithd", "--home", home, "--listen", "127.0.0.1:0", "--detach"], timeout=60, stderr=said)
            said.seek(0)
            text = said.read()
        self.assertEqual(done.returncode, 0)
        c = Client(home)
        self.addCleanup(c.close)
        self.addCleanup(lambda: (c.ask("stop"), c.at_end()))
        self.assertIn("kithd: " + home + "/identities/alice.yaml:1:", text)


if __name__ == "__main__":
    unittest.main()
