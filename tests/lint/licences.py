#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One SPDX line a file, the right one for its folder; nothing Apache-2.0 links wolfSSL or GPL modules.  licences.py ROOT [LINK-GRAPH]"""
import os
import re
import sys

import tree

APACHE, GPL = "Apache-2.0", "GPL-3.0-or-later"
GPL_LIBRARIES = ("dep_wolfssl", "dep_ngtcp2")  # ngtcp2 is MIT, but what we link of it carries its wolfSSL helper
SUFFIXES = (".cpp", ".hpp", ".h", ".c", ".in", ".py", ".sh", ".cmake", ".service", ".map", ".js", ".mjs", ".rs", ".toml")
SPDX = re.compile(r"SPDX-License-Identifier:\s*(.+?)\s*(\*/|-->)?$")


def needs_line(root, path):
    if path.endswith(SUFFIXES) or os.path.basename(path) == "CMakeLists.txt":
        return True
    with open(os.path.join(root, path), "rb") as file:
        return file.read(2) == b"#!"


def licence_of(path, folders):
    return folders[max((f for f in folders if f == "." or tree.inside(path, f)), key=lambda f: 0 if f == "." else len(f))]


def check_lines(root, folders):
    for path in tree.files(root):
        if not needs_line(root, path):
            continue
        text = tree.read(root, path).splitlines()
        found = [m.group(1) for m in map(SPDX.search, text[:3]) if m]
        wanted = licence_of(path, folders)
        if wanted == "any" or os.path.basename(path) == "CMakeLists.txt":
            wanted = found[0] if found and found[0] in (APACHE, GPL) else f"{APACHE} or {GPL}"
        if found != [wanted]:
            yield f"{path}:1: the SPDX line says {', '.join(found) or 'nothing'}; this folder's licence is {wanted}"


def path_to_gpl(start, graph, folders):
    """The arrows from a target to the first GPL one, or None."""
    waiting, seen = [[start]], {start}
    while waiting:
        path = waiting.pop(0)
        for link in graph.links.get(graph.target(path[-1]), []):
            target = graph.target(link)
            if target in GPL_LIBRARIES or "wolfssl" in link.lower() or (graph.folder.get(target) and licence_of(graph.folder[target], folders) == GPL):
                return path + [target]
            if target not in seen:
                seen.add(target)
                waiting.append(path + [target])
    return None


def check_links(graph, folders):
    for target, folder in sorted(graph.folder.items()):
        if folder and licence_of(folder, folders) == APACHE:
            path = path_to_gpl(target, graph, folders)
            if path:
                yield f"{folder}/CMakeLists.txt: an Apache-2.0 target links GPL code: {' → '.join(path)}"


def main():
    root = sys.argv[1]
    folders = {row[0]: row[1] for row in tree.rows(os.path.join(root, "tests/lint/licences.txt"))}
    problems = list(check_lines(root, folders))
    if len(sys.argv) > 2:
        problems += check_links(tree.LinkGraph(sys.argv[2]), folders)
    tree.report(problems, "licence finding(s)", "Each file has one line `SPDX-License-Identifier: …` among its first three; folders and licences are in tests/lint/licences.txt.")


if __name__ == "__main__":
    main()
