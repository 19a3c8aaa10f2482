#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs kith-bench as small as it goes and looks at the form of what it prints.  form_test.py KITH-BENCH"""
import json
import subprocess
import sys

ROWS = ["bulk1", "bulk8", "both", "call_p50", "call_p99", "calls16", "calls64", "calls256", "messages", "cold", "beside_p50", "beside_p99"]
COSTS = ["garbage", "unknown_connection", "reset", "undecryptable", "retry", "unknown_name", "wrong_alpn", "denied"]
NAMES = {f"{place}.{row}" for place in ("raw", "library", "plugin", "pooled", "to-plugin", "to-program") for row in ROWS}
NAMES |= {f"{place}.{row}" for place in ("raw", "library") for row in ("dials", "idle_kb", "idle_wakes")}
NAMES |= {f"{place}.{row}" for place in ("raw-large", "plugin-ethernet") for row in ("bulk1", "bulk8", "both")}
NAMES |= {f"{place}.writes" for place in ("to-plugin", "to-program")}
NAMES |= {"unix.unix_p50", "unix.unix_messages", "daemon.start3", "daemon.start100", "daemon.idle_mb", "daemon.idle_wakes"}
NAMES |= {f"strangers.{row}" for row in ["undisturbed", "flooded"] + COSTS}
MAY_BE_ZERO = ("idle_kb", "idle_wakes")
HEADS = ["row", "limit", "kith", "kith / limit", "goal", "reached"], ["what comes", "CPU time of the daemon for each, us", "a core turns away, a second"]


def said(done):
    """What it and its programs said, without their progress and the daemons' starts and stops."""
    lines = done.stderr.replace("\r", "\n").splitlines()
    return "\n".join(line for line in lines if line.strip() and not line.startswith("round ") and " info daemon" not in line)[-4000:]


def run(bench, *arguments):
    done = subprocess.run([bench, "--quick", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=250)
    if done.returncode != 0:
        sys.exit(f"kith-bench {' '.join(arguments)}: exit {done.returncode}\n{said(done)}")
    return done


def check_json(done):
    measured = json.loads(done.stdout)
    problems = [f"missing: {name}" for name in sorted(NAMES - set(measured))] + [f"not in bench/README.md: {name}" for name in sorted(set(measured) - NAMES)]
    for name, series in measured.items():
        if set(series) != {"median", "least", "most", "values"} or len(series["values"]) != 1:
            problems.append(f"{name}: {series}")
        elif not (series["least"] == series["median"] == series["most"]):
            problems.append(f"{name}: one value, and {series}")
        elif series["median"] < 0 or (series["median"] == 0 and not name.endswith(MAY_BE_ZERO)):
            problems.append(f"{name}: {series['median']}")
    if problems:
        sys.exit("\n".join(problems) + "\n" + said(done))


def check_table(done):
    tables = []
    for line in done.stdout.splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells in HEADS:
            tables.append(len(cells))
        elif len(cells) != tables[-1]:
            sys.exit(f"{len(cells)} cells: {line}")
    if sorted(tables) != [3, 6, 6]:
        sys.exit("other tables than expected:\n" + done.stdout)


check_json(run(sys.argv[1], "--json"))
check_table(run(sys.argv[1], "--only", "unix", "--only", "strangers"))
