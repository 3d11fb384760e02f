"""The comparison under load: every server in turn, round after round, so that noise hits all alike."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Final

from benchmarks import agreement
from benchmarks.agreement import NoAnswer, ServerReply, TooSlow
from benchmarks.fleet import Fleet
from benchmarks.generator import CORES, Generator, Load, LoadFailed, request_target
from benchmarks.servers import REFERENCE, Server
from benchmarks.workloads import Mix, Workload

_LONGEST: Final = 20
_ANSWERS: Final = 2
_PATIENCE: Final = 20.0
_WARM_UP: Final = 1
_CONNECTIONS: Final = 8
_CHECKED: Final = 3
"""How many questions of a workload are compared before the timing."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        seconds: length of one measurement; longer where answers take long.
        rounds: how many there are, of which the median counts.
    """

    seconds: int
    rounds: int


@dataclass(slots=True)
class Measurement:
    """What was found for one workload, mix and number of clients.

    Attributes:
        workload, mix, clients: what was measured.
        loads: by the name of the server, one for each round.
        notes: why there is no figure, by the name of the server.
    """

    workload: Workload
    mix: Mix
    clients: int
    loads: dict[str, list[Load]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def rate(self, server: str) -> float | None:
        """Return the median of answers per second, or None if there is no figure."""
        loads = self.loads.get(server)
        return statistics.median(load.rate for load in loads) if loads else None

    def p99(self, server: str) -> float | None:
        """Return the median of the 99th percentiles of latency in milliseconds, or None."""
        loads = self.loads.get(server)
        return statistics.median(load.p99 for load in loads) if loads else None

    def strained(self, server: str) -> bool:
        """Tell whether the generator may be what limited the figure."""
        return any(load.strained for load in self.loads.get(server, ()))


class Comparison:
    """Measures workloads on the servers of a fleet.

    Args:
        fleet: the servers.
        effort: how much to measure.
        progress: is told what comes next.
    """

    def __init__(self, fleet: Fleet, effort: Effort, progress: Callable[[str], None]) -> None:
        self._fleet = fleet
        self._effort = effort
        self._progress = progress
        self._generator = Generator()

    def measure(
        self, workload: Workload, mixes: Sequence[Mix], clients: Sequence[int]
    ) -> list[Measurement]:
        """Check that the servers agree on a workload, then measure it in each mix.

        Args:
            workload: what to measure.
            mixes: in which mixes.
            clients: with which numbers of clients.
        """
        stems = workload.stems(self._fleet.data)
        replies, notes = self._checked(workload, stems)
        cells = []
        for count in clients:
            for mix in mixes:
                self._progress(f"{workload.title}, {mix.value}, {count} clients")
                cell = Measurement(workload, mix, count, notes=dict(notes))
                self._fill(cell, stems, replies)
                cells.append(cell)
        return cells

    def _checked(
        self, workload: Workload, stems: Sequence[str]
    ) -> tuple[dict[str, ServerReply], dict[str, str]]:
        """Return the last reply of each server that answers right, and why others are left out."""
        notes = dict(self._fleet.missing)
        replies: dict[str, list[ServerReply]] = {}
        for server in self._fleet:
            if workload.ours_only and not server.kind.is_ours:
                continue
            try:
                replies[server.kind.name] = _asked(server, workload, stems)
            except NoAnswer as error:
                notes[server.kind.name] = str(error)
                if isinstance(error, TooSlow):
                    self._fleet.restart(server)
        notes |= _differences(replies, workload)
        right = {name: given[-1] for name, given in replies.items() if name not in notes}
        return right, notes

    def _fill(
        self, cell: Measurement, stems: Sequence[str], replies: Mapping[str, ServerReply]
    ) -> None:
        if cell.mix is Mix.ZIPF:
            replies = {**replies, **self._kept(cell, stems, replies)}
        lengths = {name: self._length(cell, reply) for name, reply in replies.items()}
        for turn in range(self._effort.rounds + 1):
            for server in self._fleet:
                name = server.kind.name
                if name not in lengths or name in cell.notes:
                    continue
                length = lengths[name] if turn else _WARM_UP
                if lengths[name] > _LONGEST:
                    cell.notes[name] = f"one answer takes {replies[name].seconds:.1f} s"
                elif turn or lengths[name] == self._effort.seconds:  # the slow need no warming up
                    self._run(cell, server, stems, length, len(replies[name].body), keep=turn > 0)

    def _kept(
        self, cell: Measurement, stems: Sequence[str], replies: Mapping[str, ServerReply]
    ) -> dict[str, ServerReply]:
        """Have our server keep the answers to all questions of the repeated mix.

        So what is measured is the steady state, not how many questions fit into the warm-up.

        Returns:
            What it answers then.
        """
        found = {}
        for server in self._fleet:
            if server.kind.is_ours and server.kind.name in replies:
                try:
                    found[server.kind.name] = _put_all(server, cell.workload, stems)
                except NoAnswer as error:
                    cell.notes[server.kind.name] = str(error)
        return found

    def _run(
        self,
        cell: Measurement,
        server: Server,
        stems: Sequence[str],
        seconds: int,
        size: int,
        *,
        keep: bool,
    ) -> None:
        name = server.kind.name
        try:
            load = self._generator.run(
                server.url,
                cell.workload,
                stems,
                cell.mix,
                clients=cell.clients,
                seconds=seconds,
                size=size if len(stems) == 1 else 0,
            )
        except LoadFailed as error:
            cell.notes[name] = str(error)
            cell.loads.pop(name, None)
        else:
            if keep:
                cell.loads.setdefault(name, []).append(load)
        server.settle(_PATIENCE)

    def _length(self, cell: Measurement, reply: ServerReply) -> int:
        """Return seconds enough for every client to have some answers, if all cores are at work."""
        needed = _ANSWERS * reply.seconds * cell.clients / CORES
        return max(self._effort.seconds, math.ceil(needed))


def _asked(server: Server, workload: Workload, stems: Sequence[str]) -> list[ServerReply]:
    """Put the same few questions as to the other servers."""
    places = range(0, len(stems), max(1, len(stems) // _CHECKED))
    return [
        agreement.ask(server.url, workload, stems[place], place, _PATIENCE)
        for place in list(places)[:_CHECKED]
    ]


def _put_all(server: Server, workload: Workload, stems: Sequence[str]) -> ServerReply:
    """Put each question of the repeated mix on each of some connections, and the first once more.

    Several connections reach each of the processes among which a server may share them out.
    """
    with ExitStack() as stack:
        connections = [
            stack.enter_context(closing(agreement.connect(server.url, _PATIENCE)))
            for _ in range(_CONNECTIONS)
        ]
        for number in (*range(workload.distinct), 0):
            target = request_target(server.url, stems[number % len(stems)], number)
            for connection in connections:
                reply = agreement.ask_on(connection, workload, target)
    return reply


def _differences(
    replies: Mapping[str, Sequence[ServerReply]], workload: Workload
) -> dict[str, str]:
    """Say which servers give other answers than the reference, or else than the first."""
    if not replies:
        return {}
    expected = replies[REFERENCE.name if REFERENCE.name in replies else next(iter(replies))]
    notes = {}
    for name, given in replies.items():
        try:
            for mine, theirs in zip(given, expected, strict=True):
                agreement.check(mine.body, theirs.body, workload)
        except NoAnswer as error:
            notes[name] = str(error)
    return notes
