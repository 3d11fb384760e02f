"""The tables of the documentation, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.bombs import Outcome
from benchmarks.comparison import Measurement
from benchmarks.documents import Disturbance
from benchmarks.servers import OURS, Kind
from benchmarks.workloads import Mix

NO_FIGURE = "—"
"""What stands where there is no figure."""

_STRAINED = "\\*"
_MEBIBYTE = 1 << 20
_HUNDREDTHS_BELOW = 10


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a server takes.

    Attributes:
        seconds: from its start to its first right answer.
        first: bytes of memory then.
        last: bytes of memory after all workloads; None: it runs no more.
    """

    seconds: float
    first: int
    last: int | None


@dataclass(slots=True)
class Footnotes:
    """The reasons for what is missing, numbered in the order that they came up.

    Attributes:
        reasons: each once.
    """

    reasons: list[str] = field(default_factory=list)

    def mark(self, reason: str) -> str:
        """Return the mark of a reason."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        return f"{NO_FIGURE} <sup>{self.reasons.index(reason) + 1}</sup>"

    def lines(self) -> list[str]:
        """Return the list of reasons; empty if there are none."""
        return [f"{number}. {reason}" for number, reason in enumerate(self.reasons, 1)]


def workloads(cells: Sequence[Measurement], kinds: Sequence[Kind], notes: Footnotes) -> list[str]:
    """Write the table of answers per second, with the ratio of ours to each of the others."""
    others = [kind for kind in kinds if kind != OURS]
    header = ["workload", OURS.title]
    for kind in others:
        header += [kind.title, "ratio"]
    return _table(header, (_workload_row(cell, others, notes) for cell in cells))


def _workload_row(cell: Measurement, others: Sequence[Kind], notes: Footnotes) -> list[str]:
    row = [f"{cell.workload.title}, {cell.mix.value}", _rate(cell, OURS, notes)]
    for kind in others:
        row += [_rate(cell, kind, notes), _ratio(cell.rate(OURS.name), cell.rate(kind.name))]
    return row


def clients(cells: Sequence[Measurement], kinds: Sequence[Kind], notes: Footnotes) -> list[str]:
    """Write the table of answers per second and 99th percentiles by the number of clients."""
    header = ["workload", "clients", *(kind.title for kind in kinds)]
    rows = (
        [
            f"{cell.workload.title}, {cell.mix.value}",
            str(cell.clients),
            *(_with_p99(cell, kind, notes) for kind in kinds),
        ]
        for cell in sorted(cells, key=lambda cell: list(Mix).index(cell.mix))
    )
    return _table(header, rows)


def _with_p99(cell: Measurement, kind: Kind, notes: Footnotes) -> str:
    p99 = cell.p99(kind.name)
    rate = _rate(cell, kind, notes)
    return rate if p99 is None else f"{rate} ({p99:.1f} ms)"


def footprints(
    found: Mapping[str, Footprint],
    kinds: Sequence[Kind],
    missing: Mapping[str, str],
    notes: Footnotes,
) -> list[str]:
    """Write the table of start-up times and memory; why servers are missing becomes a note."""
    header = ["server", "first answer, s", "memory then, MiB", "memory in the end, MiB"]
    rows = []
    for kind in kinds:
        footprint = found.get(kind.name)
        if footprint is None:
            reason = missing.get(kind.name, "was not started")
            rows.append([kind.title, notes.mark(f"{kind.title}: {reason}"), "", ""])
        else:
            rows.append([kind.title, f"{footprint.seconds:.2f}", *_mebibytes(footprint)])
    return _table(header, rows)


def _mebibytes(footprint: Footprint) -> list[str]:
    last = NO_FIGURE if footprint.last is None else f"{footprint.last / _MEBIBYTE:,.0f}"
    return [f"{footprint.first / _MEBIBYTE:,.0f}", last]


def bombs(outcomes: Mapping[str, Outcome], kinds: Sequence[Kind]) -> list[str]:
    """Write the table of lookups under bombs."""
    header = [
        "server",
        "p99 undisturbed, ms",
        "p99 under bombs, ms",
        "ratio",
        "lookups answered",
        "bombs ended after, s",
        "with",
        "answers in the end",
    ]
    rows = [_bomb_row(kind, outcomes[kind.name]) for kind in kinds if kind.name in outcomes]
    return _table(header, rows)


def _bomb_row(kind: Kind, outcome: Outcome) -> list[str]:
    quiet, bombed = outcome.quiet.p99, outcome.bombed.p99
    return [
        kind.title,
        _milliseconds(quiet),
        _milliseconds(bombed),
        f"{bombed / quiet:.1f}" if math.isfinite(bombed) else NO_FIGURE,
        f"{outcome.bombed.answered:.1%}",
        f"{outcome.bomb_seconds:.1f}" if outcome.bomb_seconds is not None else "never",
        ", ".join(outcome.ends),
        "yes" if outcome.alive else "no",
    ]


def documents(found: Disturbance) -> list[str]:
    """Write the table of cached lookups beside documents."""
    header = ["cached lookups", "median, ms", "p99, ms", "answered"]
    times = {
        "by themselves": found.quiet,
        "beside processes that compute": found.beside_computing,
        f"beside {found.documents + found.refused} documents, {found.refused} refused": (
            found.beside_documents
        ),
    }
    return _table(
        header,
        [
            [name, _milliseconds(each.median), _milliseconds(each.p99), f"{each.answered:.1%}"]
            for name, each in times.items()
        ],
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f}" if math.isfinite(seconds) else "not answered"


def _rate(cell: Measurement, kind: Kind, notes: Footnotes) -> str:
    rate = cell.rate(kind.name)
    if rate is not None:
        shown = f"{rate:,.0f}" if rate >= _HUNDREDTHS_BELOW else f"{rate:.2f}"
        return shown + (_STRAINED if cell.strained(kind.name) else "")
    reason = cell.notes.get(kind.name)
    return notes.mark(f"{kind.title}: {reason}") if reason else ""


def _ratio(ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None:
        return ""
    ratio = ours / theirs
    return f"{ratio:.2f}" if ratio < _HUNDREDTHS_BELOW else f"{ratio:,.0f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
