"""The loader: holds a dataset in memory and forks the query processes that share it.

Run as `python -m kg.engine.loader` by the isolated engine. A single thread forks, so that a fork
copies no lock that another thread holds. A query process answers one query at a time and many in
its life; the kernel ends it when a query exceeds its limits, when whoever asked has gone, and when
the loader ends.

As many of them as there are processor cores take up queries, as more would only contend for the
caches of the processor; half as many while queries are brief, when those who ask have as much to do.
A query that takes longer lets another process begin.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import pickle
import signal
import socket
import sys
import termios
from typing import Final

from kg.engine import kernel, wire
from kg.engine.board import Board, Cause
from kg.engine.errors import EngineError
from kg.engine.inprocess import InProcessEngine
from kg.engine.wire import Setup

_TICK: Final = 0.02
"""Seconds between looks at the age of running queries."""

_BRIEF: Final = 0.001
"""Age in seconds from which a query takes longer than handing it over and sending its answer."""

_SHORT: Final = 0.05
"""Age in seconds from which a query does not keep others waiting."""

_BRIEF_TICKS: Final = 10
"""For how many looks all queries have to be brief to be taken for the rule."""

_LONG: Final = 1.0
"""Age in seconds from which a query is long-running, and gives way to younger ones."""

_SHARE_FOR_YOUNG: Final = 4
"""One query process out of so many runs no long query."""

_LOWEST_PRIORITY: Final = 19
_WORN: Final = 32 << 20
"""Growth in bytes after which a query process makes room for a fresh one."""

_COPIED: Final = 16 << 20
"""Bytes that a process may copy of what is shared if it is one of many and memory is scarce."""

_REQUEST_PATIENCE: Final = 5.0
"""Seconds that a query process waits for the rest of a request."""


def main() -> None:
    """Load the dataset and keep the query processes running until killed."""
    setup: Setup = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own process
    kernel.die_with_parent(setup.parent)
    with socket.socket(fileno=setup.report) as report:
        engine = _loaded(setup, report)
    # Functions are called with what clients write, which must not fill the log.
    logging.getLogger("rdflib.term").setLevel(logging.ERROR)
    jobs = socket.socket(fileno=setup.jobs)
    board = Board(setup.slots, setup.board)
    board.clear()
    places = _Places(setup.active, board)
    kernel.forbid_network()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    gc.freeze()  # so that collecting garbage does not copy the memory that is shared
    loader = os.getpid()

    def start(slot: int) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                kernel.die_with_parent(loader)
                _QueryProcess(engine, jobs, board, slot, places).answer_jobs(setup.memory)
            finally:
                os._exit(0)
        return pid

    running = {start(slot): slot for slot in range(board.slots)}
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, _TICK)
        for pid, status in _ended():
            slot = running.pop(pid)
            board.died(slot, pid, status)
            places.give_back(slot)
            running[start(slot)] = slot
        ages = [board.age(slot) for slot in range(board.slots)]
        _lower_priority_of_long(running, ages)
        _keep_room_for_young(board, ages)
        _keep_memory_free(running, board, ages, setup.reserve)
        places.pass_on(ages, waited_for=_unread(jobs.fileno()) > 0)


def _loaded(setup: Setup, report: socket.socket) -> InProcessEngine:
    """Load the data, and say how that went."""
    try:
        engine = InProcessEngine(
            setup.data,
            version=setup.version,
            expected=setup.expected,
            prefixes=setup.prefixes,
            functions=setup.functions,
        )
        wire.send(report, wire.Loaded(engine.version, engine.contents))
    except EngineError as error:
        wire.send(report, wire.Failed.of(error))
        sys.exit(1)
    return engine


def _ended() -> list[tuple[int, int]]:
    """Reap the query processes that ended, with their statuses."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # all of them have ended
            return ended
        if pid == 0:
            return ended
        ended.append((pid, status))


def _unread(descriptor: int) -> int:
    """Give how many bytes wait to be read."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


def _lower_priority_of_long(running: dict[int, int], ages: list[float]) -> None:
    """Let long-running queries give way to others: the older, the more."""
    for pid, slot in running.items():
        if ages[slot] >= _LONG:
            nice = min(_LOWEST_PRIORITY, 5 + int(ages[slot] / _LONG))
            os.setpriority(os.PRIO_PROCESS, pid, nice)


def _keep_room_for_young(board: Board, ages: list[float]) -> None:
    """Kill the latest of the long-running queries when there are too many of them.

    Some processes always answer short queries, however many long ones are asked.
    """
    long = [slot for slot, age in enumerate(ages) if age >= _LONG]
    long.sort(key=ages.__getitem__)
    room = max(1, board.slots - max(1, board.slots // _SHARE_FOR_YOUNG))
    for slot in long[: max(0, len(long) - room)]:
        board.kill(slot, Cause.CROWDED)


def _keep_memory_free(
    running: dict[int, int], board: Board, ages: list[float], reserve: int
) -> None:
    """Kill the query that has taken the most memory, if too little of the machine's is left."""
    lasting = {pid: slot for pid, slot in running.items() if ages[slot] >= _SHORT}
    if lasting and kernel.memory_left() < reserve:
        board.kill(lasting[max(lasting, key=kernel.faults_of)], Cause.SHORTAGE)


