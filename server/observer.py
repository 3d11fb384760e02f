"""What an operator sees of requests: they are counted, and told in a log if that is wanted.

It is called on the event loop at the end of each request, so it has to be quick; see ``metrics``
for how what it counts lies in memory, ``log`` for who writes.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

import kg
from kg.engine import ActiveEngine
from kg.engine.tokens import first_word
from server import metrics
from server.http import NOTES, Notes
from server.log import STANDARD_ERROR, Log
from server.metrics import COLUMNS, LABELS, OTHER

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from kg import KnowledgeGraph
    from server.cache import Cache
    from server.config import Settings
    from server.wsgi import Headers, Said

_FORM_WITHIN: Final = 20_000
"""Characters of a query within which its form is looked for."""

_SHOWN: Final = 500
"""Characters of a query and of a target that are logged, if they are."""

_LONGEST: Final = 200
"""Characters of a path of which its kind is made, and which are logged."""

# What the addresses of this service are made of; anything else may be what somebody asks.
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._~:-]*")

_STOPPED: Final = ("/queries-running", "DELETE", "204")
_BYTES: Final = COLUMNS["http_response_bytes",]


class Observer(Collector):
    """Counts and logs the requests of one process; processes forked later share what is counted.

    Each process that speaks HTTP adds to a row of its own, so that nothing is locked; the sum of the
    rows is told, whichever process is asked. What is counted elsewhere is filled in then.

    Args:
        graph: what is served.
        settings: how many processes there will be, and what they log.
    """

    def __init__(self, graph: KnowledgeGraph, settings: Settings) -> None:
        self._engine = graph.engine if isinstance(graph.engine, ActiveEngine) else None
        self._data_version = graph.version
        self._settings = settings
        self._numbers = memoryview(mmap.mmap(-1, settings.workers * metrics.ROW_BYTES)).cast("d")
        self._main = os.getpid()
        self._log: Log | None = None
        self._seen: dict[str, float] = {}

    def begin(self, row: int) -> None:
        """Begin in a process that speaks HTTP, where another with the same row may have ended."""
        self._row = self._rows()[row]
        if self._settings.access_log or self._settings.slow_query_seconds:
            self._log = Log(self._settings.access_log or STANDARD_ERROR)

    def end(self, seconds: float) -> None:
        """Have the log written, within some time."""
        if self._log is not None:
            self._log.end(seconds)

    def answered(self, environ: WSGIEnvironment, said: Said, sent: int, *, gone: bool) -> None:
        """Take note of a request that has been answered.

        Args:
            environ: the request, with notes.
            said: what was sent.
            sent: how many bytes of its body.
            gone: whether the client did not wait for it.
        """
        notes: Notes = environ[NOTES]
        seconds = time.perf_counter() - notes.began
        status = "499" if gone else said.status[:3]
        path = environ["PATH_INFO"]
        counted, duration, told = _kind_of(
            path[:_LONGEST], environ["REQUEST_METHOD"], status, notes.cache
        )
        for column in counted:
            self._row[column] += 1
        self._row[_BYTES] += sent
        self._observe(duration, seconds)
        told += f',"bytes":{sent},"seconds":{seconds:.6f}'
        events = ["request"] if self._settings.access_log else []
        if notes.text is not None:
            of_query, is_slow = self._of_query(notes.text, notes.timings, seconds)
            told += of_query
            events += ["slow-query"] if is_slow else []
        if self._log is None or not events:
            return
        if self._settings.log_debug == "on":
            query = environ["QUERY_STRING"]
            target = f"{path}?{query}" if query else path
            for name, text in (("target", target), ("query", notes.text)):
                told += "" if text is None else f',"{name}":{json.dumps(text[:_SHOWN])}'
        now = time.time()
        stamp = f"{_second(int(now))}.{int(now % 1 * 1000):03d}Z"
        query_id = _query_id(said.headers)
        for event in events:
            self._log.add(f'{{"time":"{stamp}","event":"{event}","id":"{query_id}",{told}}}\n')

    def abandoned(self) -> None:
        """Take note that a query was stopped as its client had gone."""
        self._row[COLUMNS["queries_killed", "client_gone"]] += 1

    def refresh(self, connections: int, cache: Cache) -> None:
        """Take note of what else this process knows, so that others can tell it.

        Args:
            connections: how many are open.
            cache: the cache of this process.
        """
        activity = self._engine.activity() if self._engine else {}
        row = self._row
        row[COLUMNS["http_connections",]] = connections
        row[COLUMNS["cache_entries",]] = cache.entries
        row[COLUMNS["cache_bytes",]] = cache.size
        row[COLUMNS["queries_waiting",]] = activity.get("waiting", 0)
        counters = {
            "cache_evictions": cache.evictions,
            "log_lines_dropped": self._log.dropped if self._log else 0,
            "queries_refused": activity.get("refused", 0),
        }
        for name, value in counters.items():  # which began anew with this process, unlike the row
            row[COLUMNS[name,]] += value - self._seen.get(name, 0)
        self._seen = counters

    def collect(self) -> Iterator[Metric]:
        """Yield what all processes have counted; see ``Collector.collect``."""
        totals = [sum(cells) for cells in zip(*self._rows(), strict=True)]
        if self._engine is not None:
            activity = self._engine.activity()
            waiting = COLUMNS["queries_waiting",]  # where each process has put what waits or runs
            totals[waiting] = max(0, totals[waiting] - activity["running"])
            totals[COLUMNS["queries_running",]] = activity["running"]
            totals[COLUMNS["loader_restarts",]] = max(0, activity["loaders"] - 1)
            for reason in set(LABELS["reason"]) & activity.keys():
                totals[COLUMNS["queries_killed", reason]] = activity[reason]
        for kind, resident in metrics.processes(self._main):
            totals[COLUMNS["processes", kind]] += 1
            totals[COLUMNS["process_resident_memory_bytes", kind]] += resident
        yield from metrics.families(totals)
        versions = {
            "version": kg.__version__,
            "dataset_version": self._data_version,
            "python_version": sys.version.split()[0],
            "engine_version": version("pyoxigraph"),
        }
        yield InfoMetricFamily("dermograph_build", "Always 1; what runs.", versions)

    def _rows(self) -> list[memoryview[float]]:
        starts = range(0, len(self._numbers), metrics.WIDTH)
        return [self._numbers[start : start + metrics.WIDTH] for start in starts]

    def _observe(self, start: int, seconds: float) -> None:
        self._row[start + bisect_left(metrics.BOUNDS, seconds)] += 1
        self._row[start + metrics.SUM] += seconds

    def _of_query(
        self, text: str, timings: Mapping[str, float], seconds: float
    ) -> tuple[str, bool]:
        """Count a query; return what the log says of it, and whether it was slow."""
        word = first_word(text[:_FORM_WITHIN], *LABELS["form"][:-1])
        form = word.text.upper() if word else OTHER
        told, took = f',"form":"{form}"', seconds
        if "queue" in timings:
            self._observe(COLUMNS["query_queue_seconds",], timings["queue"])
            told += f',"queue_seconds":{timings["queue"]:.6f}'
            if "run" in timings:
                told += f',"run_seconds":{timings["run"]:.6f}'
                took = timings["queue"] + timings["run"]
        self._observe(COLUMNS["query_duration_seconds", form], took)
        slowest = self._settings.slow_query_seconds
        return told, slowest is not None and took >= slowest


@lru_cache(maxsize=256)
def _kind_of(path: str, method: str, status: str, cache: str) -> tuple[list[int], int, str]:
    """Return of requests that are alike to those who operate the service what they have in common.

    Returns:
        Where in a row they are counted, where the histogram of their times begins, and what the log
        says of them, in which nothing has to be escaped.
    """
    route = f"/{path.split('/')[1]}" if path.startswith("/") else OTHER
    if route == "/queries" and path.endswith("/answer"):
        route = "/queries/NAME/answer"
    route = route if route in LABELS["route"] else OTHER
    plain = _PLAIN.match(path) if route != OTHER else None
    method = method if method in LABELS["method"] else OTHER
    told = (
        f'"method":"{method}","route":"{route}","path":"{plain[0] if plain else ""}",'
        f'"status":{status},"cache":"{cache}"'
    )
    status = status if status in LABELS["status"] else OTHER
    counted = [COLUMNS["http_requests", route, method, status], COLUMNS["cache_requests", cache]]
    if (route, method, status) == _STOPPED:
        counted.append(COLUMNS["queries_killed", "stopped"])
    return counted, COLUMNS["http_request_duration_seconds", route], told


# Both are faster than what the standard library has, and are called for answers of the cache.


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _query_id(headers: Headers) -> str:
    for name, value in reversed(headers):
        if name == "X-Query-Id":
            return value
    return ""
