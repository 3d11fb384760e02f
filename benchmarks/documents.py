"""Cached lookups while other clients ask for the largest documents, beside processes that compute."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.bombs import FIRST, BombConnection, Lookups, lookups
from benchmarks.data import BenchmarkData
from benchmarks.generator import CORES
from benchmarks.servers import Server

_CLIENTS: Final = 10
_REPEATED: Final = 50
"""Lookups that are asked again and again, and found in the cache."""

_PATIENCE: Final = 60.0
_DOCUMENTS: Final = (
    "graph/inferred?format=jsonld,",
    "graph/claims?format=jsonld,",
    "ontology?format=jsonld,",
    "sparql?format=html&query=SELECT%20*%20%7B%3Fs%20%3Fp%20%3Fo%7D%20LIMIT%2020000%20%23",
)
"""The paths of the largest documents and pages of our graph; a number behind makes each another question."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """How cached lookups fared.

    Attributes:
        quiet: by themselves.
        beside_computing: beside as many processes that compute as there are cores.
        beside_documents: while documents are asked for.
        documents: how many of these came.
        refused: how many did not.
    """

    quiet: Lookups
    beside_computing: Lookups
    beside_documents: Lookups
    documents: int
    refused: int


def disturb(server: Server, data: BenchmarkData, seconds: float) -> Disturbance:
    """See how cached lookups fare.

    Args:
        server: our service.
        data: our graph.
        seconds: length of each of the three times.
    """

    def look_up() -> Lookups:
        return lookups(server, data, seconds, 0, repeated=_REPEATED)

    look_up()  # so that the answers are kept
    quiet = look_up()
    with _computing():
        beside_computing = look_up()
    statuses: list[int] = []
    with _asking(server.url.removesuffix("sparql"), statuses):
        time.sleep(1)  # by when they are being made
        beside_documents = look_up()
    came = statuses.count(200)
    return Disturbance(quiet, beside_computing, beside_documents, came, len(statuses) - came)


@contextmanager
def _computing() -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(CORES):
            process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


@contextmanager
def _asking(url: str, statuses: list[int]) -> Iterator[None]:
    """Have clients ask for documents, each never asked for before, and note their statuses."""
    stopped = threading.Event()
    numbers = itertools.count(FIRST)

    def ask() -> None:
        connection = BombConnection(url)
        while not stopped.is_set():
            number = next(numbers)
            document = _DOCUMENTS[number % len(_DOCUMENTS)]
            status, _ = connection.get(f"{document}{number}", _PATIENCE)
            statuses.append(status)

    threads = [threading.Thread(target=ask) for _ in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
