#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tour of a README exactly as printed.  tour.py README BIN-FOLDER

The fenced blocks tagged `sh tour` are the lines of one bash session (set -euo pipefail) in an empty home folder, with the built binaries first in PATH.
A block tagged `text tour` after one of them is what it prints: each line must come, in this order; `…` stands for anything. Fails when a command
fails, when the output differs, and when a process is left running.
"""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

MARK = "@@ end of block"
PR_SET_CHILD_SUBREAPER = 36
LIMIT = 120  # seconds; a tour that hangs is killed then


def blocks(text):
    """(commands, expected output or None) of each block of the tour, in order."""
    found = []
    for tag, body in re.findall(r"^```(sh|text) tour\n(.*?)^```$", text, re.M | re.S):
        if tag == "sh":
            found.append([body, None])
        elif found:
            found[-1][1] = body
        else:
            sys.exit("the README shows output before the first command of the tour")
    return found


def missing_line(expected, output):
    """The first expected line that does not come, or None."""
    lines = iter(output.splitlines())
    for wanted in expected.splitlines():
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.strip().split("…")))
        if wanted.strip() and not any(pattern.fullmatch(line.strip()) for line in lines):
            return wanted
    return None


def children():
    """Our children that run, as {pid: command line}."""
    found = {}
    for pid in [int(p) for p in os.listdir("/proc") if p.isdigit()]:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                state, parent = stat.read().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as line:
                    found[pid] = line.read().replace("\0", " ").strip()
        except (OSError, ValueError):
            continue  # it has just ended
    return found


def end_leftovers():
    """Ends what the session left behind: daemons become our children, and theirs after them. Returns their command lines."""
    left = []
    while running := children():
        for pid, command in running.items():
            left.append(command)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return left


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        tour = blocks(file.read())
    if not tour:
        sys.exit("the README has no block tagged `sh tour`")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    home = tempfile.mkdtemp(prefix="tour.")
    environment = {"HOME": home, "PATH": os.path.realpath(sys.argv[2]) + ":" + os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    script = "set -euo pipefail\n" + "".join(f"{commands}\nprintf '%s\\n' '{MARK}'\n" for commands, _ in tour)
    try:
        with open(os.path.join(home, ".out"), "w+", encoding="utf-8") as out:
            session = subprocess.Popen(["bash", "-c", script], cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
            try:
                code = session.wait(LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(session.pid, signal.SIGKILL)
                code = f"killed after {LIMIT} s"
            left = end_leftovers()
            out.seek(0)
            outputs = out.read().split(MARK + "\n")
    finally:
        shutil.rmtree(home, ignore_errors=True)

    for (commands, expected), output in zip(tour, outputs):
        print(commands + "--- prints\n" + output)
        wanted = missing_line(expected, output) if expected else None
        if wanted:
            sys.exit(f"the README promises this line, which did not come: {wanted}")
    if code != 0 or len(outputs) <= len(tour):
        sys.exit(f"the tour ended with {code} in block {len(outputs)} of {len(tour)}")
    if left:
        sys.exit(f"the tour leaves running: {'; '.join(left)}")


if __name__ == "__main__":
    main()
