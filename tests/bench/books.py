"""Books of the bench's own making: ids from FIRST, in topics of PER_TOPIC books (shelf 0, shelf 1, ...)."""

import csv
import os

FIRST, PER_TOPIC = 1001, 100
USUAL = 10_000  # books, in TOPICS topics
TOPICS = USUAL // PER_TOPIC


def write_books(folder, count=USUAL):
    """Path of a CSV file to import; every book has stock for the whole bench."""
    path, topics = os.path.join(folder, f"books-{count}.csv"), max(1, count // PER_TOPIC)
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "title", "author", "topic", "price", "quantity"])
        for i in range(count):
            out.writerow([FIRST + i, f"A book of the bench, number {i}", f"Author {i % 997}", f"shelf {i % topics}",
                          f"{1 + i % 90}.{i % 100:02d}", 1_000_000])
    return path


def book_path(index, call="info"):
    return f"/{call}/{FIRST + index}"


def usual_paths(load):
    """Files of paths over write_books' usual catalog, by name; far more than the cache keeps where uncached."""
    shelves = [f"/search/shelf%20{t}?limit={n}" for t in range(TOPICS) for n in range(PER_TOPIC - 9, PER_TOPIC + 1)]
    return {"info, cached": load.paths("info-cached", [book_path(0)]),
            "info, uncached": load.paths("info-uncached", [book_path(i) for i in range(USUAL)]),
            "search, cached": load.paths("search-cached", ["/search/shelf%207"]),
            "search, uncached": load.paths("search-uncached", shelves),
            "buy, random books": load.paths("buy-random", [book_path(i, "buy") for i in range(USUAL)]),
            "buy, one book": load.paths("buy-one", [book_path(0, "buy")])}
