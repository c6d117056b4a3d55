"""Throughput, by wrk: a closed loop, in which each connection asks as soon as it is answered."""

import os
import statistics
import subprocess

from tell import HERE, progress

SEED = 20090


class Load:
    def __init__(self, folder, seconds):
        self.folder, self.seconds, self.number = folder, seconds, 0

    def paths(self, name, lines):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")
        return path

    def counted(self, port, kind, paths, connections, seconds=None, timeout="10s"):
        """What wrk counts: requests, microseconds, failed of them, p50 and p99 in microseconds, and the
        failed ones again as status, broken, timed out."""
        self.number += 1
        threads = 2 if kind == "get" else 1  # one keeps up with purchases, and leaves the cores to the shop
        done = subprocess.run(["wrk", "-t", str(threads), "-c", str(max(threads, connections)),
                               "-d", f"{seconds or self.seconds}s", "--timeout", timeout,
                               "-s", os.path.join(HERE, "load.lua"), f"http://127.0.0.1:{port}/",
                               "--", kind, str(SEED + self.number), paths],
                              capture_output=True, text=True, check=False)
        line = next((l for l in done.stdout.splitlines() if l.startswith("RESULT ")), None)
        if line is None:
            raise SystemExit(f"wrk said:\n{done.stdout}{done.stderr}")
        return [int(word) for word in line.split()[1:]]

    def run(self, port, kind, paths, connections=32, seconds=None):
        """{rate, p50 and p99 in ms}. A single refused or failed request ends the bench."""
        requests, micros, bad, p50, p99, *_ = self.counted(port, kind, paths, connections, seconds)
        if bad:
            raise SystemExit(f"{kind} {paths}: {bad} of {requests} requests failed")
        return {"rate": requests * 1e6 / micros, "p50": p50 / 1000, "p99": p99 / 1000}


def median_of(rounds):
    return {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}


def take_turns(contenders, rounds, label):
    """Run each contender once a round; medians by name, and the rates of all rounds."""
    results = {name: [] for name in contenders}
    for number in range(rounds):
        for name, work in contenders.items():
            progress(f"{label}: round {number + 1} of {rounds}, {name}")
            results[name].append(work())
    progress("")
    return {name: {**median_of(found), "rates": [r["rate"] for r in found]} for name, found in results.items()}
