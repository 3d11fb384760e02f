"""What an operator sees of requests: they are counted, and told in a log if that is wanted.

It is called on the event loop at the end of each request, so it has to be quick; see ``metrics``
for how what it counts lies in memory, ``log`` for who writes.
"""

import json
import mmap
import os
import re
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from typing import Final
from wsgiref.types import WSGIEnvironment

from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

import kg
from kg import KnowledgeGraph
from kg.engine import AsyncEngine, ResultKind
from kg.sparql.lexer import first_word
from server.cache import Cache
from server.config import Settings
from server.http1.wsgi import RawResponse
from server.log import STANDARD_ERROR, Log
from server.operating import metrics
from server.operating.metrics import BOUNDS, COLUMNS, LABELS, OTHER, SUM
from server.protocol.responses import Notes

_FORM_WITHIN: Final = 20_000
"""Characters of a query within which its form is looked for."""

_FORMS: Final[Mapping[ResultKind | None, str]] = {
    ResultKind.SOLUTIONS: "SELECT",
    ResultKind.BOOLEAN: "ASK",
}
"""What the kind of the result tells of the form of a query, sooner than its text does."""

_SHOWN: Final = 500
"""Characters of a query and of a target that are logged, if they are."""

_LONGEST: Final = 200
"""Characters of a path of which its kind is made, and which are logged."""

# What the addresses of this service are made of; anything else may be what somebody asks.
_PLAIN: Final = re.compile(r"[A-Za-z0-9/._~:-]*")

_STOPPED: Final = COLUMNS["http_requests", "/queries-running", "DELETE", "204"]


