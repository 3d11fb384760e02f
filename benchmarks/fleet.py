"""The servers of one comparison, all running over the same data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import agreement
from benchmarks.agreement import NoAnswer
from benchmarks.data import BenchmarkData
from benchmarks.servers import Kind, Place, Server, StartFailed, free_port
from benchmarks.workloads import LOOKUP

_BETWEEN_TRIES = 0.01


@dataclass(frozen=True, slots=True)
class FleetSetting:
    """Where a comparison takes place.

    Attributes:
        folder: for data, databases and logs.
        programs: folder of the commands of the other servers.
        patience: seconds that a server may take to start, with its data.
    """

    folder: Path
    programs: Path
    patience: float


@dataclass(slots=True)
class Fleet:
    """The servers that run over some data.

    Attributes:
        data: what they serve.
        setting: where they run.
        servers: those that run, by the names of their kinds.
        missing: why others do not, by the names of their kinds.
    """

    data: BenchmarkData
    setting: FleetSetting
    servers: dict[str, Server] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Server]:
        """Go through the servers that run."""
        return iter(list(self.servers.values()))

    def start(self, kind: Kind, *, limited: bool = False) -> float:
        """Start a server, and give the seconds until its first right answer.

        Args:
            kind: which one.
            limited: whether queries are to have a time limit where that is optional.

        Raises:
            StartFailed: it does not answer in time.
        """
        folder, programs = self.setting.folder, self.setting.programs
        place = Place(self.data, folder, programs, free_port(), limited=limited)
        kind.prepare(place)
        deadline = time.monotonic() + self.setting.patience
        began = time.perf_counter()
        server = Server(kind, place)
        try:
            server.wait_until_it_listens(place.port, deadline)
            kind.load(place)
            _wait_for_answer(server, self.data, deadline)
        except StartFailed:
            server.stop()
            raise
        self.servers[kind.name] = server
        return time.perf_counter() - began

    def start_all(self, kinds: Sequence[Kind], *, limited: bool = False) -> Mapping[str, float]:
        """Start servers, and give the seconds that each took; note those that do not start."""
        seconds = {}
        for kind in kinds:
            try:
                seconds[kind.name] = self.start(kind, limited=limited)
            except StartFailed as error:
                self.missing[kind.name] = str(error)
        return seconds

    def restart(self, server: Server) -> None:
        """Start a server anew that is busy or broken; it is missing if that fails."""
        self.stop(server)
        self.start_all([server.kind])

    def stop(self, server: Server) -> None:
        """Stop one server."""
        server.stop()
        del self.servers[server.kind.name]

    def stop_all(self) -> None:
        """Stop every server."""
        for server in self:
            self.stop(server)


def _wait_for_answer(server: Server, data: BenchmarkData, deadline: float) -> None:
    """Ask for the subject that comes last in the data until its rows are there."""
    stem = LOOKUP.stems(data)[-1]
    while True:
        server.check_alive()
        try:
            reply = agreement.ask(
                server.url, LOOKUP, stem, 0, max(1.0, deadline - time.monotonic())
            )
            if agreement.size(reply.body, LOOKUP) > 0:
                return
        except NoAnswer as error:
            reason = str(error)
        else:
            reason = "answers without the data"
        if time.monotonic() > deadline:
            raise StartFailed(reason)
        time.sleep(_BETWEEN_TRIES)
