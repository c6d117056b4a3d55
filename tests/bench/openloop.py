"""Latency at a given rate, by bench_openloop: requests come by the clock, whether or not earlier ones are answered, and
wait from the time they were due.

h2load --h1 --rps was tried and does not do that: its requests, too, wait while their connection is busy, but it counts
from the sending. With 500 requests/s on ten connections and a server that stood still for a second, it told of ten that
waited, not of the five hundred. So the generator is held against such a server before it is believed."""

import os
import socket
import subprocess
import threading
import time

from tell import BUILD
from wrk import SEED

CONNECTIONS = 256
STILL = 1.0  # seconds for which the server of the check stands still
CHECK_RATE, CHECK_SECONDS = 200, 4


def run(port, kind, paths, rate, seconds, connections=CONNECTIONS):
    """{rate, p50, p99, p99.9, max and how late requests were sent, in ms}. A failed request ends the bench."""
    done = subprocess.run([os.path.join(BUILD, "tests", "bench_openloop"), str(port), kind, paths, str(rate),
                           str(seconds), str(connections), str(SEED)], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    if done.returncode != 0 or len(words) != 9:
        raise SystemExit(f"bench_openloop said:\n{done.stdout}{done.stderr}")
    requests, failed, p50, p99, p999, longest, late, micros = (int(word) for word in words[1:])
    if failed:
        raise SystemExit(f"{kind} {paths} at {rate}/s: {failed} of {requests} requests failed")
    return {"rate": requests * 1e6 / micros, "p50": p50 / 1000, "p99": p99 / 1000, "p99.9": p999 / 1000,
            "max": longest / 1000, "sent late, p99": late / 1000}


class StandsStill:
    """Answers at once, but for STILL seconds in the middle of the check it does nothing."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS * 4)
        self.port = self.listening.getsockname()[1]
        self.began, self.lock = None, threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            while connection.recv(4096):
                with self.lock:
                    self.began = self.began or time.monotonic()
                since = time.monotonic() - self.began - CHECK_SECONDS / 4
                if 0 < since < STILL:
                    time.sleep(STILL - since)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def stop(self):
        self.listening.close()


def check(load):
    """A quarter of the requests are due while the server stands still: each waits for what is left of it. So half a
    second is what one of eight waits at least, whatever the number of connections."""
    server = StandsStill()
    try:
        told = run(server.port, "get", load.paths("root", ["/"]), CHECK_RATE, CHECK_SECONDS, connections=20)
    finally:
        server.stop()
    expected = STILL * 1000 * (1 - 0.01 * CHECK_SECONDS / STILL)  # of 1 in 100 requests
    if not 0.85 * expected <= told["p99"] <= 2 * expected:
        raise SystemExit(f"the generator is not to be believed: p99 {told['p99']} ms where about {expected:.0f} are due")
    return {"p99 ms while a server stands still": told["p99"], "p99 ms that is due": expected}
