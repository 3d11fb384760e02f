"""What the service counts, how that lies in memory, and how Prometheus is told of it.

Labels have few values, none of which a client chooses. metrics.tsv lists what there is, labels.tsv the
values of labels.
"""

import resource
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate, product
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import metrics_core

from server.data import rows

BOUNDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds of the buckets of histograms, in seconds: from a cached answer to the longest query."""

SUM: Final = len(BOUNDS) + 1
"""Where the sum of a histogram stands after its first bucket."""

OTHER: Final = "other"


LABELS: Final = {row["label"]: tuple(row["values"].split()) for row in rows("labels")}
"""The values of labels. A route begins with the first segment of a path."""


class _Listed(NamedTuple):
    """A line of metrics.tsv; of each combination of the values of its labels ``width`` numbers."""

    name: str
    kind: str
    labels: list[str]
    told: str

    @property
    def width(self) -> int:
        return SUM + 1 if self.kind == "histogram" else 1

    def combinations(self) -> Iterator[tuple[str, ...]]:
        return product([self.name], *[LABELS[label] for label in self.labels])


_LISTED: Final = [
    _Listed(row["name"], row["kind"], list(filter(None, row["labels"].split(","))), row["help"])
    for row in rows("metrics")
]
_CELLS: Final = [key for each in _LISTED for key in each.combinations() for _ in range(each.width)]
COLUMNS: Final = {key: column for column, key in reversed(list(enumerate(_CELLS)))}
"""Where in a row each number stands, by name and values of labels; of a histogram, its first."""

WIDTH: Final = len(_CELLS)
ROW_BYTES: Final = 8 * WIDTH


def families(totals: list[float]) -> Iterator[metrics_core.Metric]:
    """Yield what metrics.tsv lists, with the sums of all rows."""
    for listed in _LISTED:
        make = getattr(metrics_core, f"{listed.kind.title()}MetricFamily")
        family = make(f"dermograph_{listed.name}", listed.told, labels=listed.labels)
        for key in listed.combinations():
            cells = totals[COLUMNS[key] : COLUMNS[key] + listed.width]
            # Of the many combinations with a route only those are told that there have been.
            if any(cells) or "route" not in listed.labels:
                family.add_metric(key[1:], *(_buckets(cells) if len(cells) > 1 else cells))
        yield family


def _buckets(cells: list[float]) -> tuple[list[tuple[str, float]], float]:
    bounds = [*map(str, BOUNDS), "+Inf"]
    return list(zip(bounds, accumulate(cells[:SUM]), strict=True)), cells[SUM]


def processes(main: int) -> Iterator[tuple[str, int]]:
    """Yield the kind and the bytes of resident memory of each process that one has started."""
    kinds = {main: "main"}
    for child in _children(main):
        if _read(main, "cmdline") == _read(child, "cmdline"):  # as it is but forked
            kinds[child] = "http"
        else:
            kinds |= {child: "fork-server", **dict.fromkeys(_children(child), "query")}
    for process, kind in kinds.items():
        for pages in _read(process, "statm").split()[1:2]:
            yield kind, int(pages) * resource.getpagesize()


def _children(process: int) -> Iterator[int]:
    for thread in Path(f"/proc/{process}/task").glob("*"):
        yield from map(int, _read(process, f"task/{thread.name}/children").split())


def _read(process: int, name: str) -> bytes:
    """Return what the kernel tells of a process; nothing if it has ended, or is no Linux."""
    with suppress(OSError):
        return Path(f"/proc/{process}/{name}").read_bytes()
    return b""
