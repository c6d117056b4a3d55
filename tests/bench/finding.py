"""GET /books?q= over write_books' catalog: two words, however many books each of them has."""

import random

from probe import Probe, figures, timed


def finding_times(port, count, books):
    probe, draw = Probe(port), random.Random(20090)
    questions = {
        "two words of all books": lambda i: "book+bench",
        "one of all, one of one": lambda i: f"bench+{draw.randrange(books)}",
        "author's, a title's": lambda i: f"{draw.randrange(997)}+bench",
        "as typed: all, beginning": lambda i: f"bench+{draw.randrange(10, 100)}",
        "as typed: one letter": lambda i: "n",
    }
    return {name: figures(timed(probe, count, "GET", lambda i, q=q: f"/books?limit=20&q={q(i)}", None))
            for name, q in questions.items()}
