# SPDX-License-Identifier: GPL-3.0-or-later
"""Files edited by hand: reload, config check, names that are pinned, what runs on when a file is wrong, plugins that look at configs."""
import os
import select
import shutil
import subprocess
import unittest

from harness import BUILD, Case, read, write

SLOW = BUILD + "/tests/plugin/bad/SlowCheck.so"


def shown(error):
    """As a person sees it."""
    place = error["file"] + (":%d:%d" % (error["line"], error["column"]) if error["line"] else "")
    return place + ": " + error["text"]


class Files(Case):
    def alice(self, **options):
        """alice with Echo and her peer bob, bob, and alice's file."""
        a, b, one, _ = self.pair(**options)
        return a, b, one, one.home + "/identities/alice.yaml"

    def echo(self, b):
        self.assertEqual(b.data("call", target="alice", protocol="Echo", data={"message": "x"}), {"echoed": "x"})

    def test_names_by_hand_become_ids_for_good(self):
        a, b, one, file = self.alice()
        bob = b.data("identity.show")["id"]
        text = read(file).replace("[public]", "[peer:bob]").replace("online: true", "online: true   # mine")
        write(file, text)
        self.assertEqual(a.data("reload")["errors"], [])
        pinned = text.replace("[peer:bob]", "[peer:%s]  # bob" % bob)
        self.assertEqual(read(file), pinned)
        self.echo(b)
        # The name is somebody else's now: the file does not care.
        a.ask("peer.rename", peer="bob", name="robert")
        a.ask("peer.add", name="bob", peer=self.client_of(self.start("other")).data("identity.create", name="other")["id"])
        self.assertEqual(a.data("reload")["errors"], [])
        self.assertEqual(read(file), pinned)
        self.echo(b)
        a.ask("binding.configure", protocol="Echo", config={"max_length": 7})  # and the file is what the daemon loaded

    def test_names_are_pinned_at_the_start_too(self):
        a, b, one, file = self.alice()
        bob = b.data("identity.show")["id"]
        one.stop()
        write(file, read(file).replace("[public]", "\n      - {peer: bob, as: viewer}   # since 2020\n      - peer:nobody"))
        a = self.client_of(self.start("alice"))
        self.assertIn("- {peer: %s, as: viewer}   # since 2020\n" % bob, read(file))
        (error,) = a.data("status")["errors"]
        self.assertIn("no peer is called 'nobody'", error["text"])
        self.assertEqual(read(file).splitlines()[error["line"] - 1][error["column"] - 1 :], "peer:nobody")
        (binding,) = a.data("identity.show")["bindings"]
        self.assertEqual(binding["state"], "failed")

    def test_a_name_that_can_not_be_pinned_is_refused(self):
        a, b, one, file = self.alice(file_limit=True)
        write(file, read(file).replace("[public]", "[peer:bob]"))
        one.fill_disk()
        (error,) = a.data("reload")["errors"]
        one.empty_disk()
        self.assertIn("ids of the peers", error["text"])
        self.echo(b)
        self.assertEqual(a.data("identity.show")["bindings"][0]["access"], ["public"])
        self.assertEqual(a.data("reload")["errors"], [])

    def test_a_file_with_a_mistake_changes_nothing_of_its_identity(self):
        a, b, one, file = self.alice()
        good = read(file)
        for bad in (good.replace("protocol: Echo", "protocol: Ehco"), good + "    config: {max_length: many}\n", good.replace("[public]", "[peer:nobody]"),
                    good + "  - protocol: Nope\n", good.replace("[public]", "[member]") + "    nonsense: 1\n"):
            write(file, bad)
            errors = a.data("reload")["errors"]
            self.assertEqual([e["file"] for e in errors], [file], bad)
            self.assertGreater(errors[0]["line"], 0, bad)
            self.assertEqual(a.data("config.check")["errors"], errors, bad)
            self.assertEqual(a.data("config.check", file=file)["errors"], errors, bad)
            self.assertEqual(a.data("status")["errors"], errors, bad)
            self.assertEqual(a.data("identity.show")["error"], shown(errors[0]), bad)
            self.assertEqual([(i["state"], i["access"]) for i in a.data("identity.show")["bindings"]], [("running", ["public"])])
            self.echo(b)
        write(file, good)
        self.assertEqual(a.data("reload")["errors"], [])
        self.assertNotIn("error", a.data("identity.show"))

    def test_check_and_reload_say_the_same_of_everything(self):
        a, b, one, file = self.alice()
        a.ask("identity.create", name="carol")
        shutil.copy(one.home + "/keys/alice.key", one.home + "/keys/carol.key")
        write(one.home + "/kith.yaml", "log_level: warning\nnameless: nobody\n")
        write(file, read(file).replace("[public]", "[peer:nobody, peer:bob]") + "    config: {max_length: 0, nonsense: 1}\n  - protocol: Ehco\n")
        checked = a.data("config.check")["errors"]
        self.assertEqual(a.data("reload")["errors"], checked)
        texts = "\n".join(shown(e) for e in checked)
        for text in ("kith.yaml:1:12: log_level: 'warning' is not one of debug, info, warn, error; did you mean 'warn'?", "no peer is called 'nobody'",
                     "config.max_length: must be at least 1 (is 0)", "config: the key 'nonsense' is not known", "did you mean Echo?",
                     "carol.yaml: it says id: "):
            self.assertIn(text, texts)
        self.assertEqual(len(checked), 6, texts)

    def test_a_file_that_is_not_there(self):
        one = self.start("home")
        run = subprocess.run([BUILD + "/bin/kith", "--home", one.home, "config", "check", one.home + "/none.yaml"], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 101, run.stderr)
        self.assertIn("there is no file " + one.home + "/none.yaml", run.stderr)

    def test_a_bad_file_is_in_the_log_once(self):
        a, b, one, file = self.alice()
        write(file, read(file) + "nonsense: 1\n")
        a.ask("reload")
        a.ask("reload")
        one.stop()
        self.assertEqual(one.log().count("nonsense"), 1, one.log())
        self.assertEqual(one.log().count(file), 1, one.log())
        one = self.start("alice")
        run = subprocess.run([BUILD + "/bin/kith", "--home", one.home, "status"], capture_output=True, text=True, check=False)
        self.assertIn("nonsense", run.stdout + run.stderr)
        one.stop()
        self.assertEqual(one.log().count("nonsense"), 1, one.log())


