#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks #include lines and CMake link arrows against layers.txt.  layers.py ROOT [LINK-GRAPH]"""
import os
import re
import sys

import tree

PRODUCT = ("runtime", "client", "plugin-api", "plugins")  # tests and bench may look at everything, and nothing here at them
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Layers:
    def __init__(self, path):
        self.modules, self.headers, self.system = {}, [], []
        for kind, *words in tree.rows(path):
            if kind == "module":
                name, folder, prefix, how, what = words
                self.modules[name] = (folder, [] if prefix == "-" else prefix.split(","), int(what) if how == "line" else None, [] if what == "-" else what.split(","))
            elif kind == "header":
                self.headers.append((words[0], words[1], words[2].split(",")))
            elif kind == "system":
                self.system += words
            else:
                sys.exit(f"{path}: unknown word {kind}")

    def module_of(self, path):
        """The module in whose folder a path lies (the longest folder wins), or None."""
        return max((n for n, m in self.modules.items() if tree.inside(path, m[0])), key=lambda n: len(self.modules[n][0]), default=None)

    def module_of_include(self, header):
        """The module whose prefix a header's name begins with (the longest prefix wins), or None."""
        found = [(len(prefix), name) for name, module in self.modules.items() for prefix in module[1] if header.startswith(prefix)]
        return max(found, default=(0, None))[1]

    def may_use(self, user, used):
        _, _, line, only = self.modules[user]
        if user == used:
            return True
        if line is None:
            return used in only
        used_line = self.modules[used][2]
        return used_line is not None and used_line < line

    def confined(self, header):
        """The row that confines a third-party header (the longest prefix wins), or None."""
        found = [h for h in self.headers if header.startswith(h[0]) and (h[0].endswith("/") or header[len(h[0]):][:1] in ("", ".", "/"))]
        return max(found, key=lambda h: len(h[0]), default=None)

    def why_not(self, user, used):
        line, only = self.modules[user][2:]
        used_line = self.modules[used][2]
        if line is None:
            return f"{user} may use {', '.join(only) or 'nothing'} alone"
        if used_line is None:
            return f"{used} stands beside the lines; nothing on them may use it"
        return f"{user} is on line {line}, {used} on line {used_line}; a module uses smaller lines alone"


def check_include(layers, root, path, user, quote, header):
    """A text when this include is not allowed."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), header))
    used = layers.module_of(beside) if quote == '"' and os.path.isfile(os.path.join(root, beside)) else layers.module_of_include(header)
    if used:
        if not layers.may_use(user, used):
            return f"{user} → {used} ({header}): {layers.why_not(user, used)}"
        if used != user and "_impl.h" in header:
            return f"{user} → {used} ({header}): a private header of {used}"
        return None
    row = layers.confined(header)
    if row:
        return None if row[2] == ["*"] or user in row[2] else f"{user} → {header}: this header is confined to {', '.join(row[2])}"
    if re.match(r"(tests|bench|examples|unit|sim|support)/", header):
        return f"{user} → {header}: the product never includes tests"
    if quote == "<" and "/" in header and not header.startswith(tuple(layers.system)):
        return f"{user} → {header}: a third-party header that the list does not know"
    return None


def check_includes(layers, root):
    for path in tree.files(root, PRODUCT):
        if not path.endswith((".hpp", ".cpp", ".h", ".c")):
            continue
        user = layers.module_of(path)
        if user is None:
            yield f"{path}:1: a source file in no known module"
            continue
        for number, line in enumerate(tree.read(root, path).splitlines(), 1):
            match = INCLUDE.match(line)
            text = match and check_include(layers, root, path, user, *match.groups())
            if text:
                yield f"{path}:{number}: {text}"


def check_links(layers, graph):
    confined = {row[1]: row[2] for row in layers.headers}
    for row in layers.headers:
        if row[1] in confined:
            confined[row[1]] = sorted({*confined[row[1]], *row[2]})
    for target, folder in sorted(graph.folder.items()):
        user = layers.module_of(folder)
        if user is None:
            continue
        for link in graph.links[target]:
            used = layers.module_of(graph.folder.get(graph.target(link), ""))
            if used and not layers.may_use(user, used):
                yield f"{folder}/CMakeLists.txt: target {target} → {link}: {layers.why_not(user, used)}"
            where = confined.get(link)
            if where and "*" not in where and user not in where:
                yield f"{folder}/CMakeLists.txt: target {target} → {link}: confined to {', '.join(where)}"


def main():
    root = sys.argv[1]
    layers = Layers(os.path.join(root, "tests/lint/layers.txt"))
    problems = list(check_includes(layers, root))
    if len(sys.argv) > 2:
        problems += check_links(layers, tree.LinkGraph(sys.argv[2]))
    tree.report(problems, "arrow(s) against the layering",
                "Take the arrow out (an interface in base/, or data handed in by whoever is on a later line), or change tests/lint/layers.txt in the same commit and say why.")


if __name__ == "__main__":
    main()
