#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The lint tests find what they are there to find: each is run over a small bad tree, and must fail and name the place.  selftest.py ROOT"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import tree

HERE = os.path.dirname(os.path.realpath(__file__))
SPDX = {"apache": "// SPDX-License-Identifier: Apache-2.0\n", "gpl": "// SPDX-License-Identifier: GPL-3.0-or-later\n"}


class BadTrees(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="lint.")
        self.addCleanup(shutil.rmtree, self.root)
        for name in ("layers.txt", "licences.txt", "forbidden.txt"):
            self.write(f"tests/lint/{name}", tree.read(HERE, name))
        shutil.copy(os.path.join(HERE, "../../.clang-format"), self.root)

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def lint(self, script, *args, environment=None):
        run = subprocess.run([sys.executable, os.path.join(HERE, script), *args], check=False, capture_output=True, text=True,
                             env={**os.environ, **(environment or {})})
        return run.returncode, run.stdout + run.stderr

    def expect(self, script, *texts, args=None):
        code, output = self.lint(script, *(args or [self.root]))
        self.assertNotEqual(code, 0, output)
        for text in texts:
            self.assertIn(text, output)

    def expect_clean(self, script, *args):
        code, output = self.lint(script, *(args or [self.root]))
        self.assertEqual(code, 0, output)

    def test_include_downwards(self):
        self.write("runtime/quic/a.cpp", SPDX["gpl"] + '#include "base/error.hpp"\n#include "node/node.hpp"\n')
        self.expect("layers.py", "runtime/quic/a.cpp:3:", "quic → node", "line 3", "layers.txt")

    def test_include_of_a_sibling(self):
        self.write("runtime/pool/a.hpp", '#include <quic/endpoint.hpp>\n')
        self.expect("layers.py", "runtime/pool/a.hpp:1:", "pool → quic")

    def test_include_by_relative_path(self):
        self.write("runtime/node/node.hpp", "")
        self.write("runtime/base/a.hpp", '#include "../node/node.hpp"\n')
        self.expect("layers.py", "base → node")

    def test_plugin_that_includes_the_runtime(self):
        self.write("plugins/echo/plugin.cpp", '#include <kith/protocol.hpp>\n#include "base/error.hpp"\n')
        self.expect("layers.py", "plugins/echo/plugin.cpp:2:", "plugins → base")

    def test_third_party_header_outside_its_module(self):
        for header in ("wolfssl/ssl.h", "boost/asio/post.hpp", "boost/json.hpp", "sqlite3.h", "curl/curl.h"):
            self.write("runtime/access/a.cpp", f"#include <{header}>\n")
            self.expect("layers.py", "runtime/access/a.cpp:1:", header)

    def test_private_header_of_another_module(self):
        self.write("runtime/node/a.cpp", '#include "quic/tls_impl.hpp"\n')
        self.expect("layers.py", "private header of quic")

    def test_folder_that_the_list_does_not_know(self):
        self.write("runtime/misc/a.cpp", "\n")
        self.expect("layers.py", "runtime/misc/a.cpp:1:", "no known module")

    def test_allowed_includes(self):
        self.write("runtime/node/a.cpp", '#include <sys/socket.h>\n#include <vector>\n#include "quic/endpoint.hpp"\n#include <kith/abi/entry.h>\n')
        self.expect_clean("layers.py")

    def test_link_arrows(self):
        graph = self.write("graph.txt", "target|kith_quic|runtime/quic|dep_ngtcp2\ntarget|kith_pool|runtime/pool|kith::quic;dep_sodium\nalias|kith::quic|kith_quic\n")
        self.expect("layers.py", "target kith_pool → kith::quic", "target kith_pool → dep_sodium: confined to identity", args=[self.root, graph])

    def test_licence_lines(self):
        self.write("runtime/quic/a.cpp", SPDX["apache"])
        self.write("client/b.cpp", "int b;\n")
        self.write("plugins/c.cpp", SPDX["apache"] * 2)
        self.write("runtime/base/d.hpp", SPDX["apache"])
        code, output = self.lint("licences.py", self.root)
        self.assertEqual(code, 1)
        for path in ("runtime/quic/a.cpp:1", "client/b.cpp:1", "plugins/c.cpp:1"):
            self.assertIn(path, output)
        self.assertNotIn("runtime/base/d.hpp", output)

    def test_apache_target_that_reaches_wolfssl(self):
        graph = self.write("graph.txt", "target|kith|client/cli|kith::client\ntarget|kith_client|client/lib|helper\ntarget|helper||dep_wolfssl\nalias|kith::client|kith_client\n")
        self.expect("licences.py", "kith → kith_client → helper → dep_wolfssl", args=[self.root, graph])
        graph = self.write("graph.txt", "target|echo|plugins/echo|kith::node\ntarget|kith_node|runtime/node|\nalias|kith::node|kith_node\n")
        self.expect("licences.py", "echo → kith_node", args=[self.root, graph])

    def test_forbidden_names(self):
        self.write("docs/a.md", "see /w" + "ork/main\n")
        self.write("b/package-lock.json", '"https://registry.' + 'npmjs.org/x"\n')
        self.expect("names.py", "docs/a.md:1:", "b/package-lock.json:1:")

    def test_format(self):
        self.write("runtime/a.cpp", "int  main( ){return 0 ;}\n")
        self.expect("format.py", "runtime/a.cpp:1:")

    def test_faults(self):
        self.write("tests/a_test.cpp", "TEST(Suite, there) {}\n")
        self.write("tests/CMakeLists.txt", "kith_test(a_test LABELS unit)\n")
        self.write("tests/faults.md", "| fault | test |\n|---|---|\n| one | `a_test.Suite.there` |\n| two | Suite.gone |\n| three | |\n")
        code, output = self.lint("faults.py", self.root)
        self.assertEqual(code, 1)
        self.assertIn("faults.md:4: two: there is no test Suite.gone", output)
        self.assertIn("faults.md:5: three: no test is named", output)
        self.assertNotIn("Suite.there", output)

    def test_faults_of_daemons(self):
        self.write("tests/e2e/test_calls.py", "class Calls(Base):\n    def test_echo(self):\n        pass\n")
        self.write("tests/faults.md", "| fault | test |\n|---|---|\n| one | e2e.calls.Calls.echo, e2e.calls.Calls.gone |\n")
        code, output = self.lint("faults.py", self.root)
        self.assertEqual(code, 1)
        self.assertIn("there is no test e2e.calls.Calls.gone", output)
        self.assertNotIn("Calls.echo", output)

    def test_docs(self):
        layers = {}
        for row in tree.rows(os.path.join(self.root, "tests/lint/layers.txt")):
            if row[0] == "module":
                layers.setdefault(row[5] if row[4] == "line" else "beside", []).append(row[1])
        table = "".join(f"| {line} | {', '.join(modules)} | |\n" for line, modules in layers.items())
        self.write("runtime/node/a.cpp", SPDX["gpl"] + 'void Node::open() { fail("no daemon at " + home); }\n')
        self.write("docs/adr/README.md", "[1](0001-one.md)\n")
        self.write("runtime/daemon/a.cpp", "to.gap = from.race_delay;")
        self.write("docs/operations.md", "| `race_delay` | time | 50ms | |\n")
        self.write("docs/adr/0001-one.md", "")
        self.write("runtime/daemon/options.cpp", 'usage = R"(kithd\n  --home DIR, --json)";')
        self.write("docs/man/kithd.1", ".BI \\-\\-home DIR\n.B \\-\\-json\n")
        self.write("ARCHITECTURE.md", table + "`Node::open` in `runtime/node`\n\n| text | |\n|---|---|\n| `no daemon at …` | |\n")
        self.expect_clean("docs.py")
        self.write("docs/adr/0002-two.md", "[gone](gone.md)")
        self.write("docs/operations.md", "| `race_pace` | time | 50ms | |\n")
        self.write("docs/man/kithd.1", ".BI \\-\\-home DIR\n.B \\-\\-yaml\n")
        self.write("ARCHITECTURE.md", table.replace("io, ", "") + "`Node::close` in `runtime/gone`\n\n| text | |\n|---|---|\n| `… ran away` | |\n")
        self.expect("docs.py", "0002-two.md: docs/adr/README.md does not list it", "a link to gone.md", "the layers of line 4 are", "Node::close", "runtime/gone",
                    "no program prints: ran away", "the setting race_pace", "--json is missing", "--yaml is no option")

    def tour(self, text):
        return self.lint("tour.py", self.write("README.md", text), self.root)

    def test_tour(self):
        code, output = self.tour("```sh tour\nx=1\n```\ntext\n```sh tour\necho one two $x\necho three\n```\n```text tour\none … 1\nthree\n```\n")
        self.assertEqual(code, 0, output)

    def test_tour_whose_command_fails(self):
        code, output = self.tour("```sh tour\necho fine\nfalse\n```\n```sh tour\necho late\n```\n")
        self.assertEqual(code, 1)
        self.assertIn("ended with 1 in block 1 of 2", output)

    def test_tour_with_other_output(self):
        code, output = self.tour("```sh tour\necho one\n```\n```text tour\ntwo\n```\n")
        self.assertEqual(code, 1)
        self.assertIn("did not come: two", output)

    def test_tour_that_leaves_a_process(self):
        code, output = self.tour("```sh tour\nsetsid sleep 100 &\n```\n")
        self.assertEqual(code, 1)
        self.assertIn("leaves running:", output)


if __name__ == "__main__":
    unittest.main()
