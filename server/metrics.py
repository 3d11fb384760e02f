"""What the service counts, in memory that its processes share, and how Prometheus is told of it.

Each process that speaks HTTP adds to a row of its own, so that nothing is locked; the sum of the rows
is the answer, whichever process is asked. Labels have few values, none of which a client chooses.
metrics.tsv lists what there is. What others than those processes count is filled in when it is told.
"""

from __future__ import annotations

import csv
import mmap
import os
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from itertools import accumulate, product
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

import kg
from kg.engine import ActiveEngine

if TYPE_CHECKING:
    from kg import KnowledgeGraph

BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds of the buckets of histograms, in seconds: from a cached answer to the longest query."""

SUM: Final = len(BOUNDS) + 1
"""Where the sum of a histogram stands after its first bucket."""

HITS: Final = "hits"
"""Histograms like those of requests, for GETs that are answered 200 from the cache. Such a request is
counted in one place for all metrics, as counting in each would take as long as finding its answer."""

OTHER: Final = "other"
ANSWER_ROUTE: Final = "/queries/NAME/answer"
_SEGMENTS: Final = (
    *("", "sparql", "queries", "queries-running", "sources", "mappings", "id", "ontology", "graph"),
    *("function", "problems", ".well-known", "context.jsonld", "static"),
    *("health", "ready", "metrics"),
)
ROUTES: Final = {segment: f"/{segment}" for segment in _SEGMENTS}
"""The names of routes by the first segment of their paths; ANSWER_ROUTE is below one of them."""

LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "route": (*ROUTES.values(), ANSWER_ROUTE, OTHER),
    "method": ("GET", "HEAD", "POST", "QUERY", "OPTIONS", "DELETE", OTHER),
    "status": (
        *("200", "204", "206", "301", "303", "304", "308", "400", "403", "404", "405", "406"),
        *("408", "412", "413", "414", "415", "416", "431", "499"),
        *("500", "501", "502", "503", "504", OTHER),
    ),
    "cache": ("hit", "miss", "shared", "none"),
    "form": ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE", OTHER),
    "reason": ("timeout", "memory", "stopped", "client_gone", "crowded", "shortage", OTHER),
    "process": ("main", "http", "loader", "query"),
}
"""The values of labels."""

_Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_KINDS: Final[Mapping[str, Callable[..., _Family]]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}
with Path(__file__).with_suffix(".tsv").open(encoding="utf-8") as _file:
    _METRICS: Final = list(csv.DictReader(_file, delimiter="\t"))

_PID: Final = ("pid",)


def _columns() -> tuple[dict[tuple[str, ...], int], int]:
    columns: dict[tuple[str, ...], int] = {_PID: 0}
    end = 1
    hits = {"name": HITS, "kind": "histogram", "labels": "route"}
    for metric in (*_METRICS, hits):
        for values in _combinations(metric):
            columns[metric["name"], *values] = end
            end += _width(metric)
    return columns, end


def _combinations(metric: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    return product(*[LABELS[label] for label in metric["labels"].split(",") if label])


def _width(metric: Mapping[str, str]) -> int:
    return SUM + 1 if metric["kind"] == "histogram" else 1


COLUMNS, _WIDTH = _columns()
"""Where in a row each number stands, by name and values of labels; of a histogram, its first."""

Row: TypeAlias = "memoryview[float]"
"""The numbers of one process."""


class Tally(Collector):
    """The rows, and all else that Prometheus is told.

    Args:
        graph: what is served.
        rows: how many processes there will be.
    """

    def __init__(self, graph: KnowledgeGraph, rows: int) -> None:
        cells = memoryview(mmap.mmap(-1, rows * _WIDTH * 8)).cast("d")
        self._rows = [cells[row * _WIDTH : (row + 1) * _WIDTH] for row in range(rows)]
        self._main = os.getpid()
        self._engine = graph.engine
        self._data_version = graph.version

    def begun(self, number: int) -> Row:
        """Return a row for this process to go on with, where another may have ended."""
        row = self._rows[number]
        for metric in _METRICS:
            if metric["kind"] == "gauge" and not metric["labels"]:
                row[COLUMNS[metric["name"],]] = 0
        row[COLUMNS[_PID]] = os.getpid()
        return row

    def collect(self) -> Iterator[Metric]:
        """Return the metrics; see ``Collector.collect``."""
        totals = [sum(cells) for cells in zip(*[row.tolist() for row in self._rows], strict=True)]
        _fill_in_hits(totals)
        if isinstance(self._engine, ActiveEngine):
            _fill_in_activity(totals, dict(self._engine.activity()))
        _fill_in_processes(totals, self._main, {int(row[COLUMNS[_PID]]) for row in self._rows})
        for metric in _METRICS:
            yield _family_of(metric, totals)
        names = ("version", "dataset_version", "python_version", "engine_version")
        values = (kg.__version__, self._data_version, sys.version.split()[0], version("pyoxigraph"))
        info = GaugeMetricFamily("dermograph_build_info", "Always 1; what runs.", labels=names)
        info.add_metric(values, 1)
        yield info


def _family_of(metric: Mapping[str, str], totals: list[float]) -> _Family:
    labels = [label for label in metric["labels"].split(",") if label]
    family = _KINDS[metric["kind"]](f"dermograph_{metric['name']}", metric["help"], labels=labels)
    for values in _combinations(metric):
        start = COLUMNS[metric["name"], *values]
        cells = totals[start : start + _width(metric)]
        # Of the many combinations with a route only those are told that there have been.
        if "route" in labels and not any(cells):
            continue
        if isinstance(family, HistogramMetricFamily):
            bounds = [*map(str, BOUNDS), "+Inf"]
            buckets = list(zip(bounds, accumulate(cells[:SUM]), strict=True))
            family.add_metric(values, buckets, cells[SUM])
        else:
            family.add_metric(values, cells[0])
    return family


def _fill_in_hits(totals: list[float]) -> None:
    for route in LABELS["route"]:
        start, total = COLUMNS[HITS, route], COLUMNS["http_request_duration_seconds", route]
        hits = totals[start : start + SUM + 1]
        totals[total : total + SUM + 1] = map(sum, zip(totals[total:], hits, strict=False))
        totals[COLUMNS["http_requests", route, "GET", "200"]] += sum(hits[:SUM])
        totals[COLUMNS["cache_requests", "hit"]] += sum(hits[:SUM])


def _fill_in_activity(totals: list[float], activity: dict[str, float]) -> None:
    waiting = COLUMNS["queries_waiting",]  # where each process has put what waits or runs
    totals[waiting] = max(0, totals[waiting] - activity["running"])
    totals[COLUMNS["queries_running",]] = activity["running"]
    totals[COLUMNS["queries_begun",]] = activity["begun"]
    totals[COLUMNS["queries_run_seconds",]] = activity["seconds"]
    totals[COLUMNS["loader_restarts",]] = max(0, activity["loaders"] - 1)
    totals[COLUMNS["query_processes_started",]] = activity["started"]
    killed = {name: activity[name] for name in LABELS["reason"] if name in activity}
    for reason, number in killed.items():
        totals[COLUMNS["queries_killed", reason]] += number
    ended = sum(killed.values()) + activity["asked"] + activity["worn"]
    totals[COLUMNS["query_processes_ended",]] = ended


def _fill_in_processes(totals: list[float], main: int, speaking: set[int]) -> None:
    """Add up what processes take: the one that started all, its children and theirs."""
    _fill_in_process(totals, "main", main)
    for process in _children_of(main):
        kind = "http" if process in speaking else "loader"
        of_ended = _fill_in_process(totals, kind, process)
        if kind == "loader":
            totals[COLUMNS["process_cpu_seconds", "query"]] += of_ended
            for query_process in _children_of(process):
                _fill_in_process(totals, "query", query_process)


def _fill_in_process(totals: list[float], kind: str, process: int) -> float:
    """Add what a process takes; return the processor time of its children that have ended."""
    at = Path(f"/proc/{process}")
    try:
        stat = (at / "stat").read_bytes()
        descriptors = sum(1 for _ in (at / "fd").iterdir())
    except OSError:  # it has ended
        return 0.0
    # See proc(5); the fields are counted from the one after the name.
    fields = stat[stat.rindex(b")") + 2 :].split()
    user, system, of_ended_user, of_ended_system = map(int, fields[11:15])
    ticks = os.sysconf("SC_CLK_TCK")
    resident = int(fields[21]) * resource.getpagesize()
    totals[COLUMNS["processes", kind]] += 1
    totals[COLUMNS["process_resident_memory_bytes", kind]] += resident
    totals[COLUMNS["process_cpu_seconds", kind]] += (user + system) / ticks
    totals[COLUMNS["process_open_fds", kind]] += descriptors
    return (of_ended_user + of_ended_system) / ticks


def _children_of(process: int) -> list[int]:
    children: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            children += map(int, path.read_bytes().split())
    return children