class Settings(Case):
    def test_what_can_be_live_is_and_the_rest_is_named(self):
        one = self.start("home")
        c = self.client_of(one)
        write(one.home + "/kith.yaml", "log_level: debug\nmax_clients: 2\nidle_timeout: 1m\nlog_files: 7\nmax_streams: 9\n")
        self.assertEqual(c.data("reload")["restart"], ["max_streams", "log_files"])
        self.client_of(one)
        self.refused("busy", self.client_of(one).ask, "protocol.list")
        write(one.home + "/kith.yaml", "max_clients: 3\n")
        self.assertEqual(c.data("reload")["restart"], [])
        self.client_of(one).data("protocol.list")

    def test_the_log_level_is_live(self):
        one = self.start("home")
        c = self.client_of(one)
        self.assertIn(" info daemon: ", one.log())
        write(one.home + "/kith.yaml", "log_level: error\n")
        c.ask("reload")
        c.ask("stop")
        one.wait()
        self.assertNotIn("stopping", one.log())


class Plugins(Case):
    def slow(self):
        """A home with the plugin SlowCheck, alice, and a FIFO that the plugin's check waits for."""
        one = self.start("home")
        one.stop()
        shutil.copy(SLOW, one.home + "/plugins/SlowCheck.so")
        os.chmod(one.home + "/plugins/SlowCheck.so", 0o755)
        fifo = self.home("fifo")
        os.mkfifo(fifo)
        self.addCleanup(self.release, fifo)
        return fifo

    def release(self, fifo):
        """The check ends, and later ones don't wait."""
        if not os.path.exists(fifo):
            return
        fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)  # opens whether or not somebody waits
        os.unlink(fifo)
        os.close(fd)

    def test_the_daemon_goes_on_while_a_plugin_looks_at_a_config(self):
        fifo = self.slow()
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice", online=True)
        c.ask("identity.create", name="bob", online=True)
        added = c.send("binding.add", identity="alice", protocol="SlowCheck", config={"wait": fifo})
        second = c.send("binding.add", identity="alice", protocol="Echo", access=["public"])  # waits for the first
        c.ask("binding.add", identity="bob", protocol="Echo")
        self.assertEqual(c.data("status")["identities"][0]["bindings"], [])
        writer = os.open(fifo, os.O_WRONLY)  # returns when the check is there
        os.unlink(fifo)
        os.close(writer)
        self.assertEqual(c.answer(added)["status"], "ok")
        self.assertEqual(c.answer(second)["status"], "ok")
        text = read(one.home + "/identities/alice.yaml")
        self.assertIn("SlowCheck", text)
        self.assertIn("Echo", text)

    def test_overlapping_changes_of_one_binding_keep_both(self):
        fifo = self.slow()
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice", online=True)
        c.ask("binding.add", protocol="SlowCheck")
        first = c.send("binding.configure", protocol="SlowCheck", config={"wait": fifo})
        second = c.send("binding.configure", protocol="SlowCheck", access=["admin"])
        reload = c.send("reload")
        c.ask("status")
        writer = os.open(fifo, os.O_WRONLY)
        os.unlink(fifo)
        os.close(writer)
        for id in (first, second, reload):
            self.assertEqual(c.answer(id)["status"], "ok")
        (binding,) = c.data("identity.show")["bindings"]
        self.assertEqual((binding["config"], binding["access"]), ({"wait": fifo}, ["admin"]))
        self.assertEqual(c.data("reload")["changed"], [])

    def test_a_check_that_does_not_end_is_given_up(self):
        fifo = self.slow()
        one = self.start("home")
        c = self.client_of(one)
        write(one.home + "/kith.yaml", "plugin_check_timeout: 100ms\n")
        c.ask("reload")
        c.ask("identity.create", name="alice")
        file = one.home + "/identities/alice.yaml"
        before = read(file)
        text = self.refused("plugin_failed", c.ask, "binding.add", protocol="SlowCheck", config={"wait": fifo})
        self.assertIn("plugin_check_timeout", text)
        self.assertEqual(read(file), before)
        self.assertIn("stuck", self.refused("plugin_failed", c.ask, "binding.add", protocol="SlowCheck"))
        c.ask("binding.add", protocol="Echo")

    def test_a_check_has_its_time_for_itself(self):
        fifo = self.slow()
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        c.ask("identity.create", name="bob")
        c.ask("identity.create", name="carol")
        alice = read(one.home + "/identities/alice.yaml")
        write(one.home + "/elsewhere.yaml", alice.replace("bindings: []", "bindings:\n  - protocol: SlowCheck\n    config: {wait: %s}" % fifo))
        first = c.send("config.check", file=one.home + "/elsewhere.yaml")
        writer = os.open(fifo, os.O_WRONLY)  # returns when the first check is there
        write(one.home + "/kith.yaml", "plugin_check_timeout: 100ms\n")
        c.ask("reload")  # holds for checks that begin from now on
        second = c.send("binding.add", identity="bob", protocol="SlowCheck", config={"wait": fifo})
        third = c.send("binding.add", identity="carol", protocol="SlowCheck")
        c.ask("status")
        # Nothing comes, however long one waits; from the question on, 100 ms would be enough.
        self.assertEqual(select.select([c.socket], [], [], 0.3)[0], [])
        os.close(writer)
        self.assertEqual(c.answer(first)["data"]["errors"], [])
        self.assertIn("plugin_check_timeout", c.answer(second)["data"])  # nobody opens the FIFO for it
        self.assertIn("stuck", c.answer(third)["data"])

    def test_an_instance_that_hangs_says_for_how_long_and_what_to_do(self):
        fifo = self.slow()
        one = self.start("home")
        write(one.home + "/kith.yaml", "plugin_fence_after: 100ms\n")
        c = self.client_of(one)
        c.ask("reload")
        c.ask("identity.create", name="alice", online=True)
        c.send("binding.add", protocol="SlowCheck", config={"wait": fifo})
        os.close(os.open(fifo, os.O_WRONLY))  # the check before the change; the instance's own one hangs
        self.assertIn("--enable", one.wait_log("did not return for 100 ms (plugin_fence_after)"))

    def test_what_the_plugin_refuses_has_its_place(self):
        self.slow()
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        file = one.home + "/identities/alice.yaml"
        write(file, read(file).replace("bindings: []", "bindings:\n  - protocol: SlowCheck\n    config: {refuse: 1}"))
        lines = read(file).splitlines()
        (error,) = c.data("config.check")["errors"]
        self.assertEqual((error["text"], lines[error["line"] - 1][error["column"] - 1 :]), ("refused by the plugin", "{refuse: 1}"))
        self.assertEqual(c.data("reload")["errors"], [error])

    def test_a_config_that_the_running_plugin_refuses_is_an_error_of_the_reload(self):
        one, c = self.notes()
        file = one.home + "/identities/alice.yaml"
        good = read(file)
        c.ask("local", protocol="Notes", command="add", octets=b"1234")
        write(file, good + "    config: {broken: 1}\n")
        for _ in range(2):  # it is asked again, for it may take it now
            (error,) = c.data("reload")["errors"]
            self.assertEqual(error["text"], "the notes are broken")
            self.assertEqual((error["file"], read(file).splitlines()[error["line"] - 1][error["column"] - 1 :]), (file, "{broken: 1}"))
            self.assertEqual(c.data("status")["errors"], [error])
            (binding,) = c.data("identity.show")["bindings"]
            self.assertEqual((binding["state"], "broken" in binding["error"]), ("running", True))
        self.assertEqual(c.data("local", protocol="Notes", command="count", raw="{}")["octets"], 5)  # the old one runs on, with what it had
        write(file, good + "    config: {fine: 1}\n")
        self.assertEqual(c.data("reload")["errors"], [])
        self.assertEqual(c.data("status")["errors"], [])
        one.stop()
        self.assertEqual(sum("error config: " in line for line in one.lines), 1, one.log())

    def test_reload_finds_new_plugins_and_leaves_loaded_ones(self):
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice", online=True)
        self.refused("unknown_protocol", c.ask, "binding.add", protocol="SlowCheck")
        self.assertNotIn("SlowCheck", c.data("reload")["protocols"])
        mine = one.home + "/plugins/SlowCheck.so"
        shutil.copy(SLOW, mine)
        os.chmod(mine, 0o755)
        answer = c.data("reload")
        self.assertIn("SlowCheck", answer["protocols"])
        self.assertEqual((answer["loaded"], answer["settings"], answer["restart"]), (["SlowCheck"], [], []))
        with open(one.home + "/kith.yaml", "a", encoding="utf-8") as file:
            file.write("drain_deadline: 1s\n")
        answer = c.data("reload")
        self.assertEqual((answer["loaded"], answer["settings"], answer["restart"]), ([], ["drain_deadline"], []))
        c.ask("binding.add", protocol="SlowCheck")
        with open(mine, "ab") as file:
            file.write(b"another version")
        self.assertEqual(c.data("reload")["restart"], [mine])
        os.unlink(mine)
        self.assertEqual(c.data("reload")["restart"], [])
        self.assertEqual(c.data("identity.show")["bindings"][0]["state"], "running")

    def test_a_pin_that_does_not_fit_changes_nothing(self):
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice", online=True)
        c.ask("binding.add", protocol="Echo", access=["public"])
        file = one.home + "/identities/alice.yaml"
        write(file, read(file).replace("protocol: Echo\n", "protocol: Echo\n    sha256: " + "0" * 64 + "\n"))
        for answer in (c.data("config.check"), c.data("reload")):
            (error,) = answer["errors"]
            self.assertIn("not the one that the binding pins", error["text"])
            self.assertEqual((error["file"], error["line"] > 0), (file, True))
            self.assertEqual(answer.get("changed", []), [])
        self.assertEqual(c.data("identity.show")["bindings"][0]["state"], "running")

    def test_a_pin_holds_even_where_the_file_is_wrong(self):
        self.slow()
        one = self.start("home")
        c = self.client_of(one)
        c.ask("identity.create", name="alice")
        self.assertIn("SlowCheck", [p["protocol"] for p in c.data("status")["plugins"]])
        file = one.home + "/identities/alice.yaml"
        one.stop()
        write(file, read(file).replace("bindings: []", "nonsense: 1\nbindings:\n  - protocol: SlowCheck\n    sha256: " + "0" * 64))
        c = self.client_of(self.start("home"))
        self.assertNotIn("SlowCheck", [p["protocol"] for p in c.data("status")["plugins"]])


if __name__ == "__main__":
    unittest.main()
