"""What a bench says while it runs, what was wanted of it, and where it is kept."""

import json
import os
import platform
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from stack import BUILD  # noqa: E402  (needs the path above; who imports this module first finds it, too)

TARGET = os.path.join(BUILD, "bench")


def say(text=""):
    print(text, flush=True)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def show(title, rows, unit="/s"):
    say(f"\n{title}")
    for name, row in rows.items():
        say(f"  {name:44} {row['rate']:10,.0f} {unit}   p50 {row['p50']:7.2f} ms   p99 {row['p99']:7.2f} ms")


def show_times(table, what):
    say(f"\n{what}, one client, milliseconds")
    columns = ("avg", "min", "max", "median", "stddev", "p99")
    say(f"  {'':24}" + "".join(f"{c:>9}" for c in columns))
    for name, row in table.items():
        say(f"  {name:24}" + "".join(f"{row[c]:9.3f}" for c in columns))


def show_facts(title, facts):
    say(f"\n{title}")
    width = max(44, *map(len, facts))
    for name, value in facts.items():
        say(f"  {name:{width}} {f'{value:,.2f}' if isinstance(value, float) else f'{value:,}':>12}")


def show_wanted(rows):
    """Rows of (name, "at least" or "at most", bound, value). What is to be saved of them."""
    if rows:
        say("\nWanted on a quiet machine")
    for name, side, bound, value in rows:
        met = value >= bound if side == "at least" else value <= bound
        say(f"  {name:48} {value:10,.2f}   {side} {bound:,}   {'met' if met else 'MISSED'}")
    return {name: {side: bound, "measured": value} for name, side, bound, value in rows}


def machine():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {"processors": len(os.sched_getaffinity(0)), "model": model, "kernel": platform.release(),
            "load average": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d")}


def save(name, results):
    os.makedirs(TARGET, exist_ok=True)
    path = os.path.join(TARGET, name)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(results, out, indent=2)
    say(f"\nSaved: {os.path.relpath(path)}")
