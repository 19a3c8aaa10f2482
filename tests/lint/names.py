#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No file names a path of the machine it was written on, or a package registry (forbidden.txt).  names.py ROOT"""
import os
import re
import sys

import tree


def patterns(root):
    with open(os.path.join(root, "tests/lint/forbidden.txt"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                pattern, reason = line.rstrip("\n").split("\t")
                yield re.compile(pattern), reason
    parent = os.path.dirname(os.path.realpath(root))
    if parent.count("/") > 1:  # one short word ("/src") would be found in honest texts
        yield re.compile(r"(?<![\w.~$}/-])" + re.escape(parent) + "/"), "the folder that this checkout lies in"


def main():
    root = sys.argv[1]
    forbidden, problems = list(patterns(root)), []
    for path in tree.files(root):
        if path == "tests/lint/forbidden.txt" or path.startswith("LICENSES/"):
            continue
        for number, line in enumerate(tree.read(root, path).splitlines(), 1):
            for pattern, reason in forbidden:
                match = pattern.search(line)
                if match:
                    problems.append(f"{path}:{number}: {match.group(0)}: {reason}")
    tree.report(problems, "forbidden name(s)", "Take a variable, an option or a relative path; the list is tests/lint/forbidden.txt.")


if __name__ == "__main__":
    main()
