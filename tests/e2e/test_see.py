# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeing what the daemon does: pool, ping, trace, doctor."""
import json
import os
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


if __name__ == "__main__":
    unittest.main()
