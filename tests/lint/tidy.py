#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy-14 over the sources changed since the last landed commit.  tidy.py ROOT BUILD-FOLDER

KITH_TIDY_ALL=1 looks at every source. A source that was clean is not looked at again until it, a header that it includes or .clang-tidy changes.
KITH_TIDY_SECONDS (default 330) bounds a run over changes: sources beyond it are named, and looked at by the next run.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import time

import tree


def git(root, *args):
    run = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, *args], check=False, capture_output=True, text=True)
    return run.stdout.split() if run.returncode == 0 else []


def changed(root):
    """Files that differ from the last landed commit: origin/main's merge base, or where there is no such branch, the commit before this one."""
    base = git(root, "merge-base", "origin/main", "HEAD") or git(root, "rev-parse", "--verify", "-q", "HEAD~1")
    return {*(git(root, "diff", "--name-only", base[0]) if base else []), *git(root, "ls-files", "-o", "--exclude-standard")}


def included(build):
    """What each object was compiled from, as ninja knows it: object → paths."""
    found, current = {}, None
    for line in subprocess.run(["ninja", "-C", build, "-t", "deps"], check=False, capture_output=True, text=True).stdout.splitlines():
        if line.startswith("    "):
            found[current].append(os.path.normpath(os.path.join(build, line.strip())))
        elif line and not line.startswith("ninja:"):
            current = line.split(":")[0]
            found[current] = []
    return found


def fingerprint(config, command, paths):
    digest = hashlib.sha256(config + command.encode())
    for path in paths:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                digest.update(file.read())
    return digest.hexdigest()


def tidy(source, build):
    run = subprocess.run(["clang-tidy-14", "--quiet", "-p", build, "--extra-arg=-Wno-unknown-warning-option", source],
                         check=False, capture_output=True, text=True)
    return run.returncode, "\n".join(l for l in run.stdout.splitlines() if l.strip())


def selected(root, build):
    """The sources to look at, each with its fingerprint; those that a changed header belongs to come with it."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        units = {os.path.relpath(u["file"], root): u for u in json.load(file) if os.path.realpath(u["file"]).startswith(os.path.realpath(root) + "/")}
    with open(os.path.join(root, ".clang-tidy"), "rb") as file:
        config = file.read()
    names = set(units) if os.environ.get("KITH_TIDY_ALL") == "1" else changed(root)
    names |= {re.sub(r"(_impl)?\.hpp$", ".cpp", n) for n in names}
    deps = included(build)
    for name in sorted(names & set(units)):
        unit = units[name]
        ours = [p for p in deps.get(unit.get("output", ""), []) if p.startswith(root + "/") and not p.startswith(build + "/")] or [os.path.join(root, name)]
        yield name, fingerprint(config, unit["command"], ours)


def main():
    root, build = (os.path.realpath(p) for p in sys.argv[1:3])
    stamps = os.path.join(build, "tidy")
    os.makedirs(stamps, exist_ok=True)
    todo = [(n, m) for n, m in selected(root, build) if not os.path.exists(os.path.join(stamps, m))]
    end = float("inf") if os.environ.get("KITH_TIDY_ALL") == "1" else time.monotonic() + float(os.environ.get("KITH_TIDY_SECONDS", "330"))
    problems, late = [], []

    def look(name, mark):
        if time.monotonic() > end:
            late.append(name)
            return
        code, text = tidy(os.path.join(root, name), build)
        if code == 0:
            with open(os.path.join(stamps, mark), "w", encoding="utf-8"):
                pass
        else:
            problems.append(text.replace(root + "/", ""))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda item: look(*item), todo))
    print(f"looked at {len(todo) - len(late)} sources")
    if late:
        print(f"out of time before {len(late)} (the next run looks at them, or KITH_TIDY_ALL=1): {' '.join(sorted(late))}")
    tree.report(problems, "source(s) with findings", "Mend the code, or say why not in .clang-tidy (a check for everyone) or with NOLINT(check): reason.")


if __name__ == "__main__":
    main()
