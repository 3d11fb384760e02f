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
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from kg.engine import wire
from kg.engine.board import Board
from kg.engine.errors import (
    EngineUnavailable,
    MemoryLimitExceeded,
    Overloaded,
    QueryTimeout,
)
from kg.engine.interface import Answer, ExtensionFunction, Query

_MARGIN: Final = 0.2
"""Seconds after its limit by which a query process is known to be dead."""


_CLOSED: Final = "The engine is closed."

_RESTART_PAUSE: Final = 0.5
"""Seconds between starts of a loader that ends sooner than this."""


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
        nquads: the dataset, as N-Quads that are known to parse.
        version: the version of the data, see ``Engine.version``.
        prefixes: see ``InProcessEngine``.
        functions: gives what queries can call beyond SPARQL's own functions, by IRI, when it is
            called with the dataset; a function of a module, as other processes have to find it.
        limits: what a query may use.
        processes: number of query processes; more than processor cores only so that long queries
            do not keep short ones waiting.

    Raises:
        OSError: the platform lacks what isolation needs; see ``kernel.SUPPORTED``.
    """

    def __init__(
        self,
        nquads: bytes,
        *,
        version: str,
        prefixes: Mapping[str, str] | None = None,
        functions: Callable[[bytes], Mapping[str, ExtensionFunction]] | None = None,
        limits: Limits | None = None,
        processes: int | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.processes = processes or 4 + 2 * (os.cpu_count() or 1)
        self._version = version
        self._places = threading.BoundedSemaphore(self.processes + self.limits.waiting)
        self._jobs, self._queue_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._jobs.settimeout(self.limits.patience)
        self._board = Board(self.processes)
        self._dataset = os.memfd_create("dataset", 0)
        with os.fdopen(self._dataset, "wb", closefd=False) as file:
            file.write(nquads)
        self._prefixes = dict(prefixes or {})
        self._functions = functions
        self._owner = os.getpid()
        self._closing = threading.Event()
        self._loader: subprocess.Popen[bytes] | None = None
        self._keeper = threading.Thread(target=self._keep_loader, daemon=True, name="loader")
        self._keeper.start()

    @property
    def version(self) -> str:
        """The version of the data."""
        return self._version

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

    def close(self) -> None:
        """End the loader and all query processes."""
        if os.getpid() != self._owner:
            return
        if self._closing.is_set():
            return
        self._closing.set()
        if self._loader is not None:
            self._loader.kill()
        self._keeper.join()
        self._jobs.close()
        self._queue_end.close()  # which ends the connections that wait in the queue
        for _ in range(self.processes + self.limits.waiting):
            self._places.acquire()  # as soon as nobody is asking any more
        self._board.close()
        os.close(self._dataset)

    def _ask(self, query: Query, *, only_check: bool) -> wire.Message:
        seconds = min(query.seconds or self.limits.seconds, self.limits.most_seconds)
        job = wire.Job(query, only_check, seconds, self.limits.memory)
        with self._place():
            message = self._delivered(job, time.monotonic() + self.limits.patience)
        if isinstance(message, wire.Failed):
            raise message.exception()
        return message

    def _delivered(self, job: wire.Job, deadline: float) -> wire.Message:
        """Have a job done, handing it over again if a query process died before taking it up."""
        while not self._closing.is_set():
            with self._connection(deadline) as connection:
                try:
                    wire.send(connection, job)
                    started = wire.receive(connection)
                except TimeoutError:
                    waited = self.limits.patience
                    message = f"No query process was free within {waited:g} seconds."
                    raise Overloaded(message) from None
                except (EOFError, BrokenPipeError):
                    continue
                assert isinstance(started, wire.Started)
                return self._outcome(connection, job, started)
        raise EngineUnavailable(_CLOSED)

    def _outcome(
        self, connection: socket.socket, job: wire.Job, started: wire.Started
    ) -> wire.Message:
        began = time.monotonic()
        connection.settimeout(job.seconds + _MARGIN)
        try:
            return wire.receive(connection)
        except TimeoutError:
            raise _timeout(job.seconds) from None
        except EOFError:
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
            return _timeout(seconds)
        killed_by = self._board.signal_of(started.slot, started.pid)
        if killed_by == signal.SIGALRM:
            return _timeout(seconds)
        if killed_by in (signal.SIGABRT, signal.SIGSEGV):
            mebibytes = self.limits.memory >> 20
            return MemoryLimitExceeded(
                f"The query needed more than its {mebibytes} MiB of memory, or is nested too deeply."
            )
        return EngineUnavailable("The query process was stopped.")

    def _keep_loader(self) -> None:
        """Run the loader, and run it again whenever it ends."""
        setup = wire.Setup(
            parent=self._owner,
            jobs=self._queue_end.fileno(),
            board=self._board.descriptor,
            slots=self.processes,
            dataset=self._dataset,
            version=self._version,
            prefixes=self._prefixes,
            functions=self._functions,
        )
        shared = (self._queue_end.fileno(), self._board.descriptor, self._dataset)
        while not self._closing.is_set():
            self._loader = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "kg.engine.loader", setup.to_text()],
                pass_fds=shared,
                stdin=subprocess.DEVNULL,
            )
            if self._closing.is_set():
                self._loader.kill()
            began = time.monotonic()
            self._loader.wait()
            if time.monotonic() - began < _RESTART_PAUSE:
                self._closing.wait(_RESTART_PAUSE)  # it cannot even start; do not spin


def _timeout(seconds: float) -> QueryTimeout:
    return QueryTimeout(f"The query was stopped after {seconds:g} seconds.")
