#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the documents say of the tree is so.  docs.py ROOT

Links between documents lead somewhere; paths in backticks exist; ARCHITECTURE.md has fewer than 200 lines, its layers are those of layers.txt, and each
`Type::function` that it names is in the code; docs/adr/README.md lists every record; error texts that a document explains are in the code;
docs/man/kithd.1 has kithd's options.
"""
import os
import re
import sys

import tree

MOST_LINES = 200
FOLDERS = ("runtime", "client", "plugin-api", "plugins", "tests", "scripts", "docs", "config", "cmake", "bench", "LICENSES")
CODE = ("runtime", "client", "plugin-api", "plugins", "tests/support")


def documents(root):
    return [path for path in tree.files(root) if path.endswith(".md") and not path.startswith("tests/lint/")]


def broken_links(root, path, text):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
            yield f"{path}: a link to {target}, which is not there"


def missing_paths(root, path, text):
    for name in re.findall(r"`((?:" + "|".join(FOLDERS) + r")/[\w./-]*)`", text):
        capability = re.search(r"/\d+$", name) and name.count("/") == 1  # config/1
        if not capability and not os.path.exists(os.path.join(root, name)):
            yield f"{path}: {name} is not there"


def wrong_layers(root, text):
    listed, said = {}, {}
    for kind, name, *rest in tree.rows(os.path.join(root, "tests/lint/layers.txt")):
        if kind == "module":
            listed.setdefault(rest[3] if rest[2] == "line" else "beside", set()).add(name)
    for line, modules in re.findall(r"^\| (\d+|beside) \| ([^|]+) \|", text, re.M):
        said[line] = {module.strip() for module in modules.split(",")}
    for line in sorted(listed.keys() | said.keys()):
        if listed.get(line) != said.get(line):
            yield (f"ARCHITECTURE.md: the layers of line {line} are {', '.join(sorted(said.get(line, set()))) or 'left out'}; "
                   f"tests/lint/layers.txt has {', '.join(sorted(listed.get(line, set()))) or 'none'}")


def unknown_functions(root, text):
    code = [tree.read(root, path) for path in tree.files(root, CODE) if path.endswith((".cpp", ".hpp"))]
    for scope, name in sorted(set(re.findall(r"`(\w+)::(\w+)`", text))):
        word, declared = re.compile(rf"\b{name}\b"), re.compile(rf"\b(?:class|struct|namespace)\s+(?:\w+::)*{scope}\b|\b{scope}::{name}\b")
        if not any(word.search(file) and declared.search(file) for file in code):
            yield f"ARCHITECTURE.md: {scope}::{name} is not in the code"


def unknown_texts(root):
    """The first column of a table `| text | …` quotes what the programs print: each piece between … stands in the code."""
    code = "".join(tree.read(root, path) for path in tree.files(root, CODE) if path.endswith(".cpp")).replace('\\"', '"')
    for path in documents(root):
        for table in re.findall(r"^\| text \|.*\n((?:\|.*\n)+)", tree.read(root, path), re.M):
            for text in re.findall(r"^\| `([^`]+)`", table, re.M):
                for piece in text.split("…"):
                    piece = piece.strip(" :;.,")
                    if piece and not piece.isupper() and piece not in code:  # FILE and the like stand for something
                        yield f"{path}: no program prints: {piece}"


def idle_settings(root):
    """A setting that is documented does something: the daemon hands its field on."""
    users = "".join(tree.read(root, path) for path in tree.files(root, ("runtime/daemon",)) if path.endswith(".cpp"))
    for key in re.findall(r"^\| `(\w+)` \| (?:time|size|number|word) \|", tree.read(root, "docs/operations.md"), re.M):
        if not re.search(rf"\.{key}\b", users):
            yield f"docs/operations.md: nothing in runtime/daemon looks at the setting {key}"


def wrong_options(root):
    """kithd's page has the options of `kithd --help`, and no others."""
    usage = re.search(r'R"\((.*?)\)"', tree.read(root, "runtime/daemon/options.cpp"), re.S).group(1)
    said, known = (set(re.findall(r"--[a-z]+", text)) for text in (tree.read(root, "docs/man/kithd.1").replace("\\-", "-"), usage))
    for option in sorted(said ^ known):
        yield f"docs/man/kithd.1: {option} is {'no option of kithd' if option in said else 'missing'}"


def unlisted_records(root):
    index = tree.read(root, "docs/adr/README.md")
    for name in sorted(os.listdir(os.path.join(root, "docs/adr"))):
        if name == "README.md":
            continue
        if not re.match(r"\d{4}-[\w-]+\.md$", name):
            yield f"docs/adr/{name}: a record is called NNNN-title.md"
        elif f"]({name})" not in index:
            yield f"docs/adr/{name}: docs/adr/README.md does not list it"


def main():
    root, problems = sys.argv[1], []
    for path in documents(root):
        text = tree.read(root, path)
        problems += [*broken_links(root, path, text), *missing_paths(root, path, text)]
    architecture = tree.read(root, "ARCHITECTURE.md")
    if len(architecture.splitlines()) >= MOST_LINES:
        problems.append(f"ARCHITECTURE.md: has {len(architecture.splitlines())} lines; it stays under {MOST_LINES}")
    problems += [*wrong_layers(root, architecture), *unknown_functions(root, architecture), *unlisted_records(root), *unknown_texts(root), *idle_settings(root),
                 *wrong_options(root)]
    tree.report(problems, "place(s) where a document and the tree differ", "Mend the document, or what it describes.")


if __name__ == "__main__":
    main()
