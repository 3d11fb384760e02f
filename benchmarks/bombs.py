"""Lookups while other clients send queries that would run for hours, one per processor core."""

from __future__ import annotations

import http.client
import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from benchmarks import agreement
from benchmarks.agreement import NoAnswer
from benchmarks.data import BenchmarkData
from benchmarks.generator import CORES
from benchmarks.servers import Server
from benchmarks.workloads import ROW

_RATE: Final = 100
"""Lookups that fall due each second, whether those before them were answered or not."""

_PATIENCE: Final = 5.0
"""Seconds after which a lookup counts as not answered."""

_PROBERS: Final = 16
_WARM_UP: Final = 2.0
_BOMB_PATIENCE: Final = 60.0
FIRST: Final = 10**12
_BOMB: Final = "?query=" + quote(
    "SELECT (COUNT(*) AS ?n) WHERE { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i "
    "FILTER(?a != ?i && ?c != ?f) } #",
    safe="",
)
_PERCENTILE: Final = 0.99


@dataclass(slots=True)
class Lookups:
    """What became of the lookups.

    Attributes:
        seconds: of each that was answered right.
        due: how many fell due.
    """

    seconds: list[float] = field(default_factory=list)
    due: int = 0

    @property
    def answered(self) -> float:
        """The share that was answered in time."""
        return len(self.seconds) / self.due if self.due else 0.0

    @property
    def median(self) -> float:
        """Seconds within which half of those were answered that were answered."""
        return statistics.median(self.seconds) if self.seconds else float("inf")

    @property
    def p99(self) -> float:
        """Seconds within which 99 of 100 were answered; those not answered count as infinite."""
        place = round(_PERCENTILE * (self.due - 1))
        ranked = sorted(self.seconds)
        return ranked[place] if place < len(ranked) else float("inf")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a server fared.

    Attributes:
        quiet: lookups before the bombs.
        bombed: lookups under the bombs.
        bombs: how many bombs ended.
        bomb_seconds: the median of the times until they did; None: none did.
        ends: how they ended, statuses or `broken`, in order of their frequency.
        alive: whether the server answered in the end.
    """

    quiet: Lookups
    bombed: Lookups
    bombs: int
    bomb_seconds: float | None
    ends: tuple[str, ...]
    alive: bool


def bomb(server: Server, data: BenchmarkData, seconds: float) -> Outcome:
    """See how lookups fare without and with bombs.

    Args:
        server: which is busy for a while afterwards, or broken.
        data: what it serves.
        seconds: length of each of the two times.
    """
    warm = lookups(server, data, _WARM_UP, 0)
    quiet = lookups(server, data, seconds, warm.due)
    ended: list[tuple[str, float]] = []
    with _bombing(server.url, ended):
        time.sleep(1)  # by when the bombs are under way
        bombed = lookups(server, data, seconds, warm.due + quiet.due)
        alive = _answers(server, data)
    times = [lasted for _, lasted in ended]
    ends = [end for end, _ in ended]
    return Outcome(
        quiet=quiet,
        bombed=bombed,
        bombs=len(ended),
        bomb_seconds=statistics.median(times) if times else None,
        ends=tuple(sorted(set(ends), key=ends.count, reverse=True)),
        alive=alive,
    )


def lookups(
    server: Server, data: BenchmarkData, seconds: float, first: int, *, repeated: int = 0
) -> Lookups:
    """Put lookups at fixed times, on connections that are kept, and wait for the last of them.

    Args:
        server: which is asked.
        data: what it serves.
        seconds: for how long.
        first: the number of the first question; none with this number or a later one was put yet.
        repeated: how many questions are put again and again; 0: none is put twice.
    """
    stems = ROW.stems(data)
    found = Lookups(due=int(seconds * _RATE))
    began = time.perf_counter()
    numbers = iter(range(found.due))

    def probe() -> None:
        connection = BombConnection(server.url)
        while True:
            number = next(numbers, None)
            if number is None:
                return
            due = began + number / _RATE
            time.sleep(max(0.0, due - time.perf_counter()))
            late = time.perf_counter() - due
            put = number % repeated if repeated else number
            question = stems[put % len(stems)] + str(FIRST + first + put)
            if late < _PATIENCE and connection.answers(question, _PATIENCE - late):
                found.seconds.append(time.perf_counter() - due)

    in_threads(probe, _PROBERS)
    return found


class BombConnection:
    """A connection to an endpoint that is made again after it has broken."""

    def __init__(self, url: str) -> None:
        self._host, _, path = url.removeprefix("http://").partition("/")
        self._path = f"/{path}"
        self._connection: http.client.HTTPConnection | None = None

    def answers(self, question: str, patience: float) -> bool:
        """Tell whether there is an answer with a row in time."""
        try:
            status, body = self.get(question, patience)
        except (OSError, http.client.HTTPException):
            return False
        return status == http.client.OK and b'"label"' in body and b'"value"' in body

    def get(self, question: str, patience: float) -> tuple[int, bytes]:
        """Put a question.

        Raises:
            OSError: there is no answer in time, or no connection.
            http.client.HTTPException: the answer is broken.
        """
        connection = self._connection or http.client.HTTPConnection(self._host)
        self._connection = None
        connection.timeout = patience
        if connection.sock is not None:
            connection.sock.settimeout(patience)
        headers = {"Accept": ROW.accept}
        try:
            connection.request("GET", self._path + question, headers=headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        self._connection = connection
        return response.status, body


@contextmanager
def _bombing(url: str, ended: list[tuple[str, float]]) -> Iterator[None]:
    """Keep one bomb per core running, each different from all others, and note how they end."""
    stopped = threading.Event()
    numbers = itertools.count(FIRST)

    def send() -> None:
        while not stopped.is_set():
            began = time.perf_counter()
            end = _end_of(BombConnection(url), _BOMB + str(next(numbers)))
            ended.append((end, time.perf_counter() - began))
            # A server that refuses at once is not to be flooded.
            stopped.wait(0.1)

    threads = [threading.Thread(target=send, daemon=True) for _ in range(CORES)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()


def _end_of(connection: BombConnection, question: str) -> str:
    try:
        status, _ = connection.get(question, _BOMB_PATIENCE)
    except TimeoutError:
        return f"none within {_BOMB_PATIENCE:g} s"
    except (OSError, http.client.HTTPException):
        return "broken"
    return str(status)


def _answers(server: Server, data: BenchmarkData) -> bool:
    try:
        agreement.ask(server.url, ROW, ROW.stems(data)[0], FIRST, _PATIENCE)
    except NoAnswer:
        return False
    return True


def in_threads(work: Callable[[], None], count: int) -> None:
    """Do something in a number of threads at a time, and wait for them."""
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
