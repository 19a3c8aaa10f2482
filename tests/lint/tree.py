# SPDX-License-Identifier: Apache-2.0
"""What the lint tests share: the files of the tree, the link graph that CMake wrote, and how findings are reported."""
import os
import subprocess
import sys


def files(root, under=()):
    """Paths of all files that git tracks or would track, relative to root; every file when root is no checkout."""
    if os.path.exists(os.path.join(root, ".git")):
        listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "-co", "--exclude-standard", "--", *under],
                                check=True, capture_output=True, text=True).stdout.split("\0")
    else:
        listed = [os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names]
    return sorted(f for f in set(listed) if f and os.path.isfile(os.path.join(root, f)) and (not under or f.startswith(tuple(u + "/" for u in under))))


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def rows(path):
    """The words of each line of a data file, without comments."""
    with open(path, encoding="utf-8") as file:
        return [line.split() for line in file if line.strip() and not line.startswith("#")]


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


class LinkGraph:
    """The file that cmake/KithLinkGraph.cmake writes: each target's folder and the libraries it names itself."""

    def __init__(self, path):
        self.folder, self.links, self.alias = {}, {}, {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                kind, name, *rest = line.rstrip("\n").split("|")
                if kind == "alias":
                    self.alias[name] = rest[0]
                else:
                    self.folder[name] = rest[0]
                    self.links[name] = [link for link in rest[1].split(";") if link]

    def target(self, name):
        return self.alias.get(name, name)


def report(problems, what, way_out):
    """Prints the findings; the exit status of the test."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"\n{len(problems)} {what}. {way_out}")
    sys.exit(1 if problems else 0)