class _Places:
    """The places for processes that take up queries: bytes in a pipe, of which each takes one.

    Args:
        number: how many there are.
        board: where is noted who has one.
    """

    def __init__(self, number: int, board: Board) -> None:
        self._most = number
        self._number = self._fewest = max(1, number // 2)
        self._board = board
        self._taking, self._giving = os.pipe()
        self._differed = 0
        self._brief_ticks = 0
        os.write(self._giving, bytes(self._number))

    def take(self, slot: int) -> None:
        """Wait for a place, unless the process of a slot has one."""
        if not self._board.is_active(slot):
            os.read(self._taking, 1)
            self._board.set_active(slot, active=True)

    def give_back(self, slot: int) -> None:
        """Give to others the place that the process of a slot has, if it has one."""
        if self._board.is_active(slot):
            self._board.set_active(slot, active=False)
            os.write(self._giving, bytes(1))

    def pass_on(self, ages: list[float], *, waited_for: bool) -> None:
        """Give to others the places of queries that are not short, if there are others.

        Args:
            ages: of the queries, by slot.
            waited_for: whether there are others.
        """
        if waited_for:
            self._pass_on_places_of(ages)
        self._brief_ticks = 0 if max(ages) >= _BRIEF else self._brief_ticks + 1
        self._number = self._fewest if self._brief_ticks >= _BRIEF_TICKS else self._most
        self._mend()

    def _pass_on_places_of(self, ages: list[float]) -> None:
        """Let others begin beside queries of some ages: the more there are, the later.

        Many that are nearly short are through sooner if few of them run at a time.
        """
        beside = sum(age > 0 and not self._board.is_active(slot) for slot, age in enumerate(ages))
        for slot, age in enumerate(ages):
            if self._board.is_active(slot) and age >= _SHORT * (beside + 1):
                self.give_back(slot)
                beside += 1

    def _mend(self) -> None:
        """Have as many places as there should be, also if processes were killed that had one."""
        active = [slot for slot in range(self._board.slots) if self._board.is_active(slot)]
        difference = self._number - len(active) - _unread(self._taking)
        lasting, self._differed = difference == self._differed, difference
        if not lasting:  # somebody has taken a place and not yet noted it
            return
        if difference > 0:
            os.write(self._giving, bytes(difference))
        for slot in active[: max(0, -difference)]:
            self._board.set_active(slot, active=False)


class _QueryProcess:
    """A query process: answers one job after the other until it is worn.

    Args:
        engine: answers.
        jobs: the queue of jobs.
        board: where is noted what it is about.
        slot: its place on the board.
        places: what it needs one of to take up a job.
    """

    def __init__(
        self,
        engine: InProcessEngine,
        jobs: socket.socket,
        board: Board,
        slot: int,
        places: _Places,
    ) -> None:
        self._engine = engine
        self._jobs = jobs
        self._board = board
        self._slot = slot
        self._places = places

    def answer_jobs(self, memory: int) -> None:
        """Answer jobs.

        Args:
            memory: how many bytes the process may grow by.
        """
        queue = wire.Queue(self._jobs)
        growth = kernel.Growth()
        kernel.limit_memory(memory)
        while not self._is_worn(growth):
            self._places.take(self._slot)
            told, connection = queue.take()
            with connection:
                self._answer_over(connection, told)

    def _is_worn(self, growth: kernel.Growth) -> bool:
        """Tell whether a fresh process should take over: this one is too large, or must give way."""
        if growth.bytes() > _WORN or os.getpriority(os.PRIO_PROCESS, 0) > 0:
            return True
        if growth.copied() <= _COPIED or self._board.is_active(self._slot):
            return False
        return kernel.memory_left() < kernel.memory_in_all() // 2

    def _answer_over(self, connection: socket.socket, told: memoryview) -> None:
        try:
            job = _followed(connection) if wire.follows(told) else wire.unpacked(told)
            assert isinstance(job, wire.Job)
            self._answer(job, connection)
        except (EOFError, TimeoutError, ConnectionError):
            pass  # whoever asked has gone; there is nobody to tell
        except MemoryError:
            os.abort()  # as the engine's own allocations do
        finally:
            self._board.end(self._slot)

    def _answer(self, job: wire.Job, connection: socket.socket) -> None:
        """Answer a job under its limits, if anybody still waits for it."""
        if not kernel.connected(connection):
            return
        began = self._board.begin(self._slot, job.number, job.query.names)
        kernel.limit_time(job.seconds)
        kernel.die_with_connection(connection)
        message = self._outcome(job, began)
        kernel.outlive_connection(connection)
        kernel.limit_time(0)
        wire.send(connection, message)

    def _outcome(self, job: wire.Job, began: float) -> wire.Message:
        try:
            if job.only_check:
                self._engine.check(job.query.text)
                return wire.Done(None, began)
            return wire.Done(self._engine.run(job.query), began)
        except EngineError as error:
            return wire.Failed.of(error)


def _followed(connection: socket.socket) -> wire.Message:
    """Receive a job that was too large for the queue."""
    connection.settimeout(_REQUEST_PATIENCE)
    job = wire.receive(connection)
    connection.settimeout(None)
    return job


if __name__ == "__main__":
    main()
