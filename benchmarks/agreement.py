"""Whether servers give the same answer to the same question, which is checked before any timing."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.generator import request_target
from benchmarks.workloads import ROWS, Workload

_DIGITS: Final = 6


class NoAnswer(Exception):
    """A server gave no answer, or not the right one; the message is fit for a footnote."""


class TooSlow(NoAnswer):
    """A server gave no answer in time, and may be busy with the question still."""


@dataclass(frozen=True, slots=True)
class ServerReply:
    """An answer.

    Attributes:
        body: the whole of it.
        seconds: how long it took.
    """

    body: bytes
    seconds: float


def connect(url: str, patience: float) -> HTTPConnection:
    """Return a connection to a server.

    Args:
        url: of the endpoint.
        patience: how many seconds to wait for an answer.
    """
    return HTTPConnection(urlsplit(url).netloc, timeout=patience)


def ask(url: str, workload: Workload, stem: str, number: int, patience: float) -> ServerReply:
    """Put one question on a connection of its own, see ``ask_on``."""
    with closing(connect(url, patience)) as connection:
        return ask_on(connection, workload, request_target(url, stem, number))


def ask_on(connection: HTTPConnection, workload: Workload, target: str) -> ServerReply:
    """Put one question.

    Args:
        connection: to the server.
        workload: what kind of question.
        target: path and query string of the question.

    Raises:
        NoAnswer: the answer is an error.
        TooSlow: there was none in time.
    """
    began = time.perf_counter()
    try:
        connection.request("GET", target, headers={"Accept": workload.accept})
        response = connection.getresponse()
        body = response.read()
    except TimeoutError:
        raise TooSlow(f"no answer within {connection.timeout:g} s") from None
    except (OSError, HTTPException) as error:
        raise NoAnswer(f"no answer, the connection broke: {error}") from error
    if response.status != HTTPStatus.OK:
        raise NoAnswer(f"answered with {response.status}")
    return ServerReply(body, time.perf_counter() - began)


def check(given: bytes, expected: bytes, workload: Workload) -> None:
    """Compare an answer with that of another server.

    Raises:
        NoAnswer: it is another, or, of a workload that cuts its results, another size.
    """
    mine, theirs = _content(given, workload), _content(expected, workload)
    counts = mine.total(), theirs.total()
    if counts[0] != counts[1]:
        raise NoAnswer(f"gives {counts[0]:,} rows or triples where the others give {counts[1]:,}")
    if mine != theirs and not workload.cut:
        raise NoAnswer("gives other rows than the others")


def size(body: bytes, workload: Workload) -> int:
    """Return how many rows or triples an answer has."""
    return _content(body, workload).total()


def _content(body: bytes, workload: Workload) -> Counter[Any]:
    if workload.accept != ROWS:
        return Counter(line for line in body.splitlines() if line.strip())
    rows = json.loads(body)["results"]["bindings"]
    return Counter(
        frozenset((name, _comparable(term["value"])) for name, term in row.items()) for row in rows
    )


def _comparable(value: str) -> str:
    """Return a value in a form in which numbers are equal that engines write differently."""
    try:
        number = float(value)
    except ValueError:
        return value
    return f"{number:.{_DIGITS}g}" if math.isfinite(number) else value
