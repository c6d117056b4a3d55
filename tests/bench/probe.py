"""Requests one by one, timed from the client's side."""

import socket
import statistics
import time


class Probe:
    """One kept connection over a plain socket, so that little but the server is timed."""

    def __init__(self, port, timeout=None):
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method, path, body=""):
        """(seconds, status, headers as text) of one request."""
        kind = "Content-Type: application/json\r\n" if body else ""
        text = (f"{method} {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n{kind}"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
        began = time.perf_counter()
        self.socket.sendall(text)
        head, _, rest = self.read_until_head()
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(rest) < length:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("closed in the middle of an answer")
            rest += part
        return time.perf_counter() - began, int(head.split(b" ", 2)[1]), head.decode("latin-1")

    def read_until_head(self):
        data = b""
        while b"\r\n\r\n" not in data:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("closed in the middle of an answer")
            data += part
        return data.partition(b"\r\n\r\n")

    def close(self):
        self.socket.close()


def cache_state(head):
    return next((line.split(":")[1].strip() for line in head.split("\r\n") if line.lower().startswith("x-cache:")), "-")


def timed(probe, count, method, path_of, expect, before=None):
    """Milliseconds of `count` requests; each must be 200 and show the expected X-Cache."""
    samples = []
    for index in range(count):
        if before:
            before()
        seconds, status, head = probe.ask(method, path_of(index))
        if status != 200 or (expect and cache_state(head) != expect):
            raise SystemExit(f"{method} {path_of(index)}: {status}, X-Cache {cache_state(head)}, wanted {expect}")
        samples.append(seconds * 1000)
    return samples


def figures(samples):
    ordered = sorted(samples)
    return {"avg": statistics.fmean(samples), "min": ordered[0], "max": ordered[-1],
            "median": statistics.median(ordered), "stddev": statistics.stdev(samples),
            "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], "samples": len(samples)}
