#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every C and C++ file is as clang-format-14 writes it.  format.py ROOT [--fix]"""
import os
import subprocess
import sys

import tree


def main():
    root = sys.argv[1]
    sources = [f for f in tree.files(root) if f.endswith((".hpp", ".cpp", ".h", ".c"))]
    if "--fix" in sys.argv:
        sys.exit(subprocess.run(["clang-format-14", "-i", *sources], cwd=root, check=False).returncode)
    run = subprocess.run(["clang-format-14", "--dry-run", *sources], cwd=root, check=False, capture_output=True, text=True)
    places = {}
    for line in run.stderr.splitlines():
        if "[-Wclang-format-violations]" in line:
            places.setdefault(line.split(":")[0], line.split(":")[1])
    problems = [f"{os.path.normpath(path)}:{number}: not as clang-format-14 writes it" for path, number in places.items()]
    if run.returncode != 0 and not problems:
        problems = run.stderr.splitlines()
    tree.report(problems, "file(s) to format", "Run: python3 tests/lint/format.py . --fix")


if __name__ == "__main__":
    main()
