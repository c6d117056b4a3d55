#!/usr/bin/env python3
"""make bench-plots: draw what `make bench-peers` and `make bench-pressure` measured last, for the README.

Reads build/bench/peers.json and latency.json, writes reads.svg, buys.svg and latency.svg beside this file. Nothing else
writes those, so that a picture changes only when somebody wants it to.
"""

import json
import math
import os
import sys
from xml.sax.saxutils import escape

from tell import HERE, TARGET, say

WIDTH, LABEL, AXIS, BAR, GAP, TOP, RIGHT = 760, 260, 64, 20, 9, 62, 110  # pixels
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; } .title { font-size: 15px; font-weight: 600; }
.small { font-size: 11px; fill: #656d76; } .ours { fill: #0f766e; } .theirs { fill: #9aa4af; } .range { stroke: #24292f; }
.line { stroke: #d0d7de; } .c0 { stroke: #0f766e; } .c1 { stroke: #b45309; } .c2 { stroke: #6d28d9; }
.curve { fill: none; stroke-width: 2; } .dash { stroke-dasharray: 5 4; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .small { fill: #9198a1; } .ours { fill: #2dd4bf; }
.theirs { fill: #59636e; } .range { stroke: #e6edf3; } .line { stroke: #3d444d; }
.c0 { stroke: #2dd4bf; } .c1 { stroke: #fbbf24; } .c2 { stroke: #a78bfa; } }
"""


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def picture(name, title, below, height, parts):
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img" '
            f'aria-label="{escape(title)}"><style>{STYLE}</style>')
    path = os.path.join(HERE, name)
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join([head, text(0, 18, title, "title"), text(0, 38, below, "small"), *parts, "</svg>"]) + "\n")
    say(os.path.relpath(path))


def origin(results):
    versions = ", ".join(f"{name} {version}" for name, version in results.get("versions", {}).items())
    return (f"Medians of {results['rounds']} rounds of {results['seconds']} s in turns, {results['machine']['processors']} "
            f"processors, clients on the same{'; ' * bool(versions)}{versions}; {results['machine']['date']}")


# ---- Bars: a rate each, with the range of its rounds ----

def bars(name, title, results, groups):
    """Groups of (label, row, ours or theirs)."""
    most = max(max(row["rates"]) for group in groups for _, row, _ in group)
    scale, y, parts = (WIDTH - LABEL - RIGHT) / most, TOP, []
    for group in groups:
        for label, row, kind in group:
            low, high = LABEL + min(row["rates"]) * scale, LABEL + max(row["rates"]) * scale
            middle = y + BAR / 2
            parts += [text(LABEL - 10, middle + 4.5, label, anchor="end"),
                      f'<rect x="{LABEL}" y="{y}" width="{row["rate"] * scale:.1f}" height="{BAR}" rx="2" class="{kind}"/>',
                      line(low, middle, high, middle, "range"), text(high + 8, middle + 4.5, f"{row['rate']:,.0f}/s")]
            y += BAR + GAP
        y += GAP
    picture(name, title, origin(results), y, parts)


def plot_reads(results):
    rows = results["reads"]

    def bar(label, name, kind="theirs"):
        return label, rows[name], kind

    bars("reads.svg", "Reads a second, 32 connections", results, [
        [bar("nginx return 200, same body", "nginx return 200, an info"), bar("a book, from the cache", "info, cached", "ours"),
         bar("a book, not from the cache", "info, uncached", "ours"),
         bar("a bare libfcgi program", "trivial libfcgi responder"), bar("Redis GET, same value", "Redis GET, an info")],
        [bar("nginx return 200, same body", "nginx return 200, a search"),
         bar("100 books, from the cache", "search, cached", "ours"),
         bar("91-100 books, not from the cache", "search, uncached", "ours")]])


def plot_buys(results):
    rows = results["buys"]
    bars("buys.svg", "Purchases a second, on two disks each; PostgreSQL: remote_apply, no HTTP", results, [
        [(f"{who}, {books}, {clients}", rows[f"{who}, {books}, {clients}"], "ours" if who == "Bazar.com" else "theirs")
         for clients in ("64 clients", "1 client") for who in ("Bazar.com", "PostgreSQL")]
        for books in ("random books", "one book")])


# ---- Curves: percentiles by the share of saturation, time on a logarithmic scale ----

def plot_latency(results):
    rows = results["latency"]["by the clock"]
    kinds = list(dict.fromkeys(name.rsplit(",", 1)[0] for name in rows))
    shares = list(dict.fromkeys(name.rsplit(",", 1)[1].strip() for name in rows))
    columns = ("p50", "p99", "p99.9")
    values = [rows[f"{kind}, {share}"][c] for kind in kinds for share in shares for c in columns]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    bottom, height, panel = TOP + 210, 190, (WIDTH - AXIS) / len(columns)

    def y_of(value):
        return bottom - (math.log10(value) - low) / (high - low) * height

    parts = []
    for power in range(low, high + 1):
        parts += [line(AXIS, y_of(10**power), WIDTH, y_of(10**power), "line"),
                  text(AXIS - 6, y_of(10**power) + 4, f"{10.0**power:g} ms", "small", "end")]
    for p, column in enumerate(columns):
        xs = [AXIS + panel * (p + (i + 0.75) / (len(shares) + 0.5)) for i in range(len(shares))]
        parts.append(text(AXIS + panel * (p + 0.5), TOP, column, anchor="middle"))
        parts += [text(x, bottom + 18, share, "small", "middle") for x, share in zip(xs, shares)]
        for k, kind in enumerate(kinds):
            points = " ".join(f"{x:.1f},{y_of(rows[f'{kind}, {share}'][column]):.1f}" for x, share in zip(xs, shares))
            parts.append(f'<polyline points="{points}" class="curve c{k}"/>')
    for k, kind in enumerate(kinds):
        x = AXIS + k * 180
        parts += [line(x, bottom + 40, x + 24, bottom + 40, f"curve c{k}"), text(x + 32, bottom + 44.5, kind)]
    picture("latency.svg", "Latency of requests that come by the clock, at a share of saturation", origin(results),
            bottom + 54, parts)


def load(name, target):
    path = os.path.join(TARGET, name)
    if not os.path.exists(path):
        sys.exit(f"{os.path.relpath(path)} is not there: make bench-{target} writes it")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main():
    peers, latency = load("peers.json", "peers"), load("latency.json", "pressure")
    plot_reads(peers)
    plot_buys(peers)
    plot_latency(latency)


if __name__ == "__main__":
    main()
