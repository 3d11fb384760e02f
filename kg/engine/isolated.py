"""The engine that runs each query in a process that the kernel stops at its limits.

One loader process holds the dataset and forks query processes (see ``kg.engine.loader``). A question
goes to whichever of them is free first, by way of a queue in the kernel: the engine makes a pair of
connected sockets, puts one end into the queue, and asks and listens at the other. When the query
process dies, its end closes, so the engine knows at once; when the engine closes its own end, or
dies, the query process is killed.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from kg.engine import wire
from kg.engine.board import Board, Cause
from kg.engine.data import Contents, Data
from kg.engine.errors import (
    EngineUnavailable,
    MemoryLimitExceeded,
    Overloaded,
    QueryTimeout,
)
from kg.engine.held import Held
from kg.engine.interface import Answer, FunctionsOf, Query
from kg.engine.keeper import Keeper
from kg.engine.loading import Loading
from kg.engine.stopping import Ask, Asks, stopped

_MARGIN: Final = 0.2
"""Seconds after its limit by which a query process is known to be dead."""


_CLOSED: Final = "The engine is closed."


@dataclass(frozen=True, slots=True)
class Limits:
    """What a query may use.

    Attributes:
        seconds: how long it may run, unless it asks for another time.
        most_seconds: the longest time that it may ask for.
        memory: how many bytes its process may grow by.
        waiting: how many queries may wait for a query process.
        patience: how many seconds a query waits for a query process.
    """

    seconds: float = 10.0
    most_seconds: float = 60.0
    memory: int = 1 << 30
    waiting: int = 64
    patience: float = 10.0


class IsolatedEngine:
    """Oxigraph in processes of their own, over one version of a dataset.

    The engine may be used from many threads, and from processes forked after it was made.

    Args:
        data: what to hold; bytes are N-Quads. Only the loader reads it, now and whenever it has
            to load again; files are held open, so that they may be replaced meanwhile.
        version: the version of the data, see ``Engine.version``; None: as their contents say.
        prefixes: see ``InProcessEngine``.
        functions: gives what queries can call beyond SPARQL's own functions, by IRI; a function
            of a module, as other processes have to find it.
        limits: what a query may use.
        processes: number of query processes; more than processor cores only so that long queries
            do not keep short ones waiting.

    Raises:
        DataError: a file cannot be opened.
        OSError: the platform lacks what isolation needs; see ``kernel.SUPPORTED``.
    """

    def __init__(
        self,
        data: Data | bytes,
        *,
        version: str | None = None,
        prefixes: Mapping[str, str] | None = None,
        functions: FunctionsOf | None = None,
        limits: Limits | None = None,
        processes: int | None = None,
    ) -> None:
        self._held = Held(Data.of(data))
        self.limits = limits or Limits()
        self.processes = processes or 4 + 2 * (os.cpu_count() or 1)
        self._version = version
        self._places = threading.BoundedSemaphore(self.processes + self.limits.waiting)
        self._jobs, self._queue_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._jobs.settimeout(self.limits.patience)
        self._board = Board(self.processes)
        self._loading = Loading()
        self._owner = os.getpid()
        self._closing = threading.Event()
        self._asks = Asks()
        setup = wire.Setup(
            parent=self._owner,
            jobs=self._queue_end.fileno(),
            board=self._board.descriptor,
            slots=self.processes,
            data=self._held.data,
            version=version,
            prefixes=dict(prefixes or {}),
            functions=functions,
        )
        inherited = (setup.jobs, setup.board, *self._held.descriptors)
        self._keeper = Keeper(setup, inherited, self._loading)

    @property
    def version(self) -> str:
        """The version of the data, as soon as it is known; see ``wait_until_loaded``."""
        return self._version or self.wait_until_loaded().version

    @property
    def contents(self) -> Contents:
        """How much it holds, as soon as that is known; see ``wait_until_loaded``."""
        return self.wait_until_loaded().contents

    def wait_until_loaded(self) -> wire.Loaded:
        """Return when the data have been loaded for the first time.

        Raises:
            DataError: they cannot be read or do not parse, so the engine will never answer.
            EngineUnavailable: the loader is killed each time, or the engine was closed.
        """
        return self._keeper.wait_until_loaded()

    def check(self, text: str) -> None:
        """Parse a query without answering it; see ``Engine.check``."""
        self._ask(Query(text), only_check=True)

    def run(self, query: Query) -> Answer:
        """Answer a query; see ``Engine.run``.

        Raises:
            QueryTimeout: it ran longer than it may.
            MemoryLimitExceeded: it took more memory than it may.
            Overloaded: too many queries are waiting, or it waited too long.
        """
        answer = self._ask(query, only_check=False)
        assert isinstance(answer, Answer)
        return answer

    def stop(self, name: str) -> bool:
        """Stop the queries of a name, whichever of the forked processes asked them."""
        stopped = self._asks.stop(name)
        killed = [self._board.kill(slot, Cause.ASKED, name) for slot in range(self.processes)]
        return stopped or any(killed)

    def close(self) -> None:
        """End the loader and all query processes."""
        if os.getpid() != self._owner:
            return
        if self._closing.is_set():
            return
        self._closing.set()
        self._keeper.close(EngineUnavailable(_CLOSED))
        self._jobs.close()
        self._queue_end.close()  # which ends the connections that wait in the queue
        for _ in range(self.processes + self.limits.waiting):
            self._places.acquire()  # as soon as nobody is asking any more
        self._board.close()
        self._held.close()

    def _ask(self, query: Query, *, only_check: bool) -> wire.Message:
        self._loading.refuse_if_longer_than(self.limits.patience)
        seconds = min(query.seconds or self.limits.seconds, self.limits.most_seconds)
        job = wire.Job(query, only_check, seconds, self.limits.memory)
        with self._place(), self._asks.known_as(query.names) as ask:
            message = self._delivered(job, ask)
        if isinstance(message, wire.Failed):
            raise message.exception()
        return message

    def _delivered(self, job: wire.Job, ask: Ask) -> wire.Message:
        """Have a job done, handing it over again if a query process died before taking it up."""
        began = time.monotonic()
        while not self._closing.is_set():
            with self._connection(began + self.limits.patience) as connection:
                ask.over(connection)
                try:
                    wire.send(connection, job)
                    started = wire.receive(connection)
                except TimeoutError:
                    patience = self.limits.patience
                    raise Overloaded(
                        f"No query process was free within {patience:g} seconds."
                    ) from None
                except (EOFError, BrokenPipeError):
                    ask.refuse_if_stopped()
                    continue
                assert isinstance(started, wire.Started)
                queued = time.monotonic() - began
                message = self._outcome(connection, job, started, ask)
                return replace(message, waited=queued) if isinstance(message, Answer) else message
        raise EngineUnavailable(_CLOSED)

    def _outcome(
        self, connection: socket.socket, job: wire.Job, started: wire.Started, ask: Ask
    ) -> wire.Message:
        began = time.monotonic()
        connection.settimeout(job.seconds + _MARGIN)
        try:
            return wire.receive(connection)
        except TimeoutError:
            raise QueryTimeout(job.seconds) from None
        except EOFError:
            ask.refuse_if_stopped()
            raise self._death(started, job.seconds, time.monotonic() - began) from None

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._closing.is_set():
            raise EngineUnavailable(_CLOSED)
        if not self._places.acquire(blocking=False):
            raise Overloaded(f"More than {self.limits.waiting} queries are waiting.")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _connection(self, deadline: float) -> Iterator[socket.socket]:
        """Give a connection to the next query process that is free.

        Raises:
            Overloaded: none took it in time.
            EngineUnavailable: the engine is closed.
        """
        left = deadline - time.monotonic()
        mine, theirs = socket.socketpair()
        with mine, theirs:
            if left <= 0:
                raise Overloaded("No query process could be had in time.")
            mine.settimeout(left)
            try:
                socket.send_fds(self._jobs, [b"."], [theirs.fileno()])
            except TimeoutError:
                raise Overloaded("The queue of queries is full.") from None
            except OSError:
                if self._closing.is_set():
                    raise EngineUnavailable(_CLOSED) from None
                raise
            theirs.close()
            yield mine

    def _death(self, started: wire.Started, seconds: float, lasted: float) -> EngineUnavailable:
        """Say why a query process died."""
        if lasted >= seconds:
            return QueryTimeout(seconds)
        killed_by, cause = self._board.death(started.slot, started.pid)
        if cause is not Cause.NONE:
            return _CAUSES[cause]()
        if killed_by == signal.SIGALRM:
            return QueryTimeout(seconds)
        if killed_by in (signal.SIGABRT, signal.SIGSEGV):
            return MemoryLimitExceeded(self.limits.memory)
        return EngineUnavailable("The query process was stopped.")


def _crowded() -> Overloaded:
    return Overloaded("Too many long queries run at once, so this one was stopped.")


_CAUSES: Final[Mapping[Cause, Callable[[], EngineUnavailable]]] = {
    Cause.ASKED: stopped,
    Cause.CROWDED: _crowded,
}
