"""How soon the service finds names: prints the table of docs/benchmarks.md about search."""

from __future__ import annotations

import argparse
import csv
import http.client
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

_BEGIN: Final = "<!-- printed by python -m benchmarks.searching -->"
_END: Final = "<!-- end of what it prints -->"
_WANTED: Final = Path(__file__).parents[1] / "tests" / "kg" / "search" / "wanted.tsv"
_PEOPLE: Final = 8
_PAUSE: Final = 0.2  # seconds between two letters of somebody who types fast
_ROUNDS: Final = (("as fast as they can", 0.0), ("five requests a second each", _PAUSE))


def _words(first: int) -> Iterator[str]:
    """Yield what is typed, from some place on: the beginnings of the wanted names too."""
    with _WANTED.open(encoding="utf-8") as file:
        names = [row["query"] for row in csv.DictReader(file, dialect="excel-tab", quoting=3)]
    for name in (*names[first:], *names[:first]):
        yield from dict.fromkeys((name[: max(3, len(name) // 2)], name))


def _asked(port: int, path: str, person: int, pause: float) -> list[float]:
    """Return how many milliseconds each request of one person took; each is another address."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    taken = []
    begin = time.monotonic() + person * pause / _PEOPLE
    for number, word in enumerate(_words(person * 20)):
        if number * pause > 20:  # noqa: PLR2004 - seconds are enough
            break
        time.sleep(max(0.0, begin + number * pause - time.monotonic()))
        limit = 1 + (person * 5 + int(pause * 10)) % 50  # so that no answer is kept
        started = time.perf_counter()
        connection.request("GET", f"{path}?{urlencode({'q': word, 'limit': limit})}")
        response = connection.getresponse()
        response.read()
        if response.status != http.client.OK:
            sys.exit(f"{path} answers {response.status} to {word!r}.")
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _row(path: str, what: str, taken: Sequence[float], seconds: float) -> str:
    cuts = statistics.quantiles(taken, n=100)
    figures = (len(taken), len(taken) / seconds, cuts[49], cuts[94], cuts[98])
    return f"| `{path}` | {what} | " + " | ".join(f"{each:,.1f}" for each in figures) + " |"


def main() -> None:
    """Ask a service that runs, and print or write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.searching", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="where the service runs")
    parser.add_argument("--into", type=Path, help="file to put the table into, between the marks")
    options = parser.parse_args()
    lines = [
        _BEGIN,
        "",
        "| address | eight clients ask | requests | a second | p50 ms | p95 ms | p99 ms |",
    ]
    lines.append("|---" * 7 + "|")
    for path in ("/suggest", "/search"):
        for what, pause in _ROUNDS:
            started = time.monotonic()
            with ThreadPoolExecutor(_PEOPLE) as pool:
                people = [(options.port, path, person, pause) for person in range(_PEOPLE)]
                taken = [
                    each for found in pool.map(lambda of: _asked(*of), people) for each in found
                ]
            lines.append(_row(path, what, taken, time.monotonic() - started))
    text = "\n".join([*lines, "", _END])
    sys.stdout.write(f"{text}\n")
    if options.into is not None:
        before, _, rest = options.into.read_text(encoding="utf-8").partition(_BEGIN)
        options.into.write_text(f"{before}{text}{rest.partition(_END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
