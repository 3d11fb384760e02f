"""The engine that runs each query in a process that the kernel stops at its limits.

One loader process holds the dataset and forks query processes (see ``kg.engine.loader``). A question
goes to whichever of them is free first, by way of a queue in the kernel: the engine makes a pair of
connected sockets, puts the question with one end into the queue, and listens at the other. When the
query process dies, its end closes, so the engine knows at once; when the engine closes its own end,
or dies, the query process is killed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from kg.engine import kernel, wire
from kg.engine.board import Board, Cause
from kg.engine.data import Contents, Data
from kg.engine.errors import (
    EngineUnavailable,
    MemoryLimitExceeded,
    Overloaded,
    QueryTimeout,
)
from kg.engine.exchange import Exchange
from kg.engine.held import Held
from kg.engine.interface import Answer, FunctionsOf, Query
from kg.engine.keeper import Keeper
from kg.engine.loading import Loading
from kg.engine.stopping import Asks, stopped

_MARGIN: Final = 0.2
"""Seconds after its limit by which a query process is known to be dead."""


_ATTEMPTS: Final = 2
"""How many times a job is put whose process is killed before it begins with it."""

_CLOSED: Final = "The engine is closed."
_KILLED: Final = "The query process was stopped."


@dataclass(frozen=True, slots=True)
class Limits:
    """What a query may use.

    Attributes:
        seconds: how long it may run, unless it asks for another time.
        most_seconds: the longest time that it may ask for.
        memory: how many bytes its process may grow by.
        reserve: how many bytes of the machine's memory all queries leave free; None: a twentieth.
        waiting: how many queries may wait for a query process.
        patience: how many seconds a query waits for a query process.
    """

    seconds: float = 10.0
    most_seconds: float = 60.0
    memory: int = 1 << 30
    reserve: int | None = None
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
        OSError: the platform lacks what isolation needs; see ``kernel.lacking``.
    """

    isolated: Final = True

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
        cores = len(os.sched_getaffinity(0))
        self.processes = processes or 4 + 4 * cores
        self._version = version
        self._places = threading.BoundedSemaphore(self.processes + self.limits.waiting)
        self._jobs, self._queue_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._jobs.setblocking(False)
        self._numbers = itertools.count(1)
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
            memory=self.limits.memory,
            reserve=_reserve(self.limits),
            active=min(cores, self.processes),
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
        return _answer_in(self._ask(query, only_check=False))

    async def answer(self, query: Query) -> Answer:
        """Answer a query like ``run``, while the event loop sees to other things."""
        for _ in range(_ATTEMPTS):
            with self._asking(query, only_check=False) as exchange:
                if not (exchange.fits and exchange.put(self._jobs)):
                    await asyncio.to_thread(self._put, exchange)
                message = await self._awaited(exchange)
            if message is not None:
                return _answer_in(exchange.done(message))
            await asyncio.to_thread(self._raise_cause, exchange)
        raise EngineUnavailable(_KILLED)

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

    def _ask(self, query: Query, *, only_check: bool) -> wire.Done:
        for _ in range(_ATTEMPTS):
            with self._asking(query, only_check=only_check) as exchange:
                self._put(exchange)
                message = self._waited_for(exchange)
            if message is not None:
                return exchange.done(message)
            self._raise_cause(exchange)
        raise EngineUnavailable(_KILLED)

    @contextmanager
    def _asking(self, query: Query, *, only_check: bool) -> Iterator[Exchange]:
        """Give what a query is asked by, if there is room for it."""
        self._loading.refuse_if_longer_than(self.limits.patience)
        seconds = min(query.seconds or self.limits.seconds, self.limits.most_seconds)
        number = os.getpid() << 32 | next(self._numbers)
        with self._place(), self._asks.known_as(query.names) as ask:
            exchange = Exchange(wire.Job(query, only_check, seconds, number), ask)
            with closing(exchange):
                yield exchange

    def _put(self, exchange: Exchange) -> None:
        """Put a job into the queue, as soon as there is room."""
        deadline = time.monotonic() + self.limits.patience
        try:
            while not exchange.put(self._jobs):
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([], [self._jobs], [], left)[1]:
                    raise Overloaded("The queue of queries is full.")
        except (OSError, ValueError):  # the queue is closed
            if self._closing.is_set():
                raise EngineUnavailable(_CLOSED) from None
            raise
        if exchange.fits:
            return
        exchange.connection.settimeout(self.limits.patience)
        try:
            exchange.follow()
        except TimeoutError:
            raise self._nobody_free() from None

    def _waited_for(self, exchange: Exchange) -> wire.Message | None:
        """Wait for what comes of a job; None: its process died."""
        exchange.connection.settimeout(self.limits.patience)
        while True:
            try:
                message = exchange.receive()
            except TimeoutError:
                exchange.connection.settimeout(self._time_left(exchange))
            except EOFError:
                return None
            else:
                if message is not None:
                    return message

    async def _awaited(self, exchange: Exchange) -> wire.Message | None:
        """Wait like ``_waited_for``, while the event loop sees to other things."""
        exchange.connection.setblocking(False)
        loop = asyncio.get_running_loop()
        left = self.limits.patience
        try:
            while True:
                outcome: asyncio.Future[wire.Message | None] = loop.create_future()
                loop.add_reader(exchange.connection, _receive, exchange, outcome)
                late = loop.call_later(left, _time_out, outcome)
                try:
                    return await outcome
                except TimeoutError:
                    left = self._time_left(exchange)
                finally:
                    late.cancel()
        finally:
            loop.remove_reader(exchange.connection)

    def _time_left(self, exchange: Exchange) -> float:
        """Give for how many seconds an answer to a question may still come.

        Raises:
            Overloaded: nobody took it up in time.
            QueryTimeout: it is overdue.
        """
        began = self._board.began(exchange.job.number)
        if began is None:
            raise self._nobody_free()
        left = began + exchange.job.seconds + _MARGIN - time.monotonic()
        if left <= 0:
            raise QueryTimeout(exchange.job.seconds)
        return left

    def _nobody_free(self) -> Overloaded:
        return Overloaded(f"No query process was free within {self.limits.patience:g} seconds.")

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

    def _raise_cause(self, exchange: Exchange) -> None:
        """Raise why the process died that had a job, unless it never began it.

        Raises:
            EngineUnavailable: it did.
        """
        if self._closing.is_set():
            raise EngineUnavailable(_CLOSED)
        exchange.ask.refuse_if_stopped()
        has_begun = self._board.began(exchange.job.number) is not None
        killed_by, cause = self._board.death(exchange.job.number)
        if cause is not Cause.NONE:
            reason = _CAUSES[cause]
            raise reason()
        if killed_by == signal.SIGALRM:
            raise QueryTimeout(exchange.job.seconds)
        if killed_by in (signal.SIGABRT, signal.SIGSEGV):
            raise MemoryLimitExceeded(self.limits.memory)
        if killed_by or has_begun:
            raise EngineUnavailable(_KILLED)


def _answer_in(done: wire.Done) -> Answer:
    assert done.answer is not None, "the query was not only parsed"
    return done.answer


def _receive(exchange: Exchange, outcome: asyncio.Future[wire.Message | None]) -> None:
    """Receive what there is of a message, now that there is something."""
    if outcome.done():
        return
    try:
        message = exchange.receive()
    except BlockingIOError:
        return
    except EOFError:
        outcome.set_result(None)
    else:
        if message is not None:
            outcome.set_result(message)


def _time_out(outcome: asyncio.Future[wire.Message | None]) -> None:
    if not outcome.done():
        outcome.set_exception(TimeoutError())


def _reserve(limits: Limits) -> int:
    return kernel.memory_in_all() // 20 if limits.reserve is None else limits.reserve


def _shortage() -> Overloaded:
    return Overloaded("Memory ran short, and this query had taken the most of it.")


def _crowded() -> Overloaded:
    return Overloaded("Too many long queries run at once, so this one was stopped.")


_CAUSES: Final[Mapping[Cause, Callable[[], EngineUnavailable]]] = {
    Cause.ASKED: stopped,
    Cause.CROWDED: _crowded,
    Cause.SHORTAGE: _shortage,
}
