#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every test that tests/faults.md names exists.  faults.py ROOT

The table's rows are `| fault | test, test … |`. A test is PROGRAM.Suite.case or Suite.case of a GoogleTest source, or a name that an add_test() gives,
or e2e.FILE.Class.case of a method in tests/e2e (as its CMakeLists.txt names them).
"""
import os
import re
import sys

import tree

CASE = re.compile(r"^\s*(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.M)
PROGRAM = re.compile(r"^\s*kith_test\(\s*([\w-]+)", re.M)
PLAIN = re.compile(r"^\s*(?:add_test\(\s*(?:NAME\s+)?|kith_lint\(\s*|kith_script_test\(\s*)([\w./-]+)", re.M)


def end_to_end_tests(path, text):
    short, case = os.path.basename(path)[len("test_"):-len(".py")], None
    for kind, name in re.findall(r"^(class |    def test_)(\w+)", text, re.M):
        if kind == "class ":
            case = name
        else:
            yield f"e2e.{short}.{case}.{name}"


def known_tests(root):
    names = set()
    for path in tree.files(root):
        if path.endswith(".cpp"):
            names |= {f"{suite}.{case}" for suite, case in CASE.findall(tree.read(root, path))}
        elif re.match(r"tests/e2e/test_\w+\.py$", path):
            names |= set(end_to_end_tests(path, tree.read(root, path)))
        elif os.path.basename(path) == "CMakeLists.txt":
            text = tree.read(root, path)
            names |= set(PROGRAM.findall(text)) | set(PLAIN.findall(text))
    return names


def exists(name, known):
    if name in known:
        return True
    parts = name.split(".")
    return len(parts) == 3 and parts[0] in known and f"{parts[1]}.{parts[2]}" in known


def main():
    root = sys.argv[1]
    known, problems, rows = known_tests(root), [], 0
    for number, line in enumerate(tree.read(root, "tests/faults.md").splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|") or len(cells) < 2 or set(cells[1]) <= set("-: ") and cells[1] or cells[1].lower().startswith("test"):
            continue
        rows += 1
        tests = [t for t in re.split(r"[,\s]+|<br>", cells[-1].replace("`", "")) if t]
        if not tests:
            problems.append(f"tests/faults.md:{number}: {cells[0]}: no test is named")
        problems += [f"tests/faults.md:{number}: {cells[0]}: there is no test {t}" for t in tests if not exists(t, known)]
    if rows == 0:
        problems.append("tests/faults.md:1: no table row | fault | test | found")
    tree.report(problems, "fault(s) without a test", "Write the test, or mend the name in tests/faults.md.")


if __name__ == "__main__":
    main()