class Observer(Collector):
    """Counts and logs the requests of one process; processes forked later share what is counted.

    Each process that speaks HTTP adds to a row of its own, so that nothing is locked; the sum of the
    rows is told, whichever process is asked. What is counted elsewhere is filled in then.

    Args:
        settings: how many processes there will be, and what they log.
    """

    def __init__(self, settings: Settings) -> None:
        self._engine: AsyncEngine | None = None
        self._data_version = ""
        self._settings = settings
        self._tells_all = settings.access_log is not None
        shared = mmap.mmap(-1, settings.http_processes * metrics.ROW_BYTES)
        numbers, width = memoryview(shared).cast("d"), metrics.WIDTH
        self._rows = [numbers[at : at + width] for at in range(0, len(numbers), width)]
        self._main = os.getpid()
        self._log: Log | None = None
        self._seen: dict[str, float] = {}

    def watch(self, graph: KnowledgeGraph) -> None:
        """Tell of the engine and the version of a graph from now on."""
        self._engine = graph.engine if isinstance(graph.engine, AsyncEngine) else None
        self._data_version = graph.version

    def begin(self, row: int) -> None:
        """Begin in a process that speaks HTTP, where another with the same row may have ended."""
        self._row = self._rows[row]
        if self._settings.access_log or self._settings.slow_query_seconds:
            self._log = Log(self._settings.access_log or STANDARD_ERROR)

    def end(self, seconds: float) -> None:
        """Write the rest of the log, within some time."""
        if self._log is not None:
            self._log.end(seconds)

    def answered(
        self,
        environ: WSGIEnvironment,
        response: RawResponse,
        began: float,
        notes: Notes | None = None,
        *,
        sent: int | None = None,
        gone: bool = False,
    ) -> None:
        """Take note of a request that has been answered.

        Args:
            environ: the request.
            response: what was sent.
            began: when the request came.
            notes: on the request; None: the cache had the answer.
            sent: how many bytes of the body; None: all of them, which are in memory.
            gone: whether the client did not wait for it.
        """
        seconds = time.perf_counter() - began
        path, status = environ["PATH_INFO"], "499" if gone else response.status
        cache = "hit" if notes is None else notes.cache
        counted, duration, told = _kind_of(
            path[:_LONGEST], environ["REQUEST_METHOD"], status, cache
        )
        self._row[counted] += 1
        self._observe(duration, seconds)
        form, is_slow = "", False
        if notes is not None and notes.text is not None:
            form, is_slow = self._of_query(notes, notes.text, seconds)
        if self._log is None or not (is_slow or self._tells_all):
            return
        length = len(b"".join(response.body)) if sent is None else sent
        rest = form
        if self._settings.log_debug == "on":
            query = environ["QUERY_STRING"]
            rest += _shown("target", f"{path}?{query}" if query else path)
            rest += _shown("query", notes.text if notes else None)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = (
            f'{{"time":"{now.replace("+00:00", "Z")}","event":"request",'
            f'"id":"{dict(response.headers).get("X-Query-Id", "")}",{told},'
            f'"bytes":{length},"seconds":{seconds:.6f}{rest}}}\n'
        )
        if self._tells_all:
            self._log.add(line)
        if is_slow:
            self._log.add(line.replace('"request"', '"slow-query"', 1))

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
        row[COLUMNS["cache_entries",]] = len(cache.store)
        row[COLUMNS["cache_bytes",]] = cache.store.size
        row[COLUMNS["queries_waiting",]] = activity.get("waiting", 0)
        counters = {
            "cache_evictions": cache.store.evictions,
            "log_lines_dropped": self._log.dropped if self._log else 0,
            "queries_refused": activity.get("refused", 0),
        }
        for name, value in counters.items():  # which began anew with this process, unlike the row
            row[COLUMNS[name,]] += value - self._seen.get(name, 0)
        self._seen = counters

    def collect(self) -> Iterator[Metric]:
        """Yield what all processes have counted; see ``Collector.collect``."""
        totals = [sum(cells) for cells in zip(*self._rows, strict=True)]
        if self._engine is not None:
            activity = self._engine.activity()
            waiting = COLUMNS["queries_waiting",]  # where each process has put what waits or runs
            totals[waiting] = max(0, totals[waiting] - activity["running"])
            totals[COLUMNS["queries_running",]] = activity["running"]
            totals[COLUMNS["fork_server_restarts",]] = max(0, activity["starts"] - 1)
            for reason in set(LABELS["reason"]) & activity.keys():
                totals[COLUMNS["queries_killed", reason]] = activity[reason]
        totals[COLUMNS["queries_killed", "stopped"]] = totals[_STOPPED]
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

    def _observe(self, start: int, seconds: float) -> None:
        row = self._row
        row[start + bisect_left(BOUNDS, seconds)] += 1
        row[start + SUM] += seconds

    def _of_query(self, notes: Notes, text: str, seconds: float) -> tuple[str, bool]:
        """Count a query; return what the log says of it, and whether it was slow."""
        form = _FORMS.get(notes.kind) or _form_of(text)
        timings, told, took = notes.timings, f',"form":"{form}"', seconds
        if "queue" in timings:
            self._observe(COLUMNS["query_queue_seconds",], timings["queue"])
            told += f',"queue_seconds":{timings["queue"]:.6f}'
            if "run" in timings:
                told += f',"run_seconds":{timings["run"]:.6f}'
                took = timings["queue"] + timings["run"]
        self._observe(COLUMNS["query_duration_seconds", form], took)
        slowest = self._settings.slow_query_seconds
        return told, slowest is not None and took >= slowest


def _form_of(text: str) -> str:
    word = first_word(text[:_FORM_WITHIN], *LABELS["form"][:-1])
    return word.text.upper() if word else OTHER


@lru_cache(maxsize=256)
def _kind_of(path: str, method: str, status: str, cache: str) -> tuple[int, int, str]:
    """Return of requests that are alike to those who operate the service what they have in common.

    Returns:
        Where in a row they are counted, where the histogram of their times begins, and what the log
        says of them, in which nothing has to be escaped.
    """
    route = f"/{path.split('/')[1]}" if path.startswith("/") else OTHER
    if route == "/queries" and re.search(r"/answer(\.\w+)?$", path):
        route = "/queries/NAME/answer"
    route = route if route in LABELS["route"] else OTHER
    plain = _PLAIN.match(path) if route != OTHER else None
    method = method if method in LABELS["method"] else OTHER
    status = status[:3]
    told = (
        f'"method":"{method}","route":"{route}","path":"{plain[0] if plain else ""}",'
        f'"status":{status},"cache":"{cache}"'
    )
    status = status if status in LABELS["status"] else OTHER
    counted = COLUMNS["http_requests", route, method, status]
    return counted, COLUMNS["http_request_duration_seconds", route, cache], told


def _shown(name: str, text: str | None) -> str:
    return "" if text is None else f',"{name}":{json.dumps(text[:_SHOWN])}'
