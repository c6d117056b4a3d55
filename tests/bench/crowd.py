"""A crowd at the door: thousands of connections at nginx, and what becomes of those who are served, and of those who
come when the house is full."""

import resource
import select
import socket
import time

from probe import Probe

ASK = "GET /info/1 HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
BEGUN = "GET /info/1 HTTP/1.1\r\nHost: localhost:{port}\r\n"  # a request whose end never comes
HANG = 5  # seconds after which nobody is thought to answer any more
SPARE_FILES = 200
AT_ONCE = 10  # seconds
BATCH = 200  # of a crowd that comes in together


def files_allowed():
    """As many as this process may have at all; it has them from now on, and so have programs it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def room_for(count):
    allowed = files_allowed()
    if allowed < count + SPARE_FILES:
        raise SystemExit(f"{count} connections need {count + SPARE_FILES} open files, and the limit (ulimit -Hn) is {allowed}")


class Crowd:
    """Connections that stay: each has asked once (`text` ASK) or is in the middle of asking (BEGUN)."""

    def __init__(self, port, text=ASK):
        self.port, self.text, self.sockets = port, text.format(port=port).encode(), []

    def grow(self, count):
        """That many more. How many of them nginx turned away at once."""
        before = len(self.sockets)
        for left in range(count, 0, -BATCH):
            self.sockets += [s for s in [self.enter() for _ in range(min(left, BATCH))] if s and self.answered(s)]
        return count - (len(self.sockets) - before)

    def enter(self):
        """None: turned away."""
        try:
            s = socket.create_connection(("127.0.0.1", self.port), timeout=HANG)
            s.sendall(self.text)
            return s
        except ConnectionError:
            return None

    def answered(self, s):
        try:
            return not self.text.endswith(b"\r\n\r\n") or b" 200 " in s.recv(65536)[:16]
        except ConnectionError:
            return False

    def alive(self):
        """How many nginx has not closed."""
        poll = select.poll()
        for s in self.sockets:
            poll.register(s, select.POLLIN | select.POLLRDHUP)
        ended = {fd for fd, _ in poll.poll(0)}
        return len(self.sockets) - len(ended)

    def leave(self):
        for s in self.sockets:
            s.close()
        self.sockets = []


def newcomers(port, count):
    """What happens to people who come one by one, each on a connection of its own: {outcome: how many}, and the
    longest time it took, in ms. Nobody may be left waiting."""
    outcomes, longest = {"200": 0, "503": 0, "refused": 0, "hung": 0}, 0
    for _ in range(count):
        began = time.perf_counter()
        try:
            probe = Probe(port, HANG)
            outcome = str(probe.ask("GET", "/info/1")[1])
            probe.close()
        except TimeoutError:
            outcome = "hung"
        except (OSError, IndexError):
            outcome = "refused"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        longest = max(longest, (time.perf_counter() - began) * 1000)
    return outcomes, longest


def all_at_once(load, port, paths, connections):
    """Everybody asks at the same time, again and again; only to come in takes them a while."""
    requests, micros, _, p50, p99, status, broken, late = load.counted(port, "get", paths, connections, AT_ONCE)
    if requests == status:
        raise SystemExit(f"of {connections} clients who ask at once, nobody gets an answer")
    return {"answered 200/s": (requests - status) * 1e6 / micros, "answered 503/s": status * 1e6 / micros,
            "broken": broken, "without answer for 10 s": late, "p50 ms": p50 / 1000, "p99 ms": p99 / 1000}
