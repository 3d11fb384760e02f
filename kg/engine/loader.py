"""The loader: holds a dataset in memory and forks the query processes that share it.

Run as `python -m kg.engine.loader` by the isolated engine. A single thread forks, so that a fork
copies no lock that another thread holds. A query process answers one query at a time and many in
its life; the kernel ends it when a query exceeds its limits, when whoever asked has gone, and when
the loader ends.
"""

from __future__ import annotations

import logging
import os
import pickle
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

from kg.engine import kernel, wire
from kg.engine.board import Board, Cause
from kg.engine.errors import EngineError
from kg.engine.inprocess import InProcessEngine
from kg.engine.wire import Setup

_TICK: Final = 0.1
"""Seconds between looks at the age of running queries."""

_OLD: Final = 0.5
"""Age in seconds from which a query gives way to younger ones."""

_LONG: Final = 1.0
"""Age in seconds from which a query is long-running."""

_SHARE_FOR_YOUNG: Final = 4
"""One query process out of so many runs no long query."""

_LOWEST_PRIORITY: Final = 19
_WORN: Final = 64 << 20
"""Growth in bytes after which a query process makes room for a fresh one."""

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
    kernel.forbid_network()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    start = _starter(engine, jobs, board)
    running = {start(slot): slot for slot in range(board.slots)}
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, _TICK)
        for pid, status in _ended():
            slot = running.pop(pid)
            board.died(slot, pid, status)
            running[start(slot)] = slot
        _lower_priority_of_old(running, board)
        _keep_room_for_young(board)


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


def _starter(engine: InProcessEngine, jobs: socket.socket, board: Board) -> Callable[[int], int]:
    """Give what forks a query process for a slot and tells its process identifier."""
    loader = os.getpid()

    def start(slot: int) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                kernel.die_with_parent(loader)
                _answer_jobs(engine, jobs, board, slot)
            finally:
                os._exit(0)
        return pid

    return start


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


def _lower_priority_of_old(running: dict[int, int], board: Board) -> None:
    """Let long-running queries give way to others: the older, the more."""
    for pid, slot in running.items():
        age = board.age(slot)
        if age >= _OLD:
            nice = min(_LOWEST_PRIORITY, 5 + int(age / _OLD))
            os.setpriority(os.PRIO_PROCESS, pid, nice)


def _keep_room_for_young(board: Board) -> None:
    """Kill the latest of the long-running queries when there are too many of them.

    Some processes always answer short queries, however many long ones are asked.
    """
    ages = {slot: board.age(slot) for slot in range(board.slots)}
    long = sorted((slot for slot in ages if ages[slot] >= _LONG), key=lambda slot: ages[slot])
    room = max(1, board.slots - max(1, board.slots // _SHARE_FOR_YOUNG))
    for slot in long[: max(0, len(long) - room)]:
        board.kill(slot, Cause.CROWDED)


def _answer_jobs(engine: InProcessEngine, jobs: socket.socket, board: Board, slot: int) -> None:
    """Answer one job after the other until worn."""
    began_with = kernel.address_space()
    while True:
        _, descriptors, _, _ = socket.recv_fds(jobs, 1, 1)
        if not descriptors:
            continue
        with socket.socket(fileno=descriptors[0]) as connection:
            connection.settimeout(_REQUEST_PATIENCE)
            try:
                job = wire.receive(connection)
            except (EOFError, TimeoutError):
                continue
            assert isinstance(job, wire.Job)
            _answer(engine, job, connection, board, slot)
        worn = kernel.address_space() - began_with > _WORN
        if worn or os.getpriority(os.PRIO_PROCESS, 0) > 0:
            return


def _answer(
    engine: InProcessEngine,
    job: wire.Job,
    connection: socket.socket,
    board: Board,
    slot: int,
) -> None:
    """Answer a job under its limits."""
    connection.settimeout(None)
    try:
        wire.send(connection, wire.Started(slot, os.getpid()))
        board.begin(slot, job.query.names)
        kernel.limit_memory(job.memory)
        kernel.limit_time(job.seconds)
        kernel.die_with_connection(connection)
        message = _outcome(engine, job)
        kernel.outlive_connection(connection)
        kernel.limit_time(0)
        _unlimit_memory()
        wire.send(connection, message)
    except ConnectionError:
        pass  # whoever asked has gone; there is nobody to tell
    finally:
        board.end(slot)


def _outcome(engine: InProcessEngine, job: wire.Job) -> wire.Message:
    try:
        if job.only_check:
            engine.check(job.query.text)
            return None
        return engine.run(job.query)
    except EngineError as error:
        return wire.Failed.of(error)
    except MemoryError:
        os.abort()  # as the engine's own allocations do


def _unlimit_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


if __name__ == "__main__":
    main()
