"""What an operator sees of requests: they are counted, and told in a log if that is wanted.

It is called on the event loop at the end of each request, so it has to be quick; see ``metrics``
for where it counts, ``log`` for who writes.
"""

from __future__ import annotations

import json
import re
import time
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client.exposition import generate_latest

from kg.engine import ActiveEngine
from kg.engine.tokens import first_word
from server.http import NOTES, Notes
from server.log import STANDARD_ERROR, Log
from server.metrics import (
    ANSWER_ROUTE,
    BOUNDS,
    COLUMNS,
    HITS,
    LABELS,
    OTHER,
    ROUTES,
    SUM,
    Tally,
)
from server.wsgi import OK

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

_STOPPED: Final = ("/queries-running", "DELETE", "204")


class Observer:
    """Counts and logs the requests of one process; processes forked later share what is counted.

    Args:
        graph: what is served.
        settings: how many processes there will be, and what they log.
    """

    def __init__(self, graph: KnowledgeGraph, settings: Settings) -> None:
        self._engine = graph.engine if isinstance(graph.engine, ActiveEngine) else None
        self._settings = settings
        self._tally = Tally(graph, settings.workers)
        self._shows_all = settings.log_debug == "on"
        self._log: Log | None = None
        self._add: Callable[[str], None] | None = None
        self._seen: dict[tuple[str, ...], float] = {}
        self._until = 0.0
        self._stamp = ""

    def begin(self, row: int) -> None:
        """Begin in a process that speaks HTTP, on its event loop; no other has the row."""
        self._row = self._tally.begun(row)
        if self._settings.access_log or self._settings.slow_query_seconds:
            self._log = Log(self._settings.access_log or STANDARD_ERROR)
            self._add = self._log.add if self._settings.access_log else None

    async def end(self, seconds: float) -> None:
        """Have the log written, within some time."""
        if self._log is not None:
            await self._log.end(seconds)

    def recalled(self, environ: WSGIEnvironment, said: Said, seconds: float) -> None:
        """Take note of a request whose answer was in the cache; see ``answered``."""
        if environ["REQUEST_METHOD"] != "GET" or said.status is not OK or self._shows_all:
            notes = Notes(time.perf_counter() - seconds, "hit")
            self.answered({**environ, NOTES: notes}, said, sum(map(len, said.body)), gone=False)
            return
        path = environ["PATH_INFO"]
        place = _place_before(path) if len(path) <= _LONGEST else _place_of(path)
        (body,) = said.body
        row, sent = self._row, len(body)
        row[place.hits + (seconds > BOUNDS[0] and bisect_left(BOUNDS, seconds))] += 1
        row[place.hits + SUM] += seconds
        row[_BYTES] += sent
        if self._add is not None:
            # The same as in ``_tell``, put together in a third of the time.
            stamp = self._stamp if time.time() < self._until else self._time()
            self._add(
                f'{{"time":"{stamp}","event":"request","id":"{said.headers[-2][1]}"{place.told_of_hit}'
                f'{sent},"seconds":{seconds:.6f},"cache":"hit"}}\n'
            )

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
        place = _place_of(environ["PATH_INFO"])
        method, status = environ["REQUEST_METHOD"], "499" if gone else said.status[:3]
        column = COLUMNS.get(("http_requests", place.route, method, status))
        if column is None:
            method = method if method in LABELS["method"] else OTHER
            status = status if status in LABELS["status"] else OTHER
            column = COLUMNS["http_requests", place.route, method, status]
        self._row[column] += 1
        self._observe(("http_request_duration_seconds", place.route), seconds)
        self._row[_BYTES] += sent
        self._row[COLUMNS["cache_requests", notes.cache]] += 1
        if notes.text is not None:
            self._of_query(notes, seconds)
        if (place.route, method, status) == _STOPPED:
            self._row[COLUMNS["queries_killed", "stopped"]] += 1
        if self._log is not None:
            told = f'"method":"{method}",{place.told},"status":{status},"bytes":{sent},'
            self._tell(environ, notes, f'{told}"seconds":{seconds:.6f}', said.headers)

    def abandoned(self) -> None:
        """Take note that a query was stopped as its client had gone."""
        self._row[COLUMNS["queries_killed", "client_gone"]] += 1

    def refresh(self, connections: int, cache: Cache) -> None:
        """Take note of what is counted elsewhere, so that other processes can tell it.

        Args:
            connections: how many are open.
            cache: the cache of this process.
        """
        row = self._row
        row[COLUMNS["http_connections",]] = connections
        row[COLUMNS["cache_entries",]] = cache.entries
        row[COLUMNS["cache_bytes",]] = cache.size
        self._follow("cache_evictions", cache.evictions)
        if self._log is not None:
            self._follow("log_lines_dropped", self._log.dropped)
        if self._engine is not None:
            activity = self._engine.activity()
            row[COLUMNS["queries_waiting",]] = activity["waiting"]
            self._follow("queries_refused", activity["refused"])

    def metrics(self) -> bytes:
        """Return what all processes have counted, in the text format of Prometheus."""
        return generate_latest(self._tally)

    def _follow(self, name: str, value: float) -> None:
        """Add to a counter what something that is counted elsewhere has grown by."""
        self._row[COLUMNS[name,]] += value - self._seen.get((name,), 0)
        self._seen[name,] = value

    def _of_query(self, notes: Notes, seconds: float) -> None:
        assert notes.text is not None
        word = first_word(notes.text[:_FORM_WITHIN], *LABELS["form"][:-1])
        notes.form = word.text.upper() if word else OTHER
        waited, took = notes.timings.get("queue"), notes.timings.get("run")
        notes.took = seconds if waited is None or took is None else waited + took
        self._observe(("query_duration_seconds", notes.form), notes.took)
        if waited is not None:
            self._observe(("query_queue_seconds",), waited)

    def _observe(self, histogram: tuple[str, ...], seconds: float) -> None:
        start = COLUMNS[histogram]
        self._row[start + bisect_left(BOUNDS, seconds)] += 1
        self._row[start + SUM] += seconds

    def _tell(self, environ: WSGIEnvironment, notes: Notes, told: str, headers: Headers) -> None:
        """Have the log say of a request what is to be said of it."""
        assert self._log is not None
        events = ["request"] if self._settings.access_log else []
        slowest = self._settings.slow_query_seconds
        if slowest is not None and notes.form and notes.took >= slowest:
            events.append("slow-query")
        rest = f'"cache":"{notes.cache}"'
        if notes.form:
            rest += f',"form":"{notes.form}"'
            for name in ("queue", "run"):
                if name in notes.timings:
                    rest += f',"{name}_seconds":{notes.timings[name]:.6f}'
        if self._shows_all:
            rest += _shown("target", _target_of(environ)) + _shown("query", notes.text)
        query_id = next((value for name, value in headers if name == "X-Query-Id"), "")
        for event in events:
            self._log.add(
                f'{{"time":"{self._time()}","event":"{event}","id":"{query_id}",{told},{rest}}}\n'
            )

    def _time(self) -> str:
        thousandths = int(time.time() * 1000)
        self._until = (thousandths + 1) / 1000
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(thousandths // 1000))
        self._stamp = f"{stamp}.{thousandths % 1000:03d}Z"
        return self._stamp


_BYTES: Final = COLUMNS["http_response_bytes",]
_LONGEST: Final = 200
"""Characters of a path, of which the first are logged, up to which it is remembered."""

# What the addresses of this service are made of; anything else may be what somebody asks.
_PLAIN: Final = re.compile(rf"[A-Za-z0-9/._~:-]{{0,{_LONGEST}}}")


class _Place(NamedTuple):
    """What a path comes to.

    Attributes:
        route: its name.
        hits: where in a row those are counted that are found in the cache.
        told: what the log says of it; nothing in it has to be escaped.
        told_of_hit: the same of a GET that is answered 200, up to the number of bytes.
    """

    route: str
    hits: int
    told: str
    told_of_hit: str


def _place_of(path: str) -> _Place:
    first, _, rest = path.partition("/")
    route = OTHER if first else ROUTES.get(rest.partition("/")[0], OTHER)
    if route == "/queries" and path.endswith("/answer"):
        route = ANSWER_ROUTE
    plain = _PLAIN.match(path) if route != OTHER else None
    told = f'"route":"{route}","path":"{plain[0] if plain else ""}"'
    of_hit = f',"method":"GET",{told},"status":200,"bytes":'
    return _Place(route, COLUMNS[HITS, route], told, of_hit)


_place_before = lru_cache(maxsize=256)(_place_of)


def _target_of(environ: WSGIEnvironment) -> str:
    query = environ["QUERY_STRING"]
    return f"{environ['PATH_INFO']}?{query}" if query else str(environ["PATH_INFO"])


def _shown(name: str, text: str | None) -> str:
    return "" if text is None else f',"{name}":{json.dumps(text[:_SHOWN])}'
