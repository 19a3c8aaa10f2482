# SPDX-License-Identifier: GPL-3.0-or-later
import os
import subprocess
import unittest

from harness import BUILD, PATIENCE, Case


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

    def test_a_config_file_that_is_none_changes_nothing(self):
        _, _, one, _ = self.pair()
        self.kith(one, "configure-protocol", "alice", "--protocol", "Echo", "--config", '{"max_length": 77}')
        empty = os.path.join(self.folder, "empty.yaml")
        open(empty, "w").close()
        for path, said in ((self.folder, "is a directory"), (empty, "is empty"), (empty + ".not", "No such file")):
            done = self.kith(one, "configure-protocol", "alice", "--protocol", "Echo", "--config-file", path)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(said, done.stderr)
        with open(os.path.join(one.home, "identities", "alice.yaml"), encoding="utf-8") as file:
            self.assertIn("77", file.read())

    def test_a_folder_is_no_key(self):
        _, _, one, _ = self.pair()
        done = self.kith(one, "import-identity", "carol", self.folder)
        self.assertIn("is not a file", done.stderr)
        self.assertNotIn("chmod", done.stderr)


if __name__ == "__main__":
    unittest.main()
